"""Asymmetric and focal contrast: negatives with a term of their own, hard positives first."""

from __future__ import annotations

from torch import Tensor

from bench.models._plain import is_plain

from .._contrast_terms import AsymmetricTerms, asymmetric_terms
from .supcon import same, similarities


def asymmetric_focal_contrastive_loss(
    features: Tensor, labels: Tensor, *, gamma: float, eta: float, temperature: float
) -> Tensor:
    """``mean_ij [same class] (1 - p_ij)^gamma (-log p_ij) + eta [other class] (-log(1 - p_ij))``.

    ``p_i`` is the softmax of ``z_i . z / tau`` over all features but the anchor. The mean is over
    all 2B x 2B pairs, an anchor's pair with itself counting as 0, not over positives: an anchor
    weighs the more, the larger its class.

    Parameters
    ----------
    features : Tensor, shape (2B, D)
        Of unit length: first views of the B samples, then the second views in the same order.
    labels : Tensor of int64, shape (B,)
    gamma : float
        Not negative; 0 leaves the positives as they are.
    eta : float
        Not negative; 0 drops the negatives.
    temperature : float
        tau, positive.

    Returns
    -------
    Tensor
        Scalar, at least in float32.

    References
    ----------
    Vito and Stefanus, "An Asymmetric Contrastive Loss for Handling Imbalanced Datasets", Entropy
    2022, 24(9), 1303, arXiv 2207.07080; the authors' code takes the mean over the row.

    Examples
    --------
    Four equal features, p = 1/3. A row has one positive, log 3, and two negatives, log 3/2.

    >>> import torch
    >>> loss = asymmetric_focal_contrastive_loss(
    ...     torch.ones(4, 1), torch.tensor([0, 1]), gamma=0.0, eta=0.5, temperature=0.1
    ... )
    >>> round(loss.item(), 6)  # (log 3 + 0.5 * 2 log 3/2) / 4
    0.376019
    """
    logits = similarities(features, len(features)) / temperature
    alike = same(labels, len(features))
    terms = AsymmetricTerms.apply if is_plain(logits) else asymmetric_terms
    return terms(logits, alike, gamma, eta).mean()
