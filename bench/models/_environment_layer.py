"""Layer and read-out of the encoder on distinct environments, as functions with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.data.batch import EnvironmentBatch, LevelBatch
from bench.models import _environment_kernels as kernels
from bench.models._linear import matmul

# Rows of zeros make up whole blocks of so many: oneDNN prepares a product anew for every shape that
# it has not met lately, which takes longer than the product, and each batch has another R.
_ROWS = 128


class EnvironmentLayer(torch.autograd.Function):
    """BatchNorm(ReLU(sum over neighbours and self of x W, + b) + ReLU(x V^T + c)) in training.

    Equal to :class:`bench.models.gcn.GraphLayer` on atoms, with each row of the result standing
    for ``level.counts`` atoms.

    Inputs are x (S or more, D), W (D, H), b, V (H, D), c, the scale and shift of the normalisation
    (H, each), the level and epsilon. Outputs are the R rows, then zeros (see `_ROWS`), and the mean
    and the (biased) variance of all atoms, without gradients.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        own_weight: Tensor,
        own_bias: Tensor,
        scale: Tensor,
        shift: Tensor,
        level: LevelBatch,
        epsilon: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        weights = torch.cat([weight, own_weight.t()], dim=1)
        both = matmul(x, weights).numpy()
        lists = _lists(level)
        result, before = kernels.convolve(both, bias.numpy(), own_bias.numpy(), *lists)
        counts = level.counts.numpy()
        mean, variance = (
            moment.astype(result.dtype) for moment in kernels.weighted_moments(result, counts)
        )
        spread = 1 / np.sqrt(variance + result.dtype.type(epsilon))
        ctx.save_for_backward(x, weights, own_bias, scale)
        ctx.arrays = result, before, both
        ctx.moments = mean, spread, counts
        ctx.lists = lists
        rows = kernels.normalise(
            result, mean, scale.numpy() * spread, shift.numpy(), _padded(level)
        )
        moments = torch.from_numpy(mean), torch.from_numpy(variance)
        ctx.mark_non_differentiable(*moments)
        return torch.from_numpy(rows), *moments

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weights, own_bias, scale = ctx.saved_tensors
        mean, spread, counts = ctx.moments
        result, before, both = ctx.arrays
        centres, neighbours, offsets = ctx.lists
        of_both, *others = kernels.layer_gradients(
            grad.contiguous().numpy(),
            result,
            before,
            both,
            own_bias.detach().numpy(),
            mean,
            spread,
            scale.detach().numpy(),
            counts,
            centres,
            neighbours,
            offsets,
        )
        grad_both = torch.from_numpy(of_both)
        grad_bias, grad_own_bias, grad_scale, grad_shift = (
            torch.from_numpy(array.astype(mean.dtype)) for array in others
        )
        grad_x = matmul(grad_both, weights.t()) if ctx.needs_input_grad[0] else None
        grad_weight, grad_own_weight = matmul(x.t(), grad_both).chunk(2, dim=1)
        return (
            grad_x,
            grad_weight,
            grad_bias,
            grad_own_weight.t(),
            grad_own_bias,
            grad_scale,
            grad_shift,
            None,
            None,
        )


def layer_by_running_statistics(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    own_weight: Tensor,
    own_bias: Tensor,
    level: LevelBatch,
    mean: Tensor,
    factor: Tensor,
    shift: Tensor,
) -> Tensor:
    """The layer in evaluation, R rows and zeros, without gradients.

    `mean`, `factor` and `shift` (H, each) are the normalisation's: ``(x - mean) * factor + shift``.
    """
    both = matmul(x, torch.cat([weight, own_weight.t()], dim=1))
    normalisation = mean.numpy(), factor.numpy(), shift.numpy()
    return torch.from_numpy(
        kernels.convolve_and_normalise(
            both.numpy(),
            bias.numpy(),
            own_bias.numpy(),
            *_lists(level),
            *normalisation,
            _padded(level),
        )
    )


class EnvironmentReadOut(torch.autograd.Function):
    """[Sum of the gated rows, maximum of the rows] of each graph's atoms, (G, 2H).

    Inputs are x (R or more, H), the gates of its rows, the batch's environments and the atoms'
    offsets by graph (G + 1,). Atoms that tie share the maximum's gradient equally.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gates: Tensor, environments: EnvironmentBatch, offsets: Tensor
    ) -> Tensor:
        lists = environments.rows.numpy(), offsets.numpy()
        result = kernels.read_out(x.numpy(), gates.numpy(), *lists)
        ctx.save_for_backward(x, gates)
        ctx.result = result
        ctx.lists = lists
        return torch.from_numpy(result)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, gates = ctx.saved_tensors
        of_gated, of_highest = map(
            torch.from_numpy,
            kernels.read_out_gradients(
                grad.contiguous().numpy(), ctx.result, x.detach().numpy(), *ctx.lists
            ),
        )
        return of_highest.addcmul_(of_gated, gates[:, None]), (of_gated * x).sum(1), None, None


def _lists(level: LevelBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return level.centres.numpy(), level.neighbours.numpy(), level.offsets.numpy()


def _padded(level: LevelBatch) -> int:
    return -(-len(level.counts) // _ROWS) * _ROWS
