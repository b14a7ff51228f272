"""Class weights from training counts. A class without training samples gets weight 0."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def effective_number_weights(class_counts: Tensor, *, beta: float) -> Tensor:
    """Inverse effective numbers of samples, scaled to a mean of 1 over the classes present.

    ``w_k ~ (1 - beta) / (1 - beta^n_k)``: all ones at ``beta = 0``, inverse frequency as
    ``beta -> 1``.

    Parameters
    ----------
    class_counts : Tensor of int64, shape (K,)
    beta : float
        In [0, 1).

    Returns
    -------
    Tensor of float64, shape (K,)

    References
    ----------
    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019,
    arXiv 1901.05555, sections 3 and 4.

    Examples
    --------
    >>> effective_number_weights(torch.tensor([100, 20, 5]), beta=0.99)
    tensor([0.1722, 0.5997, 2.2281], dtype=torch.float64)
    """
    counts = class_counts.double()
    log_beta = math.log(beta) if beta > 0 else -math.inf
    # expm1 keeps the digits that 1 - beta**n loses when beta is close to 1.
    effective = -torch.expm1(counts * log_beta)
    return _scale_to_mean_one(torch.where(counts > 0, 1 / effective, 0.0))


def inverse_frequency_weights(class_counts: Tensor, *, gamma: float) -> Tensor:
    """Costs ``w_k = (n_min / n_k)^gamma``; the smallest class present has weight 1.

    Parameters
    ----------
    class_counts : Tensor of int64, shape (K,)
    gamma : float
        Not negative; 0 gives all ones.

    Returns
    -------
    Tensor of float64, shape (K,)

    References
    ----------
    Japkowicz and Stephen, "The class imbalance problem: A systematic study", Intelligent Data
    Analysis 6 (2002) 429-449, doi 10.3233/IDA-2002-6504.

    Examples
    --------
    >>> inverse_frequency_weights(torch.tensor([100, 20, 5]), gamma=1.0)
    tensor([0.0500, 0.2500, 1.0000], dtype=torch.float64)
    """
    counts = class_counts.double()
    present = counts > 0
    smallest = counts[present].min()
    return torch.where(present, (smallest / counts) ** gamma, 0.0)


def _scale_to_mean_one(weights: Tensor) -> Tensor:
    return weights * (weights > 0).sum() / weights.sum()
