"""From command-line arguments to checked settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    "seeds": "seeds",
    "epochs": "training.epochs",
    "return_surplus": "split.return_surplus",
    "group_duplicates": "split.group_duplicates",
    "jobs": "jobs",
    "device": "device",
    "executor": "executor.name",
    "address": "executor.address",
}
_MOST_MINUTES = 100_000
_LISTS = ("methods", "datasets", "splits", "seeds")


def resolve_arguments(arguments: Mapping[str, Any]) -> Resolved:
    """Settings from the preset and the options given; see :func:`bench.config.resolve`."""
    overrides: dict[str, Any] = {}
    for text in arguments["assignments"]:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"Expected --set KEY=VALUE, but got {text!r}.")
        overrides[key.strip()] = parse_value(value)
    for option, setting in _SETTINGS.items():
        value = arguments[option]
        if value is None:
            continue
        if option in _LISTS:
            value = split_list(value)
            if not value:
                raise UsageError(f"Expected at least one item in --{option}, but got none.")
        if option == "seeds":
            value = [_seed(item) for item in value]
        overrides[setting] = value
    if arguments["data"] is not None:
        if "datasets" in overrides:
            raise UsageError("--data and --datasets exclude each other.")
        overrides["datasets"] = [_csv_spec(arguments)]
    elif any(arguments[name] for name in ("smiles_col", "label_col", "protein_col")):
        raise UsageError("--smiles-col, --label-col and --protein-col go with --data FILE.")
    return resolve(arguments["preset"], overrides)


def policy_of(arguments: Mapping[str, Any]) -> Policy:
    """How the start goes about runs, from the options given."""
    minutes = arguments["max_minutes"]
    if minutes is not None and not 0 < minutes <= _MOST_MINUTES:  # NaN is neither
        raise UsageError(
            f"Expected --max-minutes above 0 and at most {_MOST_MINUTES}, but got {minutes}."
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


def _csv_spec(arguments: Mapping[str, Any]) -> str:
    """``csv[path=...,smiles_columns=[...],label_column=...]`` from the --data options."""
    for option in ("smiles_col", "label_col"):
        if not arguments[option]:
            raise UsageError(
                f"--data needs --{option.replace('_', '-')}: the name of a column of the file."
            )
    options = {
        "path": str(Path(arguments["data"]).expanduser()),
        "smiles_columns": split_list(arguments["smiles_col"]),
        "label_column": arguments["label_col"],
    }
    if arguments["protein_col"]:
        options["protein_column"] = arguments["protein_col"]
    return f"csv[{','.join(f'{key}={json.dumps(value)}' for key, value in options.items())}]"
