"""Confidence intervals of a proportion."""

from __future__ import annotations

from functools import cache
from math import sqrt

from scipy.special import ndtri


@cache
def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of successes / trials, without continuity correction.

    It stays inside [0, 1] and is honest for few trials; (nan, nan) for none. Wilson, J. Am. Stat.
    Assoc. 1927, doi:10.1080/01621459.1927.10502953. Written out, as ``scipy.stats.binomtest`` gives
    the same figures only after an exact test that takes a hundred times as long.

    Examples
    --------
    >>> low, high = wilson_interval(12, 23)
    >>> round(low, 3), round(high, 3)
    (0.33, 0.708)
    """
    if trials == 0:
        return float("nan"), float("nan")
    share, z = successes / trials, float(ndtri(0.5 + 0.5 * confidence))
    scale = 2 * (trials + z**2)
    centre = (2 * trials * share + z**2) / scale
    reach = z / scale * sqrt(4 * trials * share * (1 - share) + z**2)
    low = 0.0 if successes == 0 else centre - reach
    return low, 1.0 if successes == trials else centre + reach
