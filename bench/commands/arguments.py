"""From command-line arguments to checked settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.commands.own_file import file_as_datasets, refuse_without_file
from bench.config import Resolved, resolve
from bench.errors import UsageError
from bench.spec import split_list
from bench.strict_yaml import parse_value
from bench.sweep.policy import Policy

# Option of the command line to the setting it stands for.
_SETTINGS = {
    "methods": "methods",
    "datasets": "datasets",
    "splits": "splits",
    "backbones": "encoders",
    "seeds": "seeds",
    "epochs": "training.epochs",
    "select_by": "training.select_by",
    "trials": "trials.number",
    "sampler": "trials.sampler",
    "return_surplus": "split.return_surplus",
    "group_duplicates": "split.group_duplicates",
    "jobs": "jobs",
    "device": "device",
    "keep_models": "keep_models",
    "executor": "executor.name",
    "track": "track",
    "address": "executor.address",
}
_PROGRAM = "run_bench.py"
_INSTALLED = "ltdd-bench"
_MOST_MINUTES = 100_000
_LISTS = ("methods", "datasets", "splits", "backbones", "seeds", "track")


def resolve_arguments(arguments: Mapping[str, Any], program: str = _PROGRAM) -> Resolved:
    """Settings from the preset and the options given; see :func:`bench.config.resolve`.

    `program` is what was typed to start it: printed commands begin with it. A command may have only
    some of the options.
    """
    overrides: dict[str, Any] = {}
    for text in arguments["assignments"]:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"Expected --set KEY=VALUE, but got {text!r}.")
        overrides[key.strip()] = parse_value(value)
    for option, setting in _SETTINGS.items():
        value = arguments.get(option)
        if value is None or value == ():  # of an option that may be repeated
            continue
        if isinstance(value, tuple):
            value = ",".join(value)
        if option in _LISTS:
            value = split_list(value)
            if not value:
                raise UsageError(f"Expected at least one item in --{option}, but got none.")
        if option == "seeds":
            value = [_seed(item) for item in value]
        overrides[setting] = value
    if arguments["data"] is None:
        refuse_without_file(arguments)
    elif "datasets" in overrides:
        raise UsageError("--data and --datasets exclude each other.")
    else:
        overrides["datasets"] = file_as_datasets(arguments["data"], arguments)
        if arguments.get("split_col") is not None:
            overrides.setdefault("splits", ["column"])
    resolved = resolve(arguments["preset"], overrides)
    if "trials.sampler" in overrides and resolved.settings.trials.number is None:
        raise UsageError("--sampler goes with --trials N.")
    name = Path(program).name
    if name == _INSTALLED:  # found by its name, wherever it is
        program = name
    elsewhere = program != _PROGRAM and name in (_PROGRAM, _INSTALLED)
    return replace(resolved, program=program) if elsewhere else resolved


def policy_of(arguments: Mapping[str, Any]) -> Policy:
    """How the start goes about runs, from the options given."""
    minutes = arguments["max_minutes"]
    if minutes is not None and not 0 < minutes <= _MOST_MINUTES:  # NaN is neither
        raise UsageError(
            f"Expected --max-minutes above 0 and at most {_MOST_MINUTES}, but got {minutes}."
        )
    if arguments["retries"] < 1:
        raise UsageError(f"Expected 1 or more retries, but got {arguments['retries']}.")
    if arguments["force"] and arguments["keep_changed"]:
        raise UsageError(
            "--force runs everything again, --keep-changed reuses what is done: give one of them."
        )
    return Policy(
        max_minutes=minutes,
        attempts=arguments["retries"],
        retry_failed=arguments["retry_failed"],
        force=arguments["force"],
        keep_changed=arguments["keep_changed"],
    )


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"Expected whole numbers in --seeds, but got {text!r}.") from None
