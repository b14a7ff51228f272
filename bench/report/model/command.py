"""The shell command that repeats an entry of a table."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

# A folder without runs, as done ones would be reused.
_FRESH = "results/again"


def command(
    settings: Mapping[str, Any], dataset: str, split: str, method: str, seeds: Sequence[int]
) -> str | None:
    """What repeats the runs of an entry, each under the same job id, into a fresh folder.

    It can be pasted where the benchmark was started: the program, the preset and a file of the
    user's stand in it as they were typed. It begins with the preset as it now is.

    Parameters
    ----------
    settings : mapping
        ``settings`` of the plan.
    dataset, split, method : str
        Labels of the plan.
    seeds : sequence of int
        Those to repeat.

    Returns
    -------
    str or None
        None for plans of earlier versions, which do not say what the command line set.
    """
    if "datasets" not in settings or "given" not in settings:
        return None
    program = settings.get("program", "run_bench.py")
    words = ["python", program] if program.endswith(".py") else [program]
    for path in settings.get("plugins", ()):
        words += ["--plugin", path]
    words += ["--preset", settings["preset"]]
    words += ["--datasets", settings["datasets"][dataset], "--splits", split, "--methods", method]
    words += ["--seeds", ",".join(map(str, seeds))]
    for assignment in settings["given"]:
        words += ["--set", assignment]
    return shlex.join([*words, "--out", _FRESH])
