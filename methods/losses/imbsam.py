"""Sharpness-aware minimisation of the tail's part of a loss alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

# Added to the norm of the gradient: without a tail in the batch it is 0.
_SMALLEST_NORM = 1e-12

Parameters = Mapping[str, Tensor]


def tail_classes(class_counts: Tensor, *, eta: float) -> Tensor:
    """Which classes have fewer than ``eta N / K`` training samples, bool, (K,).

    Examples
    --------
    >>> tail_classes(torch.tensor([100, 20, 5]), eta=1.0)
    tensor([False,  True,  True])
    """
    return class_counts < eta * class_counts.sum().double() / len(class_counts)


def head_and_tail_losses(logits: Tensor, target: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
    """H and S: cross-entropy over the samples of head and of tail classes, each divided by B.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
    target : Tensor of int64, shape (B,)
    tail : Tensor of bool, shape (K,)
        From :func:`tail_classes`.

    Returns
    -------
    tuple of two Tensors
        Scalars, which add up to the mean cross-entropy.

    Examples
    --------
    >>> target, tail = torch.tensor([0, 1, 1]), torch.tensor([False, True])
    >>> head_and_tail_losses(torch.zeros(3, 2), target, tail)  # log(2) / 3 and twice as much
    (tensor(0.2310), tensor(0.4621))
    """
    losses = cross_entropy(logits, target, reduction="none")
    own = tail[target].to(losses.dtype)
    return ((1 - own) * losses).mean(), (own * losses).mean()


def sharpness_aware_tail(
    losses: tuple[Tensor, Tensor],
    parameters: Parameters,
    elsewhere: Callable[[Parameters], Tensor],
    *,
    rho: float,
    ratio: float,
) -> Tensor:
    """``H(w) + r S(w + eps)`` with ``eps = rho grad S(w) / |grad S(w)|``, a constant.

    Its gradient in w is ``grad H(w) + r grad S(w + eps)``, so that an ordinary optimiser takes
    the step of the method. S may be scaled: eps stays the same.

    Parameters
    ----------
    losses : tuple of two Tensors
        H and S at w, see :func:`head_and_tail_losses`.
    parameters : mapping of str to Tensor
        w, any shapes; the norm is that of all gradients together.
    elsewhere : callable
        Gives S at other weights of the same names.
    rho : float
        Length of eps, not negative.
    ratio : float
        r.

    References
    ----------
    Zhou et al., "ImbSAM: A Closer Look at Sharpness-Aware Minimization in Class-Imbalanced
    Recognition", ICCV 2023, arXiv 2308.07815.

    Examples
    --------
    S is w^2, at w + eps = 3.5; H is w.

    >>> w = torch.tensor(3.0, requires_grad=True)
    >>> loss = sharpness_aware_tail(
    ...     (w, w**2), {"w": w}, lambda at: at["w"] ** 2, rho=0.5, ratio=1.0
    ... )
    >>> loss.item(), torch.autograd.grad(loss, w)[0].item()
    (15.25, 8.0)
    """
    head, tail = losses
    gradients = torch.autograd.grad(
        tail,
        list(parameters.values()),
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    norms = torch.stack([gradient.norm() for gradient in gradients])
    factor = rho / (norms.norm() + _SMALLEST_NORM)
    moved = {
        name: weight + factor * gradient
        for (name, weight), gradient in zip(parameters.items(), gradients, strict=True)
    }
    return head + ratio * elsewhere(moved)
