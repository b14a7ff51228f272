"""Cross-entropy with a bonus for samples that are classified well already."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

# With the bonus as a logarithm up to 1, the least distance to 1 that it sees.
_LEAST_MISS = 1e-5


def encouraging_loss(logits: Tensor, target: Tensor, *, tangent_from: float) -> Tensor:
    """``1/B sum_i CE_i + b(p_y)`` with the bonus ``b(p) = log(1 - p)``, ``p`` the softmax.

    Above ``a = tangent_from`` the bonus goes on as its tangent, ``log(1 - a) - (p - a) / (1 - a)``.
    Cross-entropy loses interest in a sample as p grows: its gradient in the own logit is
    ``-(1 - p)``. With the bonus it is -1 up to a, and ``-(1 - p) - p (1 - p) / (1 - a)`` above.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
    target : Tensor of int64, shape (B,)
    tangent_from : float
        a, in [0, 1]. At 1 there is no tangent, and ``1 - p`` counts as 1e-5 at least: up to there
        the loss of two classes is linear in the logits, and nothing holds these back.

    Returns
    -------
    Tensor
        Scalar. It is negative where samples are classified with confidence.

    References
    ----------
    Zhao et al., "Well-Classified Examples Are Underestimated in Classification with Deep Neural
    Networks", AAAI 2022, arXiv 2110.06537.

    Examples
    --------
    >>> logits = torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]])
    >>> round(encouraging_loss(logits, torch.tensor([0, 2]), tangent_from=0.5).item(), 6)
    0.099726
    """
    losses = cross_entropy(logits, target, reduction="none")
    p = (-losses).exp()
    # 1 - p is -expm1(log p); the clamp keeps the branch that is not taken finite.
    miss = (-(-losses).expm1()).clamp_min(1 - tangent_from or _LEAST_MISS)
    bonus = miss.log()
    if tangent_from < 1:
        rest = 1 - tangent_from
        bonus = torch.where(p <= tangent_from, bonus, math.log(rest) - (p - tangent_from) / rest)
    return (losses + bonus).mean()
