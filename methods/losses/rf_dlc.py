"""Particles that repel each other in the space of weights, and predictions by utilities."""

from __future__ import annotations

import torch
from torch import Tensor

from .ldam import ldam_loss

# Of the variance over particles: equal ones would have log 0.
_SMALLEST_VARIANCE = 1e-12


def rf_dlc_loss(
    scores: Tensor,
    target: Tensor,
    margins: Tensor,
    particles: Tensor,
    *,
    scale: float,
    repulsion: float,
    weights: Tensor | None = None,
) -> Tensor:
    """``mean_m LDAM(c^m, y) - r / 2 mean_j log Var_m(theta_j)``.

    Parameters
    ----------
    scores : Tensor, shape (M, B, K)
        Cosines of each particle. Logits, with scale 1 and margins 0, make LDAM cross-entropy.
    target : Tensor of int64, shape (B,)
    margins : Tensor, shape (K,)
        From :func:`bench.methods.losses.ldam.ldam_margins`.
    particles : Tensor, shape (M, ...)
        theta, the weights of each particle's last layer. The variance is divided by M; below
        1e-12 it counts as 1e-12.
    scale : float
        From scores to logits.
    repulsion : float
        r. With one particle there is nothing to repel.
    weights : Tensor, shape (K,), optional
        Of the classes in LDAM, normalised; all alike when None.

    References
    ----------
    Li and Zhang, TMLR 2025, arXiv 2501.14090.

    Examples
    --------
    Two particles at a distance of 2: the variance is 1, its logarithm 0.

    >>> loss = rf_dlc_loss(
    ...     torch.zeros(2, 1, 2), torch.tensor([0]), torch.zeros(2), torch.tensor([[1.0], [3.0]]),
    ...     scale=1.0, repulsion=1.0,
    ... )
    >>> round(loss.item(), 6)  # log 2
    0.693147
    """
    fits = [ldam_loss(own, target, margins, scale=scale, weights=weights) for own in scores]
    fit = torch.stack(fits).mean()
    if len(particles) == 1:
        return fit
    variances = particles.var(dim=0, correction=0).clamp_min(_SMALLEST_VARIANCE)
    return fit - repulsion / 2 * variances.log().mean()


def expected_utilities(logits: Tensor, class_counts: Tensor, *, penalty: float) -> Tensor:
    """``sum_y p_y U_yd`` with ``U_yd = [d = y] - u [n_d > n_y]``, shape (B, K).

    Predicting a class d that is larger than the true one costs u; any other mistake costs nothing.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
        Of ``p = softmax(z)``.
    class_counts : Tensor of int64, shape (K,)
    penalty : float
        u, not negative; 0 gives p.

    References
    ----------
    As :func:`rf_dlc_loss`.

    Examples
    --------
    With two classes and u = 1 the larger one is predicted from a probability of 2/3 on.

    >>> logits = torch.tensor([[2.0, 1.0]]).log()
    >>> expected_utilities(logits, torch.tensor([90, 10]), penalty=1.0)
    tensor([[0.3333, 0.3333]])
    """
    larger = (class_counts[None, :] > class_counts[:, None]).to(logits.dtype)
    probabilities = logits.softmax(dim=1)
    return probabilities - penalty * probabilities @ larger
