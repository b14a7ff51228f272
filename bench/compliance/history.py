"""The rule that the chosen epoch has the validation score of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.compliance.arithmetic import same
from bench.compliance.rules import name_of
from bench.compliance.violation import Violation
from bench.method import METHODS, Method

Json = Mapping[str, Any]


def violations_of_history(record: Json) -> Iterator[Violation]:
    """Whether the history says of the chosen epoch what the record says of the run.

    It need not where a method concludes, as what it predicts with may be another after training,
    nor on a GPU, where two evaluations may be rounded otherwise.

    Parameters
    ----------
    record : mapping
        One that keeps the rules on a record alone.
    """
    selection = record["selection"]
    chosen = [report for report in record["history"] if report["epoch"] == selection["epoch"]]
    if not chosen or record["provenance"]["device"] != "cpu" or _may_conclude(record):
        return
    score, recorded = chosen[0]["valid_balanced_accuracy"], selection["valid_balanced_accuracy"]
    if not same(score, recorded):
        yield Violation(
            "history",
            name_of(record),
            f"expected a validation balanced accuracy of {recorded} in epoch {selection['epoch']}, "
            f"which was chosen, as selection says, but got {score}. Delete the folder of the run "
            "and run the benchmark command again.",
        )


def _may_conclude(record: Json) -> bool:
    """Whether a method changes what it predicts with after the last epoch, as far as is known."""
    method = record["job"]["method"]
    if method["name"] not in METHODS:
        return True
    entry = METHODS.get(method["name"])
    if entry.facts["version"] != method["version"] or not issubclass(entry.cls, Method):
        return True
    return entry.cls.conclude is not Method.conclude
