"""Supervised contrast: samples of a class attract each other, all others repel."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from bench.models._plain import is_plain

from .._contrast_terms import ContrastTerms, contrast_terms

ViewForm = Literal["two_views", "literal"]


def supcon_loss(
    features: Tensor, labels: Tensor, *, temperature: float, form: ViewForm = "two_views"
) -> Tensor:
    """``mean_i -1/|P_i| sum_{p in P_i} log softmax(z_i . z / tau)_p``, softmax over candidates.

    Parameters
    ----------
    features : Tensor, shape (2B, D)
        Of unit length: first views of the B samples, then the second views in the same order.
    labels : Tensor of int64, shape (B,)
    temperature : float
        tau, positive.
    form : {"two_views", "literal"}
        Who are anchors and candidates, see :func:`view_pairs`.

    Returns
    -------
    Tensor
        Scalar, at least in float32. A sample's other view is always a positive, so no anchor is
        without one.

    References
    ----------
    Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, arXiv 2004.11362, eq. 2; LTDD,
    arXiv 2504.04647, eq. 1 (``literal``, there summed over the batch).

    Examples
    --------
    Four equal features: each of an anchor's three candidates has probability 1/3.

    >>> loss = supcon_loss(torch.ones(4, 1), torch.tensor([0, 1]), temperature=0.1)
    >>> round(loss.item(), 6)  # log 3
    1.098612
    """
    _, candidates = view_pairs(len(labels), form, device=features.device)
    logits = similarities(features, len(candidates)) / temperature
    positives = same(labels, len(candidates)) & candidates
    return contrast_losses(logits, positives, candidates).mean()


def contrast_losses(
    logits: Tensor, positives: Tensor, candidates: Tensor, discounts: Tensor | None = None
) -> Tensor:
    """``-1/|P_i| sum_{p in P_i} log softmax(logits_i)_p`` for each anchor, 0 where P_i is empty.

    Parameters
    ----------
    logits : Tensor, shape (A, C)
        Of A anchors.
    positives, candidates : Tensor of bool, shape (A, C)
        P_i, and what the softmax runs over; positives are candidates.
    discounts : Tensor, shape (A, C), optional
        Taken from the logits of the softmax's sum, not from those of the positives; without
        gradient.

    Returns
    -------
    Tensor, shape (A,)

    Examples
    --------
    >>> positives, candidates = torch.tensor([[True, False]]), torch.tensor([[True, True]])
    >>> contrast_losses(torch.zeros(1, 2), positives, candidates)  # log 2
    tensor([0.6931])
    """
    terms = ContrastTerms.apply if is_plain(logits) else contrast_terms
    return terms(logits, positives, candidates, discounts)


def view_pairs(
    batch_size: int, form: ViewForm, *, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Which of 2B features is an anchor's own other view, and which are its candidates.

    ``two_views``: all 2B features are anchors, and all but the anchor are its candidates.
    ``literal``: the first B features, the samples themselves, are anchors; candidates are the
    other samples and the anchor's own second view, but nobody else's.

    Returns
    -------
    tuple of two Tensors of bool, shape (A, 2B)
        A is 2B or B.
    """
    one = torch.eye(batch_size, dtype=torch.bool, device=device)
    none = torch.zeros_like(one)
    if form == "literal":
        return torch.cat([none, one], dim=1), torch.cat([~one, one], dim=1)
    own = torch.cat([torch.cat([none, one], dim=1), torch.cat([one, none], dim=1)])
    return own, ~torch.eye(2 * batch_size, dtype=torch.bool, device=device)


def similarities(features: Tensor, anchors: int) -> Tensor:
    """Dot products of the first `anchors` features with all, at least in float32, (A, C)."""
    if features.dtype in (torch.float16, torch.bfloat16):
        features = features.float()
    return features[:anchors] @ features.T


def same(labels: Tensor, anchors: int) -> Tensor:
    """Whether the samples of anchor and candidate have equal labels (B,), bool, (A, 2B)."""
    alike = labels[:, None] == labels
    return alike.repeat(1 if anchors == len(labels) else 2, 2)
