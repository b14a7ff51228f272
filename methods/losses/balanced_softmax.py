"""Softmax cross-entropy under the training prior."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

# Prior given to a class without training samples, so that its logarithm stays finite.
_SMALLEST_PRIOR = 1e-12


def log_prior(class_counts: Tensor) -> Tensor:
    """``log(n_k / N)``, float64, shape (K,), from counts (K,)."""
    counts = class_counts.double()
    return torch.log((counts / counts.sum()).clamp_min(_SMALLEST_PRIOR))


def balanced_softmax_loss(logits: Tensor, target: Tensor, log_priors: Tensor) -> Tensor:
    """``CE(z + log n, y)``, averaged over the batch; prediction uses the unshifted `logits`.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
    target : Tensor of int64, shape (B,)
    log_priors : Tensor, shape (K,)
        From :func:`log_prior`; a common constant changes nothing.

    References
    ----------
    Ren et al., "Balanced Meta-Softmax for Long-Tailed Visual Recognition", NeurIPS 2020,
    arXiv 2007.10740, eq. 3-4.

    Examples
    --------
    >>> logits = torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]])
    >>> prior = log_prior(torch.tensor([100, 20, 5]))
    >>> round(balanced_softmax_loss(logits, torch.tensor([0, 2]), prior).item(), 6)
    1.81799
    """
    return cross_entropy(logits + log_priors.to(logits.dtype), target)
