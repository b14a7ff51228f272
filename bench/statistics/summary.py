"""Mean, deviation and interval of the runs of one cell."""

from __future__ import annotations

import statistics
from collections.abc import Collection
from dataclasses import dataclass

import scipy  # its `stats`, which takes long to import, is imported when it is used


@dataclass(frozen=True)
class Summary:
    """What is printed of n values, in their unit.

    Attributes
    ----------
    std : float or None
        Sample standard deviation (ddof 1); None below two values.
    low, high : float or None
        Interval of the mean; None below two values.
    """

    n: int
    mean: float
    std: float | None
    low: float | None
    high: float | None


def summarise(
    values: Collection[float], confidence: float = 0.95, *, test_to_train: float = 0.0
) -> Summary:
    """Mean of n values with Student's interval, mean +- t(n - 1) std / sqrt(n).

    The interval is that of independent values. Over seeds that split the same data again it is a
    little too narrow; differences have :func:`bench.statistics.paired.paired_difference`.

    Runs of repeated cross-validation share most of their samples. With `test_to_train`, the
    variance of the mean is std^2 (1 / n + n_test / n_train) instead of std^2 / n: the corrected
    resampled test (Nadeau and Bengio, Machine Learning 2003, doi:10.1023/A:1024068626366;
    Bouckaert and Frank, PAKDD 2004, doi:10.1007/978-3-540-24775-3_3, equation 3).

    Parameters
    ----------
    values : collection of float
    confidence : float
    test_to_train : float
        Test samples / training samples of a run.

    Raises
    ------
    ValueError
        There is no value.

    Examples
    --------
    >>> summary = summarise([0.1, 0.2, 0.3])
    >>> [round(value, 3) for value in (summary.mean, summary.std, summary.low, summary.high)]
    [0.2, 0.1, -0.048, 0.448]
    """
    n = len(values)
    if n == 0:
        raise ValueError("Expected at least one value to summarise, but got none.")
    mean = statistics.fmean(values)
    if n == 1:
        return Summary(1, mean, None, None, None)
    std = statistics.stdev(values)
    half = float(scipy.stats.t.ppf((1 + confidence) / 2, n - 1)) * std / n**0.5
    if test_to_train:
        half *= (1 + n * test_to_train) ** 0.5
    return Summary(n, mean, std, mean - half, mean + half)


def prediction_interval(
    values: Collection[float], least_error: float = 0.0, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Where one new value lies, mean +- t(n - 1) std sqrt(1 / n + 1); None below two values.

    The deviation of runs over seeds holds all that moves one of them: split, training and test
    samples. Splits of the same data overlap, so runs are alike beyond their mean; what any two of
    them have in common, the new one included, shifts all of them and drops out.

    Parameters
    ----------
    values : collection of float
        Independent, or all correlated alike.
    least_error : float
        The deviation is taken to be this at least, as a few values may be close to each other by
        chance.

    Examples
    --------
    >>> [round(bound, 3) for bound in prediction_interval([0.1, 0.2, 0.3])]
    [-0.297, 0.697]
    """
    summary = summarise(values)
    if summary.std is None:
        return None
    n = summary.n
    deviation = max(summary.std, least_error)
    half = float(scipy.stats.t.ppf((1 + confidence) / 2, n - 1)) * deviation * (1 / n + 1) ** 0.5
    return summary.mean - half, summary.mean + half
