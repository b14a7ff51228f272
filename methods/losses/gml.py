"""Class-wise contrast under the log prior: a class is as near as its keys are on average."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def class_contrastive_loss(
    similarities: Tensor,
    classes: Tensor,
    labels: Tensor,
    log_priors: Tensor,
    candidates: Tensor,
) -> Tensor:
    """``CE(log S + log pi, y)``, ``S_ik`` the mean of ``exp(s_ia)`` over the keys a of class k.

    Parameters
    ----------
    similarities : Tensor, shape (A, Q)
        s, of A anchors with Q keys: cosines by a temperature.
    classes : Tensor of int64, shape (Q,)
        Of the keys, below K.
    labels : Tensor of int64, shape (A,)
        Of the anchors.
    log_priors : Tensor, shape (K,)
    candidates : Tensor of bool, shape (A, Q)
        Which keys count. A class without any has no part in an anchor's softmax; an anchor whose
        own class has none does not count.

    Returns
    -------
    Tensor
        Scalar, at least in float32; 0 where no anchor counts.

    References
    ----------
    Suh and Seo, "Long-Tailed Recognition by Mutual Information Maximization between Latent
    Features and Ground-Truth Labels", ICML 2023, arXiv 2305.01160.

    Examples
    --------
    One key a class, all as similar: what is left is the prior.

    >>> classes, candidates = torch.tensor([0, 1]), torch.ones(1, 2, dtype=torch.bool)
    >>> priors = torch.tensor([0.9, 0.1]).log()
    >>> loss = class_contrastive_loss(
    ...     torch.zeros(1, 2), classes, torch.tensor([1]), priors, candidates
    ... )
    >>> round(loss.item(), 6)  # log 10
    2.302585
    """
    logits = class_log_means(similarities, classes, candidates, len(log_priors))
    own = classes == labels[:, None]
    counted = (candidates & own).any(dim=1)
    losses = cross_entropy(logits + log_priors.to(logits.dtype), labels, reduction="none")
    return torch.where(counted, losses, 0.0).sum() / counted.sum().clamp_min(1)


def class_log_means(
    similarities: Tensor, classes: Tensor, candidates: Tensor, num_classes: int
) -> Tensor:
    """``log mean_a exp(s_ia)`` over the candidates of each class, shape (A, K).

    Shapes are as for :func:`class_contrastive_loss`. Half the lowest finite number stands for a
    class without candidates.

    Examples
    --------
    >>> similarities = torch.tensor([[3.0, 1.0, 1.0]])
    >>> classes, candidates = torch.tensor([0, 1, 1]), torch.ones(1, 3, dtype=torch.bool)
    >>> class_log_means(similarities, classes, candidates, 2)
    tensor([[3., 1.]])
    """
    if similarities.dtype in (torch.float16, torch.bfloat16):
        similarities = similarities.float()
    lowest = torch.finfo(similarities.dtype).min / 2
    among = similarities.masked_fill(~candidates, lowest)
    # Each class has a largest term of its own: none of them is lost beside another class's.
    peaks = among.new_full((len(among), num_classes), lowest).scatter_reduce(
        1, classes.expand(among.shape), among.detach(), "amax"
    )
    terms = (among - peaks[:, classes]).exp() * candidates
    members = (classes[:, None] == torch.arange(num_classes, device=classes.device)).to(terms.dtype)
    counts = candidates.to(terms.dtype) @ members
    some = counts > 0
    sums = torch.where(some, terms @ members, 1.0)
    return torch.where(some, sums.log() - counts.clamp_min(1).log() + peaks, lowest)
