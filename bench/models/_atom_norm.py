"""Batch normalisation over the atoms of a batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812


class AtomNorm(nn.BatchNorm1d):
    """Batch normalisation over all atoms of a batch.

    A training batch of one single atom has no variance; it is normalised with the running
    statistics and leaves them as they are.
    """

    momentum: float

    def forward(self, x: Tensor, counts: Tensor | None = None) -> Tensor:
        """Normalised features, shape (N, D).

        With `counts` (R,), the R rows of `x` stand for so many atoms each, and so does a gradient
        of one: it is the sum of the atoms'. Scale, shift and running statistics are needed.
        """
        if counts is not None:
            return self._weighted(x, counts)
        if self.training and len(x) == 1:
            return self.by_running_statistics(x)
        return super().forward(x)

    def _weighted(self, x: Tensor, counts: Tensor) -> Tensor:
        atoms = int(counts.sum())
        if not self.training or atoms == 1:
            return self.by_running_statistics(x)
        normalised, mean, variance = _Weighted.apply(x, counts.to(x.dtype) / atoms, self.eps)
        self.observe(mean, variance, atoms)
        return torch.addcmul(self.bias, normalised, self.weight)

    def by_running_statistics(self, x: Tensor) -> Tensor:
        """Features normalised as in evaluation, shape (N, D)."""
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )

    @torch.no_grad()
    def as_scaling(self) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, factor and shift, (D,) each: evaluation is ``(x - mean) * factor + shift``."""
        assert self.running_mean is not None
        assert self.running_var is not None
        factor = self.weight * torch.rsqrt(self.running_var + self.eps)
        return self.running_mean, factor, self.bias.detach()

    @torch.no_grad()
    def observe(self, mean: Tensor, variance: Tensor, atoms: int) -> None:
        """Move the running statistics towards those of a batch.

        Parameters
        ----------
        mean, variance : Tensor, shape (D,)
            Over all atoms; the variance is divided by their number.
        atoms : int
            At least 2.
        """
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        # Past autograd, as torch's own normalisation does it, too: an earlier batch of the same
        # step holds the running statistics for its backward pass, unused in training.
        for running, new in (
            (self.running_mean, mean),
            (self.running_var, variance * (atoms / (atoms - 1))),
        ):
            running.data.lerp_(new, self.momentum)


class _Weighted(torch.autograd.Function):
    """Rows without mean and of variance 1, where each has its share of both; mean, variance."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shares: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        mean = shares @ x
        centred = x - mean
        variance = shares @ centred.square()
        spread = torch.rsqrt(variance + eps)
        normalised = centred.mul_(spread)
        ctx.save_for_backward(normalised, shares, spread)
        ctx.mark_non_differentiable(mean, variance)
        return normalised, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, None, None]:
        normalised, shares, spread = ctx.saved_tensors
        total, slope = grad.sum(0), (grad * normalised).sum(0)
        moved = torch.addcmul(total, normalised, slope).mul_(shares[:, None])
        return (grad - moved).mul_(spread), None, None
