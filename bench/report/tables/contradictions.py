"""Whether the pairs of balanced accuracy and balanced F1 that the paper printed can exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.metrics.confusion import balanced_f1s, mean_present, recalls_from_pair
from bench.report.document.numbers import fixed
from bench.report.document.report import (
    Entry,
    Report,
    Section,
    Value,
    line,
    paper,
    plain_headings,
)
from bench.report.model.measures import MAIN
from bench.report.model.published import PAPER, published

# Half a unit of the last digit printed, as a fraction.
ROUNDING = 0.00005
_ROUND_OFF = 1e-9

Verdict = Literal["feasible", "impossible", "open"]


@dataclass(frozen=True)
class Finding:
    """What can be said of one pair.

    Attributes
    ----------
    recalls : (float, float) or None
        The larger and the smaller, of a feasible pair of two classes.
    reason : str
        Why it is impossible, or open; empty when it is feasible.
    """

    verdict: Verdict
    recalls: tuple[float, float] | None
    reason: str


def examine(balanced_accuracy: float, balanced_f1: float, classes: int) -> Finding:
    """Whether a confusion matrix of K classes prints as this pair.

    Two classes: the pair gives both recalls, see :func:`bench.metrics.confusion.recalls_from_pair`.
    More classes: with a the balanced accuracy and C_k the column sums of the matrix whose rows are
    divided by their sums, C_k is at least R_kk and sum_k C_k = K. So 2 R_kk / (1 + C_k) is at most
    2 R_kk / (1 + R_kk), which is concave: balanced F1 is at most 2 a / (1 + a). By the inequality
    of Cauchy and Schwarz it is at least 2 a^2 / (1 + a). Outside is impossible. That balanced F1
    is at most a, as with two classes, does not hold: when the errors of all classes fall into one,
    it is above. Matrices of equal trace can be changed into each other without changing a, and
    balanced F1 passes all values between theirs, so what lies between those of :func:`extremes`
    is feasible; the rest is open.

    Parameters
    ----------
    balanced_accuracy, balanced_f1 : float
        Fractions, rounded to two decimals of a percent.
    classes : int
        K, at least 2.
    """
    a, f = balanced_accuracy, balanced_f1
    if classes == 2:
        recalls = recalls_from_pair(a, f, rounding=ROUNDING)
        if recalls is not None:
            return Finding("feasible", recalls, "")
        above = f - a > 2 * ROUNDING + _ROUND_OFF
        return Finding("impossible", None, "BF1 above BA" if above else "a recall above 1")
    near = [min(max(a + step, 0.0), 1.0) for step in (-ROUNDING, ROUNDING)]
    lowest, highest = 2 * near[0] ** 2 / (1 + near[0]), 2 * near[1] / (1 + near[1])
    if not lowest - ROUNDING <= f <= highest + ROUNDING:
        return Finding("impossible", None, "BF1 outside 2a²/(1+a) to 2a/(1+a)")
    low, high = extremes(a, classes)
    if low - ROUNDING <= f <= high + ROUNDING:
        return Finding("feasible", None, "")
    return Finding("open", None, "no matrix found, none excluded")


def extremes(balanced_accuracy: float, classes: int) -> tuple[float, float]:
    """Balanced F1 of two matrices with this balanced accuracy, the lower one first.

    In the first, as few classes as possible have errors, all of which fall into one other class;
    in the second all classes but one have errors in equal shares, all of which fall into that one.
    Errors beyond those of K - 1 classes are that class's own.

    Examples
    --------
    >>> low, high = extremes(0.94, 10)
    >>> round(low, 4), round(high, 4)
    (0.9341, 0.9459)
    """
    errors = classes * (1.0 - balanced_accuracy)
    some = min(max(int(np.ceil(errors)), 1), classes - 1)
    found = []
    for wrong in (some, classes - 1):
        rate = min(errors / wrong, 1.0)
        rates = np.eye(classes)
        rates[range(wrong), range(wrong)] = 1.0 - rate
        rates[:wrong, -1] = rate
        rates[-1, 0] = errors - wrong * rate
        rates[-1, -1] = 1.0 - rates[-1, 0]
        found.append(mean_present(balanced_f1s(rates)))
    return min(found), max(found)


def contradictions() -> Report:
    """Every pair of the paper's Table 2, with the recalls that it implies."""
    lines, csv_lines, impossible, many = [], [], 0, 0
    for split, method, dataset in _places():
        a, f = (published().figures[split, method, dataset, m.name] for m in MAIN)
        classes = published().sizes[dataset].classes
        finding = examine(a / 100, f / 100, classes)
        impossible += finding.verdict == "impossible"
        many += finding.verdict == "feasible" and classes > 2 and f > a
        larger, smaller = finding.recalls or (None, None)
        said = finding.verdict + (f": {finding.reason}" if finding.reason else "")
        lines.append(
            line(
                split,
                dataset,
                method,
                paper(a),
                paper(f),
                *("" if r is None else fixed(r, 3) for r in (larger, smaller)),
                said if finding.verdict == "feasible" else Entry(said, "flag"),
            )
        )
        values: tuple[Value, ...] = (a, f, larger, smaller, finding.verdict, finding.reason)
        csv_lines.append((split, dataset, method, *values))
    headings = ("split", "data set", "method", "BA", "BF1", "larger recall", "smaller recall",
                "verdict")  # fmt: skip
    return Report(
        "contradictions",
        "Published pairs that cannot exist",
        (
            f"Of {len(lines)} pairs of balanced accuracy and balanced F1 in Table 2 of {PAPER}, "
            f"{impossible} belong to no confusion matrix, whatever two-decimal rounding did. "
            "A mean over runs that differ much could print as such a pair; the paper does not say "
            "that its figures are means.",
        ),
        (
            (
                "Two classes",
                "balanced accuracy and balanced F1 determine both recalls; a pair is impossible "
                "when one of them would be above 1, or balanced F1 above balanced accuracy.",
            ),
            (
                "More classes",
                "balanced F1 may exceed balanced accuracy, as it does in "
                f"{many} of the pairs here: it does when the errors of all classes fall into one. "
                "It is at most 2a/(1+a) and at least 2a²/(1+a), with a the balanced accuracy; "
                "feasible pairs have a matrix that was constructed.",
            ),
        ),
        (Section("", plain_headings(headings), tuple(lines)),),
        ("split", "dataset", "method", "balanced_accuracy", "balanced_f1", "larger_recall",
         "smaller_recall", "verdict", "reason"),
        tuple(csv_lines),
    )  # fmt: skip


def _places() -> list[tuple[str, str, str]]:
    """(split, method, data set) of every pair, in the order of the paper."""
    return list(dict.fromkeys(key[:3] for key in published().figures))
