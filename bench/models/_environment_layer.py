"""Layers and read-out of the encoder on distinct environments, in training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812

from bench.data.batch import EnvironmentBatch, LevelBatch
from bench.models import _environment_kernels as kernels
from bench.models._linear import matmul

# Rows of zeros make up whole blocks of so many: oneDNN prepares a product again for every shape
# that it has not met lately, which takes longer than the product, and each batch has another R.
_ROWS = 128
# Weights and biases of a layer, both ways, and scale and shift of its normalisation.
_PARAMETERS = 6


class EnvironmentEncoder(torch.autograd.Function):
    """All layers and the read-out in training.

    In one function, a step calls the framework a fraction as often.

    A layer is BatchNorm(ReLU(sum over neighbours and self of x W, + b) + ReLU(x V^T + c)), equal to
    :class:`bench.models.gcn.GraphLayer` on atoms, with each row standing for ``level.counts``
    atoms. The read-out is [sum of the gated rows, maximum of the rows] of each graph's atoms, which
    share the maximum's gradient equally where they tie.

    Inputs are x (S, D), the weight (1, H) and bias (1,) of the gates, the batch's environments, the
    atoms' offsets by graph (G + 1,), epsilon by layer, and the parameters of every layer in turn:
    W (D, H), b, V (H, D), c, the scale and shift of the normalisation (H, each). Outputs are the
    graphs' (G, 2H), then the mean and the (biased) variance of all atoms by layer in turn, without
    gradients.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        environments: EnvironmentBatch,
        offsets: Tensor,
        epsilons: Sequence[float],
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x, weight, bias, *parameters)
        moments: list[Tensor] = []
        ctx.layers = []
        of_layers = zip(*[iter(parameters)] * _PARAMETERS, strict=True)
        for own, level, epsilon in zip(of_layers, environments.levels, epsilons, strict=True):
            x, found, kept = _forward(x, own, level, epsilon)
            moments += found
            ctx.layers.append(kept)
        gates = torch.sigmoid(F.linear(x, weight, bias))
        lists = environments.rows.numpy(), offsets.numpy()
        result = kernels.read_out(x.numpy(), gates.numpy().reshape(-1), *lists)
        ctx.read_out = x, gates, result, lists, weight.detach()
        ctx.mark_non_differentiable(*moments)
        return torch.from_numpy(result), *moments

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        _ = ctx.saved_tensors  # raises if one of them has been written to since
        x, gates, result, lists, weight = ctx.read_out
        of_gated, of_highest = map(
            torch.from_numpy,
            kernels.read_out_gradients(grad.contiguous().numpy(), result, x.numpy(), *lists),
        )
        grad_x = of_highest.addcmul_(of_gated, gates)
        grad_gates = of_gated.mul_(x).sum(1)
        scores = torch.ops.aten.sigmoid_backward(grad_gates[:, None], gates)
        grad_x.add_(torch.mm(scores, weight))
        of_gates = torch.mm(scores.t(), x), scores.sum(0)
        of_layers: list[Tensor | None] = []
        below: Tensor | None = grad_x
        for number, kept in reversed(list(enumerate(ctx.layers))):
            assert below is not None
            needs_below = number > 0 or ctx.needs_input_grad[0]
            below, *of_parameters = _backward(kept, below, needs_below)
            of_layers[:0] = of_parameters
        return below, *of_gates, None, None, None, *of_layers


class _Kept(NamedTuple):
    """What a layer keeps for its backward pass."""

    x: Tensor
    weights: Tensor
    own_bias: np.ndarray
    scale: np.ndarray
    result: np.ndarray
    before: np.ndarray
    both: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    counts: np.ndarray
    lists: tuple[np.ndarray, np.ndarray, np.ndarray]


def _forward(
    x: Tensor, parameters: Sequence[Tensor], level: LevelBatch, epsilon: float
) -> tuple[Tensor, tuple[Tensor, Tensor], _Kept]:
    """Rows of a layer, then zeros; mean and variance; and what its backward pass needs."""
    weight, bias, own_weight, own_bias, scale, shift = (
        parameter.detach().numpy() for parameter in parameters
    )
    weights = torch.from_numpy(kernels.side_by_side(weight, own_weight))
    both = matmul(x, weights).numpy()
    lists, counts = _lists(level), level.counts.numpy()
    result, before = kernels.convolve(both, bias, own_bias, *lists)
    mean, variance = (
        moment.astype(result.dtype) for moment in kernels.weighted_moments(result, counts)
    )
    spread = 1 / np.sqrt(variance + result.dtype.type(epsilon))
    rows = kernels.normalise(result, mean, scale * spread, shift, _padded(level))
    kept = _Kept(
        x.detach(), weights, own_bias, scale, result, before, both, mean, spread, counts, lists
    )
    return torch.from_numpy(rows), (torch.from_numpy(mean), torch.from_numpy(variance)), kept


def _backward(kept: _Kept, grad: Tensor, needs_x: bool) -> tuple[Tensor | None, ...]:
    """Gradients of a layer's input, if it needs one, and of its parameters."""
    of_both, *of_vectors = kernels.layer_gradients(
        grad.contiguous().numpy(),
        kept.result,
        kept.before,
        kept.both,
        kept.own_bias,
        kept.mean,
        kept.spread,
        kept.scale,
        kept.counts,
        *kept.lists,
    )
    grad_both = torch.from_numpy(of_both)
    of_weights = kernels.apart(matmul(kept.x.t(), grad_both).numpy())
    grad_weight, grad_own_weight = map(torch.from_numpy, of_weights)
    grad_bias, grad_own_bias, grad_scale, grad_shift = (
        torch.from_numpy(vector.astype(of_both.dtype)) for vector in of_vectors
    )
    return (
        matmul(grad_both, kept.weights.t()) if needs_x else None,
        grad_weight,
        grad_bias,
        grad_own_weight,
        grad_own_bias,
        grad_scale,
        grad_shift,
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
    weights = kernels.side_by_side(weight.numpy(), own_weight.numpy())
    both = matmul(x, torch.from_numpy(weights))
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


def read_out(x: Tensor, gates: Tensor, environments: EnvironmentBatch, offsets: Tensor) -> Tensor:
    """The read-out in evaluation, (G, 2H), without gradients.

    Of x (R or more, H), the gates of its rows (R or more, 1) and the atoms' offsets by graph.
    """
    lists = environments.rows.numpy(), offsets.numpy()
    return torch.from_numpy(kernels.read_out(x.numpy(), gates.numpy().reshape(-1), *lists))


def _lists(level: LevelBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return level.centres.numpy(), level.neighbours.numpy(), level.offsets.numpy()


def _padded(level: LevelBatch) -> int:
    return -(-len(level.counts) // _ROWS) * _ROWS
