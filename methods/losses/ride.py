"""RIDE: experts on one encoder that are trained to differ."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from .ldam import ldam_loss


def diversity_temperatures(class_counts: Tensor, *, factor: float) -> Tensor:
    """``T_k = w_k / max_j w_j`` with ``w_k = f K n_k / N + 1 - f``: 1 for the largest class.

    Parameters
    ----------
    class_counts : Tensor of int64, shape (K,)
    factor : float
        f in [0, 1); 0, and classes of equal size, give all ones.

    Returns
    -------
    Tensor of float64, shape (K,)

    References
    ----------
    Wang et al., "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts",
    ICLR 2021, arXiv 2010.01809; values as in the authors' code.

    Examples
    --------
    >>> diversity_temperatures(torch.tensor([100, 20, 5]), factor=0.05)
    tensor([1.0000, 0.9103, 0.8935], dtype=torch.float64)
    """
    counts = class_counts.double()
    weights = factor * len(counts) * counts / counts.sum() + 1 - factor
    return weights / weights.max()


def expert_divergences(logits: Tensor, temperatures: Tensor | None = None) -> Tensor:
    """``mean(T)^2 KL(softmax(mean of z / T) || softmax(z^m / T))`` of each expert and sample.

    The mean over experts is a target: no gradient passes through it.

    Parameters
    ----------
    logits : Tensor, shape (M, B, K)
    temperatures : Tensor, shape (K,), optional
        From :func:`diversity_temperatures`; all ones when None.

    Returns
    -------
    Tensor, shape (M, B)

    References
    ----------
    As :func:`diversity_temperatures`. The divergence is that of the authors' code, from the mean;
    the paper speaks of pairs of experts.

    Examples
    --------
    The mean of the logits is a draw between classes of which each expert prefers one, 3 to 1.

    >>> logits = torch.tensor([[[3.0, 1.0]], [[1.0, 3.0]]]).log()
    >>> expert_divergences(logits)  # log 2 - log(3) / 2
    tensor([[0.1438],
            [0.1438]])
    """
    if temperatures is None:
        temperatures = torch.ones(logits.shape[-1], device=logits.device)
    temperatures = temperatures.to(logits.dtype)
    target = log_softmax(logits.detach().mean(dim=0) / temperatures, dim=-1)
    found = log_softmax(logits / temperatures, dim=-1)
    terms = kl_div(found, target.expand_as(found), reduction="none", log_target=True)
    return temperatures.mean() ** 2 * terms.sum(dim=-1)


def ride_loss(
    scores: Tensor,
    target: Tensor,
    margins: Tensor,
    *,
    scale: float,
    diversity: float,
    temperatures: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """``sum_m [ LDAM(c^m, y) - d D^m ]``, a sum over experts of a loss each, less what differs.

    Parameters
    ----------
    scores : Tensor, shape (M, B, K)
        Cosines of each expert. Logits, with scale 1 and margins 0, make LDAM cross-entropy.
    target : Tensor of int64, shape (B,)
    margins : Tensor, shape (K,)
        From :func:`bench.methods.losses.ldam.ldam_margins`.
    scale : float
        From scores to logits.
    diversity : float
        d. D^m is the mean over the batch of :func:`expert_divergences` of the logits. It has no
        upper bound: with logits that have none, keep d at 0.2 or below.
    temperatures : Tensor, shape (K,), optional
        From :func:`diversity_temperatures`; all ones when None.
    weights : Tensor, shape (K,), optional
        Of the classes in LDAM, normalised; all alike when None.

    References
    ----------
    As :func:`diversity_temperatures`.

    Examples
    --------
    One expert has nobody to differ from.

    >>> logits = torch.tensor([[[1.0, 0.0, -1.0]]])
    >>> loss = ride_loss(
    ...     logits, torch.tensor([0]), torch.zeros(3), scale=1.0, diversity=0.2
    ... )
    >>> round(loss.item(), 6)
    0.407606
    """
    bases = [ldam_loss(own, target, margins, scale=scale, weights=weights) for own in scores]
    divergences = expert_divergences(scale * scores, temperatures)
    return torch.stack(bases).sum() - diversity * divergences.mean(dim=1).sum()
