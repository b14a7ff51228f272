"""Confidence intervals of a proportion."""

from __future__ import annotations

from scipy.stats import binomtest


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of successes / trials, without continuity correction.

    It stays inside [0, 1] and is honest for few trials; (nan, nan) for none. Wilson, J. Am. Stat.
    Assoc. 1927, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> low, high = wilson_interval(12, 23)
    >>> round(low, 3), round(high, 3)
    (0.33, 0.708)
    """
    if trials == 0:
        return float("nan"), float("nan")
    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
