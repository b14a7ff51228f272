"""How the variance of a table of methods and encoders divides, with the seed as a block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its `stats`, which takes long to import, is imported when it is used


@dataclass(frozen=True)
class Effect:
    """One source of variance.

    Attributes
    ----------
    sum_of_squares : float
    degrees : int
        Of freedom.
    share : float
        Of the total sum of squares; 0 where all scores are equal.
    p : float or None
        Of the F test against the residual; None for the residual, and where it is 0.
    """

    sum_of_squares: float
    degrees: int
    share: float
    p: float | None


@dataclass(frozen=True)
class TwoWay:
    """The four sources and what is left, which sum up to the total."""

    method: Effect
    encoder: Effect
    interaction: Effect
    seed: Effect
    residual: Effect


def two_way(scores: np.ndarray) -> TwoWay:
    """Analysis of variance of two crossed factors in randomised blocks.

    The model is score = mean + method + encoder + interaction + seed + residual (Montgomery,
    Design and Analysis of Experiments, 8th edition 2013, section 5.6). All combinations of one
    seed share a split, so the seed is the block. Sums of squares of a full table are orthogonal.
    F tests take residuals as independent, normal and of one variance; test sets of several seeds
    share samples, so a small p value says less than it seems to.

    Parameters
    ----------
    scores : ndarray, shape (A, B, S)
        A methods, B encoders, S seeds; two of each at least.

    Raises
    ------
    ValueError
        Fewer than two of one of them, or a score that is not finite.
    """
    x = np.asarray(scores, dtype=np.float64)
    if x.ndim != 3 or min(x.shape) < 2 or not np.isfinite(x).all():
        raise ValueError(
            f"Expected finite scores of two methods, encoders and seeds at least, got {x.shape}."
        )
    x = x - x.mean()
    a, b, s = x.shape
    method, encoder, seed = x.mean((1, 2)), x.mean((0, 2)), x.mean((0, 1))
    both = x.mean(2) - method[:, None] - encoder
    left = x - x.mean(2)[:, :, None] - seed
    squares = {
        "method": b * s * (method**2).sum(),
        "encoder": a * s * (encoder**2).sum(),
        "interaction": s * (both**2).sum(),
        "seed": a * b * (seed**2).sum(),
        "residual": (left**2).sum(),
    }
    degrees = {
        "method": a - 1,
        "encoder": b - 1,
        "interaction": (a - 1) * (b - 1),
        "seed": s - 1,
        "residual": (a * b - 1) * (s - 1),
    }
    total = sum(squares.values())
    noise = squares["residual"] / degrees["residual"]
    # Below what rounding leaves of scores that are equal, nothing can be tested.
    testable = squares["residual"] > 1e-20 * x.size and total > 0

    def effect(name: str) -> Effect:
        p = None
        if testable and name != "residual":
            ratio = squares[name] / degrees[name] / noise
            p = float(scipy.stats.f.sf(ratio, degrees[name], degrees["residual"]))
        share = float(squares[name] / total) if total > 0 else 0.0
        return Effect(float(squares[name]), degrees[name], share, p)

    return TwoWay(*(effect(name) for name in squares))
