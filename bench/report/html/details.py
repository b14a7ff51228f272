"""What the page shows when an entry is opened, as compact JSON."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.checkout import PROGRAM
from bench.metrics.confusion import matrix_of_record
from bench.metrics.evaluation import ClassMetrics, classes_of_record
from bench.metrics.groups import count_groups
from bench.plain_text import visible
from bench.report.figures.source import Json, Source, has_many_classes
from bench.report.html.results import HEADINGS, Line
from bench.report.model.cells import Run
from bench.report.model.command import command
from bench.report.model.costs import seconds_with_required
from bench.report.model.many_classes import (
    GROUPS,
    GROUPS_IN_WORDS,
    confusion_by_group,
    ends_by_size,
    largest_confusions,
)
from bench.report.model.measures import unit

# Of figures as the page prints them, so that they are rounded once; the records hold them in full.
_PERCENT, _SECONDS, _INTERVAL, _WEIGHT = 2, 1, 1, 3
# Losses are drawn too, and may be small throughout.
_LOSS = 8

# Of many classes, what a dialog lists: so many of each end, and so many confusions.
_ENDS, _CONFUSIONS = 15, 20


def details_json(source: Source, lines: Sequence[Line], folder: str) -> str:
    """Details of every line, of results in `folder`.

    ``cells`` maps the key of a line to its runs, ``classes`` a data set to the names of its
    classes, and ``facts`` is a list to which runs point for settings and provenance they share.
    """
    facts: dict[str, int] = {}
    seconds = seconds_with_required(source.table)
    classes: dict[str, Any] = {}
    cells = {}
    for line in lines:
        for record in source.runs(line.split, line.column, line.row).values():
            classes.setdefault(line.dataset, record["data"]["class_names"])
        cells[line.key] = {
            "split": line.split,
            "dataset": line.dataset,
            "standIn": line.stand_in,
            "method": line.heading,
            "label": line.row.label,
            "command": command(
                source.table.settings,
                line.dataset,
                line.cell.runs[0].split,
                line.row.label,
                sorted({run.seed for run in line.cell.runs}),
            ),
            "runs": [_run(source, run, seconds, facts) for run in line.cell.runs],
        }
    content = {
        "cells": cells,
        "classes": classes,
        "facts": [json.loads(text) for text in facts],
        # A run's molecules and classes: `show` JOB_ID --csv FILE `out`.
        "show": f"{PROGRAM} show",
        "out": f"--out {shlex.quote(folder)}",
        "measures": [
            [HEADINGS.get(measure.name, measure.heading), measure.decimals]
            for measure in source.table.recorded
        ],
        "unit": unit(source.table.recorded),
    }
    return json.dumps(_visible(content), separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def _visible(value: Any) -> Any:
    """`value` with all texts in it, as keys too, made visible."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {_visible(key): _visible(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_visible(inner) for inner in value]
    return value


def _run(
    source: Source, run: Run, seconds: Mapping[str, float], facts: dict[str, int]
) -> dict[str, Any]:
    seed = run.seed if run.fold is None else run.seed_and_fold
    shown: dict[str, Any] = {"seed": seed, "job": run.job_id, "status": run.status}
    if run.result is None:
        return {**shown, "reason": run.reason}
    record = source.records[run.job_id]
    many = has_many_classes(record)
    return {
        **shown,
        "figures": [
            _rounded(value if value is None else measure.printed(value), measure.decimals)
            for measure in source.table.recorded
            for value in [run.result.metrics.get(measure.name)]
        ],
        "seconds": _rounded(seconds.get(run.job_id), _SECONDS),
        "selected": run.result.selected_epoch,
        **(_of_many(record, facts) if many else _of_few(record)),
        "history": _history(record),
        "settings": _shared(facts, _settings(record)),
        "provenance": _shared(facts, _provenance(record)),
        "own": _own(record),
    }


def _of_few(record: Json) -> dict[str, Any]:
    return {"perClass": _per_class(classes_of_record(record)), "confusion": record["confusion"]}


def _of_many(record: Json, facts: dict[str, int]) -> dict[str, Any]:
    """A row for the largest and the smallest classes, a dot for all, and the largest confusions.

    ``groups`` are rows of a name, its bounds, the classes with test samples and the shares of
    :func:`confusion_by_group` in percent.
    """
    matrix, data = matrix_of_record(record["confusion"]), record["data"]
    counts, tested = np.array(data["train_counts"]), matrix.sum(axis=1)
    largest, smallest = ends_by_size(counts, _ENDS)
    listed, classes = [*largest.tolist(), *smallest.tolist()], classes_of_record(record)
    of_group = count_groups(counts)
    shares = 100 * confusion_by_group(matrix, counts)
    return {
        "many": {
            "listed": listed,
            "perClass": _per_class([classes[k] for k in listed]),
            "counts": _shared(facts, {"train": counts.tolist(), "test": tested.tolist()}),
            "right": np.diag(matrix).tolist(),
            "groups": [
                [
                    name,
                    GROUPS_IN_WORDS[name],
                    int(np.count_nonzero(tested[of_group[name]])),
                    [_rounded(float(share), _PERCENT) for share in row],
                ]
                for name, row in zip(GROUPS, shares, strict=True)
            ],
            "confusions": [list(one) for one in largest_confusions(matrix, _CONFUSIONS)],
        }
    }


def _per_class(classes: Sequence[ClassMetrics]) -> list[list[float | None]]:
    """Samples in training and test, recall and the ends of its interval in percent, by class."""
    return [
        [
            one.train_count,
            one.support,
            _rounded(100 * one.recall, _PERCENT),
            _rounded(100 * one.recall_low, _INTERVAL),
            _rounded(100 * one.recall_high, _INTERVAL),
        ]
        for one in classes
    ]


def _history(record: Json) -> dict[str, Any]:
    """Curves as columns; ``omega`` is there where the method reports it in every epoch.

    Of many classes it is the mean over each group, and ``omegaOf`` names the groups.
    """
    history = record["history"]
    curves: dict[str, Any] = {
        "epoch": [report["epoch"] for report in history],
        "loss": [_rounded(report["train_loss"], _LOSS) for report in history],
        "score": [
            _rounded(100 * report["valid_balanced_accuracy"], _PERCENT) for report in history
        ],
    }
    omega = [report.get("method", {}).get("omega") for report in history]
    if omega and all(omega) and has_many_classes(record):
        groups = count_groups(np.array(record["data"]["train_counts"]))
        curves["omegaOf"] = [name for name in GROUPS if len(groups[name])]
        means = [np.array(omega)[:, groups[name]].mean(axis=1) for name in curves["omegaOf"]]
        curves["omega"] = np.stack(means, axis=1).round(_WEIGHT).tolist()
    elif omega and all(omega):
        curves["omega"] = [[_rounded(weight, _WEIGHT) for weight in weights] for weights in omega]
    return curves


def _settings(record: Json) -> dict[str, Any]:
    """What was asked for, but for the seed; every component as one line.

    A method without a network and without epochs has neither encoder nor settings of training.
    """
    job = record["job"]
    parts = {kind: _part(job[kind]) for kind in ("dataset", "split", "method")}
    if not record["history"]:
        return parts
    encoders = {f"encoder of {kind}": _part(part) for kind, part in job["backbones"].items()}
    training = {key.replace("_", " "): value for key, value in job["training"].items()}
    return {**parts, **encoders, **training}


def _part(part: Json) -> str:
    options = ", ".join(f"{key}={value}" for key, value in sorted(part["options"].items()))
    return f"{part['name']} (version {part['version']}){': ' if options else ''}{options}"


def _provenance(record: Json) -> dict[str, Any]:
    """Where the run was done; what every run has of its own is left to :func:`_own`."""
    origin = record["provenance"]
    return {
        "device": origin["device"],
        "platform": origin.get("platform"),
        "Python": origin.get("python"),
        "packages": packages_of(origin),
        "code": commit(origin["code"]),
        "data file": record["data"]["file"],
        "data sha256": record["data"]["sha256"],
    }


def packages_of(origin: Json) -> str:
    """Libraries with their versions; those that were not installed are left out."""
    found = sorted((name, version) for name, version in origin["packages"].items() if version)
    return ", ".join(f"{name} {version}" for name, version in found)


def commit(code: Json) -> str:
    """The commit, and whether files differed from it."""
    if not code.get("commit"):
        return "not recorded"
    return code["commit"] + (" and changes on top" if code.get("dirty") else "")


def _own(record: Json) -> dict[str, Any]:
    return {
        "job id": record["job_id"],
        "split hash": record["data"]["split_hash"],
        "started": record["time"]["started"],
        "finished": record["time"]["finished"],
        "parameters": record["parameters"],
    }


def _shared(facts: dict[str, int], fact: dict[str, Any]) -> int:
    """Place of `fact` in the list of facts, to which it is added when it is new."""
    return facts.setdefault(json.dumps(fact, sort_keys=False), len(facts))


def _rounded(value: float | None, decimals: int) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), decimals)
