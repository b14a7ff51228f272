"""Trustworthy long-tailed classification: experts that say how little evidence they have."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from .ldam import logits_less_margins
from .ride import expert_divergences

# Of a logit. Sums of log-gamma cancel: in float64 they are off by 0.1 at 30, by 1e-5 at 20.
_LARGEST = 30.0


def log_trust_weights(logits: Tensor) -> Tensor:
    """Logarithm of ``w^0 .. w^M``: how much each sample is in need of one more expert.

    With evidence ``e = exp(z)``, ``S = sum_k (e_k + 1)``, beliefs ``b = e / S`` and uncertainty
    ``u = K / S``: ``w^0 = 1`` and ``w^m = w^{m-1} u^m / (1 - C^m)``, where the conflict ``C^m`` is
    what the beliefs of expert m and of the one before put on different classes, 0 for the first.

    Parameters
    ----------
    logits : Tensor, shape (M, B, K)

    Returns
    -------
    Tensor, shape (M + 1, B)
        Without gradient. A sample's weights depend on no other sample.

    References
    ----------
    Li et al., "Trustworthy Long-Tailed Classification", CVPR 2022, arXiv 2111.09030. The conflict
    is that of the authors' code, with the expert before; the paper fuses experts one by one.

    Examples
    --------
    Evidence 2 and 0 for two classes: S is 4, u is 1/2.

    >>> log_trust_weights(torch.tensor([[[2.0, 0.0]]]).log()).exp()
    tensor([[1.0000],
            [0.5000]])
    """
    logits = logits.detach()
    log_classes = math.log(logits.shape[-1])
    total = logits.logsumexp(dim=-1)
    total = torch.logaddexp(total, torch.full_like(total, log_classes))
    uncertain = log_classes - total
    beliefs = logits - total[..., None]
    weights = [torch.zeros_like(total[0])]
    for m in range(len(logits)):
        weight = weights[-1] + uncertain[m]
        if m:
            # 1 - C as a sum of positive terms, u + u' (1 - u) + sum_i b_i b'_i: nothing cancels.
            unsure = torch.logaddexp(
                uncertain[m], uncertain[m - 1] + torch.log1p(-uncertain[m].exp())
            )
            agreed = (beliefs[m - 1] + beliefs[m]).logsumexp(dim=-1)
            weight = weight - torch.logaddexp(unsure, agreed)
        weights.append(weight)
    return torch.stack(weights)


def dirichlet_divergences(logits: Tensor, target: Tensor) -> Tensor:
    """``KL(Dir(a) || Dir(1))`` with ``a_k = exp(z_k) + 1`` and 1 for the target, (B,).

    It is 0 without evidence for other classes than the target, and more with every bit of it.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
        Those above 30 count as 30.
    target : Tensor of int64, shape (B,)

    Returns
    -------
    Tensor of float64, shape (B,)

    References
    ----------
    Sensoy et al., "Evidential Deep Learning to Quantify Classification Uncertainty", NeurIPS 2018,
    arXiv 1806.01768, section 3; as :func:`log_trust_weights`.

    Examples
    --------
    Of Dir(1, 2): log 2 - 1/2.

    >>> dirichlet_divergences(torch.zeros(1, 2), torch.tensor([0]))
    tensor([0.1931], dtype=torch.float64)
    """
    evidence = logits.double().clamp_max(_LARGEST).exp()
    others = evidence * (1 - one_hot(target, logits.shape[-1]))
    alpha = others + 1
    total = alpha.sum(dim=-1)
    bends = others * (torch.digamma(alpha) - torch.digamma(total)[:, None])
    constant = math.lgamma(logits.shape[-1])
    return torch.lgamma(total) - constant - torch.lgamma(alpha).sum(dim=-1) + bends.sum(dim=-1)


def tlc_loss(
    scores: Tensor,
    target: Tensor,
    margins: Tensor,
    *,
    scale: float,
    evidence: float,
    diversity: float,
    engage: float,
    temperatures: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """``sum_m`` of the mean loss of expert m over the samples that are in need of it.

    The loss is ``w_y LDAM(c^m, y) + l KL(Dir(a^m) || Dir(1)) - d D^m``, and expert m sees the
    samples whose ``w^{m-1}`` is more than `engage` of the batch's largest: the first sees all.

    Parameters
    ----------
    scores : Tensor, shape (M, B, K)
        Cosines of each expert. Logits, with scale 1 and margins 0, make LDAM cross-entropy.
    target : Tensor of int64, shape (B,)
    margins : Tensor, shape (K,)
        From :func:`bench.methods.losses.ldam.ldam_margins`.
    scale : float
        From scores to logits.
    evidence : float
        l, of :func:`dirichlet_divergences`.
    diversity : float
        d, of :func:`bench.methods.losses.ride.expert_divergences`.
    engage : float
        In [0, 1); 0: every expert sees every sample.
    temperatures : Tensor, shape (K,), optional
        From :func:`bench.methods.losses.ride.diversity_temperatures`.
    weights : Tensor, shape (K,), optional
        Of the classes in LDAM, not normalised, as in the authors' code.

    References
    ----------
    As :func:`log_trust_weights`.

    Examples
    --------
    One expert, evidence 1 for both classes: log 2 + (log 2 - 1/2).

    >>> logits = torch.zeros(1, 1, 2)
    >>> loss = tlc_loss(
    ...     logits, torch.tensor([0]), torch.zeros(2),
    ...     scale=1.0, evidence=1.0, diversity=0.1, engage=0.5,
    ... )
    >>> round(loss.item(), 6)
    0.886294
    """
    logits = scale * scores
    trust = log_trust_weights(logits)[:-1]
    divergences = expert_divergences(logits, temperatures)
    least = math.log(engage) if engage > 0 else -math.inf
    total = logits.new_zeros(())
    for m in range(len(logits)):
        shifted = logits_less_margins(scores[m], target, margins, scale=scale)
        losses = cross_entropy(shifted, target, reduction="none")
        if weights is not None:
            losses = weights.to(losses.dtype)[target] * losses
        if evidence:
            extra = dirichlet_divergences(logits[m], target)
            losses = losses + evidence * extra.to(losses.dtype)
        engaged = (trust[m] - trust[m].max() > least).to(losses.dtype)
        total = total + ((losses - diversity * divergences[m]) * engaged).sum() / engaged.sum()
    return total


def trusted_logits(logits: Tensor, *, eta: float) -> Tensor:
    """``sum_m softmax_m(w^{m-1} / eta) z^m``, shape (B, K), from logits (M, B, K).

    Experts are weighed for each sample by itself; a large `eta` gives their mean.

    References
    ----------
    As :func:`log_trust_weights`. The released code normalises over the batch instead, so that
    a prediction depends on the samples beside it.

    Examples
    --------
    >>> logits = torch.tensor([[[3.0, 1.0]], [[1.0, 3.0]]])
    >>> trusted_logits(logits, eta=1e6)
    tensor([[2.0000, 2.0000]])
    """
    shares = (log_trust_weights(logits)[:-1].exp() / eta).softmax(dim=0)
    return (shares[..., None] * logits).sum(dim=0)
