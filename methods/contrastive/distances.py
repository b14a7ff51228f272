"""Class weights from distances between the centroids of classes and of their sub-clusters."""

from __future__ import annotations

import logging
from typing import Literal

import torch
from torch import Tensor

Reweighting = Literal["none", "class", "subcluster", "both"]
Aggregation = Literal["min", "mean"]

_log = logging.getLogger(__name__)

# Shortest distance that is inverted; shorter ones would give one class all the weight.
_SHORTEST = 1e-6


def distance_weights(
    features: Tensor,
    labels: Tensor,
    subclusters: Tensor,
    num_classes: int,
    *,
    reweighting: Reweighting = "both",
    aggregation: Aggregation = "min",
) -> Tensor:
    """``omega = w + w'`` scaled to a mean of 1 over the classes present.

    ``w_c ~ 1 / d_c`` with d the distance from the centroid of class c to the nearest centroid of
    another class; ``w'`` the same for sub-clusters (:func:`class_distances`). Each sums to 1.

    With two classes and the ``min`` aggregation the result is [1, 1] for whatever features: the
    nearest pair of centroids is the same seen from either side.

    Parameters
    ----------
    features : Tensor, shape (n, D)
        All training samples.
    labels, subclusters : Tensor of int64, shape (n,)
        A sub-cluster holds samples of one class only.
    num_classes : int
        K. A class without samples gets weight 0.
    reweighting : {"both", "class", "subcluster", "none"}
        Which of w and w' count; ``none`` gives all ones.
    aggregation : {"min", "mean"}
        Of a class's sub-clusters.

    Returns
    -------
    Tensor of float64, shape (K,)
        Without gradient.

    References
    ----------
    LTDD, arXiv 2504.04647, eq. 3-11; there omega sums to 2.

    Examples
    --------
    Centroids 0, 1 and 3 on a line: the nearest others are 1, 1 and 2 away.

    >>> features, labels = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 1, 2])
    >>> distance_weights(features, labels, labels, 3, reweighting="class")
    tensor([1.2000, 1.2000, 0.6000], dtype=torch.float64)
    """
    features = features.detach().double()
    present = labels.unique().long()
    groupings = {"class": [labels], "subcluster": [subclusters], "both": [labels, subclusters]}
    shares = [
        inverse_shares(class_distances(features, labels, groups, aggregation=aggregation))
        for groups in groupings.get(reweighting, [])
    ]
    scaled = torch.stack(shares).mean(0) * len(present) if shares else 1.0
    weights = features.new_zeros(num_classes)
    weights[present] = scaled
    return weights


def class_distances(
    features: Tensor, labels: Tensor, groups: Tensor, *, aggregation: Aggregation = "min"
) -> Tensor:
    """Distance of each class to the others, through the centroids of its groups.

    Each group's distance to the nearest group of another class, and of these the minimum or the
    mean over the groups of the class. With one group a class it is the distance to the nearest
    other class. Centroids of unit vectors are not scaled back to unit length.

    Parameters
    ----------
    features : Tensor, shape (n, D)
    labels : Tensor of int64, shape (n,)
    groups : Tensor of int64, shape (n,)
        Sub-clusters, or the classes themselves.

    Returns
    -------
    Tensor, shape (P,)
        For the P classes present, in order; infinite where there is no other class.

    Examples
    --------
    Class 0 has groups at 0 and 2, class 1 one at 3.

    >>> features, groups = torch.tensor([[0.0], [2.0], [3.0]]), torch.tensor([0, 1, 2])
    >>> class_distances(features, torch.tensor([0, 0, 1]), groups, aggregation="mean")
    tensor([2., 1.])
    """
    distinct, index = groups.unique(return_inverse=True)
    sums = features.new_zeros(len(distinct), features.shape[1]).index_add_(0, index, features)
    centroids = sums / torch.bincount(index)[:, None]
    classes, class_index = labels.unique(return_inverse=True)
    owners = class_index.new_empty(len(distinct)).scatter_(0, index, class_index)
    # The shortcut by a matrix product loses the digits of short distances.
    between = torch.cdist(centroids, centroids, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = between.masked_fill(owners[:, None] == owners, torch.inf).amin(dim=1)
    reduce = {"min": "amin", "mean": "mean"}[aggregation]
    distances = features.new_zeros(len(classes))
    return distances.scatter_reduce_(0, owners, nearest, reduce, include_self=False)


def inverse_shares(distances: Tensor) -> Tensor:
    """``(1 / d_c) / sum_j (1 / d_j)``; distances below 1e-6 count as 1e-6, with a warning.

    Examples
    --------
    >>> inverse_shares(torch.tensor([1.0, 2.0, 2.0]))
    tensor([0.5000, 0.2500, 0.2500])
    """
    if len(distances) == 1:
        return torch.ones_like(distances)
    if (distances < _SHORTEST).any():
        _log.warning(
            "%d classes have a centroid closer than %g to another class; their weights are cut.",
            int((distances < _SHORTEST).sum()),
            _SHORTEST,
        )
    inverse = 1 / distances.clamp_min(_SHORTEST)
    return inverse / inverse.sum()


def softmax_shares(distances: Tensor) -> Tensor:
    """``softmax(-d)``, the weights of the released code; hardly uneven, as d is at most 2.

    Examples
    --------
    >>> softmax_shares(torch.tensor([0.7, 0.7]))
    tensor([0.5000, 0.5000])
    """
    # A class without another has no distance, and all the weight.
    return torch.softmax(-distances.nan_to_num(posinf=0.0), dim=0)
