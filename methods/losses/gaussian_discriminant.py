"""Gaussians of one covariance, a class each, as a linear classifier."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

Covariance = Literal["pooled", "balanced"]


def gaussian_discriminant(
    features: Tensor, labels: Tensor, num_classes: int, covariance: Covariance = "pooled"
) -> tuple[Tensor, Tensor]:
    """Weights (K, d) and biases (K,), float64, of ``z_k = mu_k^T P x - mu_k^T P mu_k / 2 - log K``.

    ``P = d ((N - 1) S + tr(S) I)^-1``: the inverse of the covariance S, shrunk towards a multiple
    of the identity. With c what is left of a sample without its class mean, S is ``sum c c^T /
    (N - 1)`` (`pooled`) or the mean over classes of ``sum c c^T / n_k`` (`balanced`).

    Parameters
    ----------
    features : Tensor, shape (N, d)
    labels : Tensor of int64, shape (N,)
    num_classes : int
        K.
    covariance : {"pooled", "balanced"}

    Notes
    -----
    A class of one sample has no spread: it adds nothing to `pooled` and a zero to `balanced`. An
    absent class has weights and bias of 0, which mean nothing. Where no sample differs from its
    class mean, P is the identity: the nearest mean wins.

    References
    ----------
    Wang et al., "A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation", ICLR 2024,
    arXiv 2402.04087. `balanced` is of this benchmark.

    Examples
    --------
    Two classes at 1 and 3, without spread: the border is at 2.

    >>> weights, biases = gaussian_discriminant(torch.tensor([[1.0], [3.0]]), torch.arange(2), 2)
    >>> (weights @ torch.tensor([2.0], dtype=torch.float64) + biases + math.log(2)).tolist()
    [1.5, 1.5]
    """
    x = features.double()
    size, width = x.shape
    members = one_hot(labels, num_classes).to(x.dtype)
    counts = members.sum(dim=0)
    means = members.T @ x / counts.clamp_min(1)[:, None]
    centred = x - means[labels]
    if covariance == "pooled":
        scatter = centred.T @ centred / max(size - 1, 1)
    else:
        of_sample = (1 / (counts.clamp_min(1) * (counts > 0).sum()))[labels]
        scatter = (centred * of_sample[:, None]).T @ centred
    identity = torch.eye(width, dtype=x.dtype, device=x.device)
    trace = scatter.trace()
    if trace > 0:
        weights = width * torch.linalg.solve((size - 1) * scatter + trace * identity, means.T).T
    else:
        weights = means
    biases = -(weights * means).sum(dim=1) / 2 - math.log(num_classes)
    return weights, torch.where(counts > 0, biases, 0.0)
