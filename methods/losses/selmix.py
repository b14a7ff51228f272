"""SelMix: which pairs of classes to mix, by what mean recall gains from it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot


def recall_slopes(recalls: Tensor, *, eta: float = 0.0) -> Tensor:
    """``D_kl = s_k R_kk ([k = l] - R_kl) / K``: slope of mean recall in logit l on class k.

    Parameters
    ----------
    recalls : Tensor, shape (K, K)
        R, the confusion matrix, each row divided by its sum.
    eta : float
        Not negative. 0: mean recall, ``s_k = 1``. Else the smallest recalls count more, as for
        the least recall of all: ``s_k ~ exp(-eta R_kk)`` with a mean of 1.

    Returns
    -------
    Tensor, shape (K, K)
        Each row adds up to 0.

    References
    ----------
    Ramasubramanian et al., "Selective Mixup Fine-Tuning for Optimizing Non-Decomposable
    Metrics", ICLR 2024, openreview rxVBKhyfSo.

    Examples
    --------
    >>> recall_slopes(torch.tensor([[0.5, 0.5], [0.0, 1.0]]))
    tensor([[ 0.1250, -0.1250],
            [ 0.0000,  0.0000]])
    """
    right = recalls.diagonal()
    shares = torch.softmax(-eta * right, dim=0)  # K times these are 1 on average
    own = torch.eye(len(recalls), dtype=recalls.dtype, device=recalls.device)
    return (shares * right)[:, None] * (own - recalls)


def mixing_gains(
    slopes: Tensor, means: Tensor, weight: Tensor, bias: Tensor, *, least: float
) -> Tensor:
    """G: what a step on ``CE(W h_ij + c, i)`` with ``h_ij = b mu_i + (1 - b) mu_j`` gains.

    ``G_ij = sum_kl D_kl (mu_k . h_ij) ([i = l] - p_ij,l)`` with ``p_ij = softmax(W h_ij + c)`` and
    b the mean of shares that are uniform in [least, 1].

    Parameters
    ----------
    slopes : Tensor, shape (K, K)
        D, from :func:`recall_slopes`.
    means : Tensor, shape (K, d)
        Of each class, of what enters the last layer.
    weight, bias : Tensor, shapes (K, d) and (K,)
        Of the last layer.
    least : float
        Smallest share of the sample whose label is kept, in [0, 1].

    Returns
    -------
    Tensor, shape (K, K)
        Linear in `slopes`.

    References
    ----------
    As :func:`recall_slopes`. The released code adds ``mu_i . mu_k`` for the label's own logit,
    where the gradient has ``h_ij . mu_k``.

    Examples
    --------
    Mean recall rises when a sample of class 0 is pushed to its class, as that class is missed.

    >>> slopes = recall_slopes(torch.tensor([[0.5, 0.5], [0.0, 1.0]]))
    >>> mixing_gains(slopes, torch.eye(2), torch.zeros(2, 2), torch.zeros(2), least=1.0)
    tensor([[0.1250, 0.1250],
            [0.0000, 0.0000]])
    """
    share = (least + 1) / 2
    mixed = share * means[:, None] + (1 - share) * means
    predicted = (mixed @ weight.T + bias).softmax(dim=-1)
    # Of each pair and class l: what moving logit l along h_ij does to mean recall.
    effects = torch.einsum("kl,ijk->ijl", slopes, mixed @ means.T)
    of_label = effects.diagonal(dim1=0, dim2=2).T  # effects[i, j, i]
    return of_label - (predicted * effects).sum(dim=-1)


def pair_shares(gains: Tensor, possible: Tensor, *, temperature: float) -> Tensor:
    """``P_ij ~ exp(G_ij / T)`` where ``G_ij > 0``, else 0; all alike where no pair gains.

    Parameters
    ----------
    gains : Tensor, shape (K, K)
    possible : Tensor of bool, shape (K,)
        Classes that can be drawn, at least one; a pair of others has no share.
    temperature : float
        T, positive.

    Returns
    -------
    Tensor, shape (K, K)
        Adds up to 1.

    References
    ----------
    As :func:`recall_slopes`.

    Examples
    --------
    >>> gains = torch.tensor([[0.0, 2.0], [-1.0, 2.0]])
    >>> pair_shares(gains, torch.tensor([True, True]), temperature=1.0)
    tensor([[0.0000, 0.5000],
            [0.0000, 0.5000]])
    """
    pairs = possible[:, None] & possible
    good = pairs & (gains > 0)
    chosen = torch.where(good.any(), good, pairs)
    scores = torch.where(good.any(), gains / temperature, torch.zeros_like(gains))
    scores = scores.masked_fill(~chosen, -torch.inf)
    return scores.flatten().softmax(dim=0).view_as(gains)


def row_normalised_confusion(labels: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """Shares of the predictions for each true class, float64, (K, K).

    `labels` and `predicted` are (n,). A class without samples has equal shares.

    Examples
    --------
    >>> row_normalised_confusion(torch.tensor([0, 0]), torch.tensor([0, 1]), 2)
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]], dtype=torch.float64)
    """
    true, found = one_hot(labels, num_classes).double(), one_hot(predicted, num_classes).double()
    counts = true.T @ found
    totals = counts.sum(dim=1, keepdim=True)
    return torch.where(totals > 0, counts / totals.clamp_min(1), 1 / num_classes)
