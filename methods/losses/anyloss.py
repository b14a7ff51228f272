"""Metrics of the confusion matrix as losses: predictions are amplified and added up."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

Metric = Literal["balanced_accuracy", "g_mean", "macro_f1"]

# Added to a recall before its logarithm, which then is finite.
_LEAST_RECALL = 1e-8


def amplified_probabilities(logits: Tensor, *, amplification: float) -> Tensor:
    """``softmax(L/2 p)`` with ``p = softmax(z)`` and ``L = amplification``: nearly 0 or 1, (B, K).

    For two classes this is ``sigmoid(L (p - 1/2))``; its rows add up to 1 for any number of them.

    Examples
    --------
    >>> logits = torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]])
    >>> amplified_probabilities(logits, amplification=10.0)
    tensor([[0.8752, 0.0942, 0.0307],
            [0.4787, 0.2797, 0.2416]])
    """
    return (amplification / 2 * logits.softmax(dim=1)).softmax(dim=1)


def metric_loss(
    logits: Tensor, target: Tensor, *, amplification: float, metric: Metric = "balanced_accuracy"
) -> Tensor:
    """1 minus a metric of the batch, in which each prediction is a share of every class.

    With amplified probabilities ``a``, ``TP_k`` is the sum of ``a_ik`` over the ``P_k`` samples of
    class k. Over the classes that are in the batch: ``balanced_accuracy`` is the mean of
    ``TP_k / P_k``, ``g_mean`` their geometric mean, ``macro_f1`` the mean of
    ``2 TP_k / (P_k + sum_i a_ik)``.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
    target : Tensor of int64, shape (B,)
    amplification : float
        L, positive. Without limit it gives 1 minus the metric itself, which has no gradient.
    metric : {"balanced_accuracy", "g_mean", "macro_f1"}

    Returns
    -------
    Tensor
        Scalar, from 0 to 1 but for rounding.

    References
    ----------
    Han et al., "AnyLoss: Transforming Classification Metrics into Loss Functions", 2024,
    arXiv 2405.14745, for two classes. One amplified probability a class against the rest has no
    gradient left when there are many classes: at p = 1/29 and L = 73 that is exp(-34).

    Examples
    --------
    >>> logits = torch.tensor([[2.0, 1.0, -1.0], [0.5, 0.2, 0.1]])
    >>> round(metric_loss(logits, torch.tensor([0, 2]), amplification=10.0).item(), 6)
    0.441596
    """
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    shares = amplified_probabilities(logits, amplification=amplification)
    members = one_hot(target, logits.shape[1]).to(shares.dtype)
    sizes, hits = members.sum(dim=0), (shares * members).sum(dim=0)
    present = (sizes > 0).to(shares.dtype)
    if metric == "macro_f1":
        # A class that is not in the batch can have no predictions either.
        denominator = torch.where(sizes > 0, sizes + shares.sum(dim=0), 1.0)
        scores = 2 * hits / denominator
    else:
        scores = hits / sizes.clamp_min(1)
    if metric == "g_mean":
        scores = (scores + _LEAST_RECALL).log()
    mean = (scores * present).sum() / present.sum()
    return 1 - (mean.exp() if metric == "g_mean" else mean)
