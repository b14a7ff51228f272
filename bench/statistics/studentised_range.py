"""Upper tail of the studentised range, for many values at once.

``scipy.stats.studentized_range`` integrates adaptively and takes a tenth of a second a value; the
steps of :func:`bench.statistics.best_set.confidence_set` need hundreds of values for a column.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy  # its `stats`, which takes long to import, is imported when it is used
from scipy.special import ndtr

# Gauss-Legendre nodes: right to 1e-6 for 12 means, to 2e-4 for 200, with as many degrees.
_NORMAL = np.polynomial.legendre.leggauss(64)
_DEVIATION = np.polynomial.legendre.leggauss(32)
_HALF_WIDTH = 8.0  # standard deviations, beyond which the normal density is nothing
_TAIL = 1e-10  # of the deviation's distribution, left out at both ends


def range_tail(q: np.ndarray, means: int, degrees: int) -> np.ndarray:
    """Chance that the range of p equal means, over its estimated standard error, is above q.

    1 - E_s[p int phi(z) (Phi(z) - Phi(z - q s))^(p - 1) dz], where s^2 is chi-squared over its
    degrees of freedom. Tukey, The Problem of Multiple Comparisons, 1953.

    Parameters
    ----------
    q : ndarray
        Any shape; infinity is allowed.
    means : int
        p, at least 2.
    degrees : int
        Degrees of freedom, at least 1.

    Returns
    -------
    ndarray, shape of `q`

    Examples
    --------
    >>> range_tail(np.array([3.314, 5.029]), means=2, degrees=6).round(3)  # of t: q / sqrt(2)
    array([0.058, 0.012])
    """
    z = _HALF_WIDTH * _NORMAL[0]
    density = _HALF_WIDTH * _NORMAL[1] * np.exp(-(z**2) / 2) / (2 * np.pi) ** 0.5
    deviation, weights = _deviations(degrees)
    width = np.asarray(q)[..., None, None] * deviation[:, None]
    inside = means * ((ndtr(z) - ndtr(z - width)) ** (means - 1) @ density)
    return np.clip(1 - inside @ weights, 0.0, 1.0)


@cache
def _deviations(degrees: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of s and their weights, both (32,)."""
    chi = scipy.stats.chi
    low, high = chi.ppf(_TAIL, degrees), chi.isf(_TAIL, degrees)
    nodes = low + (high - low) * (1 + _DEVIATION[0]) / 2
    weights = (high - low) / 2 * _DEVIATION[1] * chi.pdf(nodes, degrees)
    return nodes / degrees**0.5, weights
