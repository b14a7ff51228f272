"""Label-distribution-aware margins on a cosine classifier."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, normalize, one_hot

from .cross_entropy import weighted_cross_entropy


def ldam_margins(class_counts: Tensor, *, max_margin: float) -> Tensor:
    """``m_k ~ n_k^(-1/4)``, scaled so that the smallest class present has `max_margin`.

    Parameters
    ----------
    class_counts : Tensor of int64, shape (K,)
        A class without training samples gets margin 0.
    max_margin : float
        Not negative.

    Returns
    -------
    Tensor of float64, shape (K,)

    References
    ----------
    Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    NeurIPS 2019, arXiv 1906.07413, section 3.2.

    Examples
    --------
    >>> ldam_margins(torch.tensor([1280, 80, 5]), max_margin=0.8)
    tensor([0.2000, 0.4000, 0.8000], dtype=torch.float64)
    """
    counts = class_counts.double()
    present = counts > 0
    return torch.where(present, max_margin * (counts[present].min() / counts) ** 0.25, 0.0)


def cosine_similarities(features: Tensor, weight: Tensor) -> Tensor:
    """Cosine of the angle between each feature vector and each row of `weight`, (B, K).

    `features` is (B, D) and `weight` (K, D). A vector of zeros has cosine 0 with everything.

    Examples
    --------
    >>> features = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    >>> cosine_similarities(features, torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    return linear(normalize(features, dim=1), normalize(weight, dim=1))


def logits_less_margins(
    cosines: Tensor, target: Tensor, margins: Tensor, *, scale: float
) -> Tensor:
    """``s (c - m_y e_y)``, shape (B, K): the logits that :func:`ldam_loss` trains.

    Examples
    --------
    >>> cosines, margins = torch.tensor([[0.75, 0.25]]), torch.tensor([0.1, 0.5])
    >>> logits_less_margins(cosines, torch.tensor([1]), margins, scale=8.0)
    tensor([[ 6., -2.]])
    """
    own = one_hot(target, len(margins)).to(cosines.dtype)
    return scale * (cosines - own * margins.to(cosines.dtype))


def ldam_loss(
    cosines: Tensor,
    target: Tensor,
    margins: Tensor,
    *,
    scale: float,
    weights: Tensor | None = None,
) -> Tensor:
    """``CE(s (c - m_y e_y), y)``: the label's cosine must win by its class's margin.

    Parameters
    ----------
    cosines : Tensor, shape (B, K)
        From :func:`cosine_similarities`.
    target : Tensor of int64, shape (B,)
    margins : Tensor, shape (K,)
        From :func:`ldam_margins`.
    scale : float
        s, positive.
    weights : Tensor, shape (K,), optional
        One a class, under the normalised reduction; all alike when None.

    References
    ----------
    As :func:`ldam_margins`, sections 3.2 (loss) and 3.3 (late weights).

    Examples
    --------
    With scale 30 the label's 0.4 - 0.5 stands 21 below the other class's 0.6.

    >>> margins = ldam_margins(torch.tensor([1000, 10]), max_margin=0.5)
    >>> loss = ldam_loss(torch.tensor([[0.6, 0.4]]), torch.tensor([1]), margins, scale=30.0)
    >>> round(loss.item(), 4)
    21.0
    """
    logits = logits_less_margins(cosines, target, margins, scale=scale)
    if weights is None:
        return cross_entropy(logits, target)
    return weighted_cross_entropy(logits, target, weights, reduction="normalised")
