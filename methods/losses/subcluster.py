"""Contrast at two levels: within sub-clusters, and between the sub-clusters of a class."""

from __future__ import annotations

from torch import Tensor

from .supcon import ViewForm, contrast_losses, same, similarities, view_pairs


def subcluster_loss(
    features: Tensor,
    labels: Tensor,
    subclusters: Tensor,
    *,
    tau1: float,
    tau2: float,
    beta: float,
    scale: float = 1.0,
    form: ViewForm = "two_views",
) -> Tensor:
    """``scale * (term 1) + beta * (term 2)``, both as in :func:`.supcon.supcon_loss`.

    Term 1: positives are the samples of the anchor's sub-cluster and its own other view,
    candidates all others. Term 2: positives are the rest of the anchor's class and its own other
    view, candidates all but the anchor's sub-cluster. The own view stays in both, so neither is
    ever without a positive.

    Parameters
    ----------
    features : Tensor, shape (2B, D)
        Of unit length: first views of the B samples, then the second views in the same order.
    labels, subclusters : Tensor of int64, shape (B,)
        A sub-cluster holds samples of one class only.
    tau1, tau2 : float
        Temperatures of the terms.
    beta : float
        Not negative; with 0, and sub-clusters equal to classes, this is ``supcon_loss``.
    form : {"two_views", "literal"}
        Who are anchors and candidates, see :func:`.supcon.view_pairs`.

    Returns
    -------
    Tensor
        Scalar.

    References
    ----------
    LTDD, arXiv 2504.04647, eq. 2 (there summed over the batch); Hou et al., ICCV 2023,
    arXiv 2306.15925, section 3.

    Examples
    --------
    Four equal features of one class in two sub-clusters. Term 1: each of three candidates has
    probability 1/3. Term 2: nothing but the own view is left out, so again 1/3.

    >>> import torch
    >>> same_class, apart = torch.tensor([0, 0]), torch.tensor([0, 1])
    >>> loss = subcluster_loss(
    ...     torch.ones(4, 1), same_class, apart, tau1=0.1, tau2=0.1, beta=1.0
    ... )
    >>> round(loss.item(), 4)  # 2 log 3
    2.1972
    """
    own, candidates = view_pairs(len(labels), form, device=features.device)
    between = similarities(features, len(candidates))
    near = same(subclusters, len(candidates)) & candidates
    far = candidates & ~(near & ~own)
    first = contrast_losses(between / tau1, near, candidates)
    second = contrast_losses(between / tau2, same(labels, len(candidates)) & far, far)
    return (scale * first + beta * second).mean()
