"""Check methods against what every method must do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.text import Text

from bench.commands.console import console
from bench.conformance.run import VERDICTS, Result, run_checks, subject_of
from bench.conformance.subject import Subject
from bench.conformance.trial import FinishedRuns
from bench.errors import UsageError
from bench.method import METHODS
from bench.plugin_files import import_file
from bench.training.run import choose_device

_STYLES = {"ok": "green", "failed": "bold red", "not applicable": "dim"}


def check_methods(names: Sequence[str], device: str = "cpu") -> int:
    """Run the checks on each method and print a line as each ends.

    Parameters
    ----------
    names : sequence of str
        Registered methods, with options in brackets or without, or paths of Python files.
    device : str
        Where networks are trained: auto, cpu or cuda.

    Returns
    -------
    int
        0 when nothing failed, else 1.
    """
    # As in every run: one thread.
    torch.set_num_threads(1)
    chosen = choose_device(device)
    finished = FinishedRuns()
    texts = [
        text
        for name in names
        for text in (_registered_by(Path(name)) if name.endswith(".py") else [name])
    ]
    # All names are looked up before the first check runs.
    subjects = [(text, subject_of(text, finished, chosen)) for text in texts]
    failures = [_check(text, subject) for text, subject in subjects]
    return 1 if any(failures) else 0


def _check(text: str, subject: Subject) -> int:
    """Print a line a check and a summary; the number of failures."""
    console.print(text, style="bold")
    results = []
    for result in run_checks(subject):
        results.append(result)
        _show(result)
    counts = Counter(result.verdict for result in results)
    console.print(
        f"  {', '.join(f'{counts[verdict]} {verdict}' for verdict in VERDICTS)} "
        f"in {sum(result.seconds for result in results):.1f} s",
    )
    return counts["failed"]


def _show(result: Result) -> None:
    line = Text(f"  {result.verdict:15}", style=_STYLES[result.verdict])
    line.append(result.check, style="default")
    if result.text:
        line.append(f": {result.text}", style="default")
    console.print(line)


def _registered_by(path: Path) -> list[str]:
    """Names of the methods that a file registers; it is imported unless it was found by itself."""
    if not path.is_file():
        raise UsageError(f"Expected the path of a method's file, but {path} is not there.")
    before = set(METHODS.names())
    own = [entry.name for entry in METHODS if Path(entry.origin).resolve() == path.resolve()]
    if not own:
        _import(path)
        own = [name for name in METHODS.names() if name not in before]
    if not own:
        raise UsageError(
            f"Expected {path} to register a method, but it does not. Put @register_method(...) "
            "before its class, as in CONTRIBUTING.md."
        )
    return own


def _import(path: Path) -> None:
    try:
        import_file(path)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"Expected {path} to be importable, but got {type(error).__name__}: {error}."
        ) from error
