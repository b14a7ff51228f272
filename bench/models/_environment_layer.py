"""One layer of the encoder on distinct environments, forward and backward in one piece."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.data.batch import LevelBatch
from bench.models._segments import counting, gather_rows_sum


class EnvironmentLayer(torch.autograd.Function):
    """BatchNorm(ReLU(sum over neighbours and self of x W, + b) + ReLU(x V^T + c)) in training.

    Equal to :class:`bench.models.gcn.GraphLayer` on atoms, with each row of the result standing
    for ``level.counts`` atoms. As one function it spares autograd half of its temporaries.

    Inputs are x (S, D), W (D, H), b, V (H, D), c, the scale and shift of the normalisation (H,
    each), the level and epsilon. Outputs are the R rows, and the mean and the (biased) variance
    of all atoms, without gradients.
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
        summed = gather_rows_sum(x @ weight, level.neighbours, level.offsets)
        summed.add_(bias).relu_()
        own = torch.addmm(own_bias, x, own_weight.t()).relu_()
        standard = own.index_select(0, level.centres).add_(summed)
        # In double precision: half precision cannot count beyond 2,048 or 256.
        counts = level.counts.double()
        shares = (counts / counts.sum()).to(x.dtype)
        mean = shares @ standard
        standard.sub_(mean)
        variance = shares @ standard.square()
        spread = torch.rsqrt(variance + epsilon)
        standard.mul_(spread)
        ctx.save_for_backward(x, weight, own_weight, scale, summed, own, standard, spread, shares)
        ctx.level = level
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(shift, standard, scale), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, own_weight, scale, summed, own, standard, spread, shares = ctx.saved_tensors
        level = ctx.level
        grad_scale, grad_shift = (grad * standard).sum(0), grad.sum(0)
        # A row's gradient is the sum over the atoms it stands for; the mean and the variance
        # moved with it as often.
        moved = torch.addcmul(grad_shift, standard, grad_scale).mul_(shares[:, None])
        both = torch.sub(grad, moved, out=moved).mul_(scale * spread)

        places = counting(len(both), level.centre_offsets)
        own_grad = gather_rows_sum(both, places, level.centre_offsets)
        own_grad = torch.ops.aten.threshold_backward(own_grad, own, 0)
        summed_grad = torch.ops.aten.threshold_backward(both, summed, 0)
        sent = gather_rows_sum(summed_grad, level.users, level.user_offsets)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.addmm(sent @ weight.t(), own_grad, own_weight)
        return (
            grad_x,
            x.t() @ sent,
            summed_grad.sum(0),
            own_grad.t() @ x,
            own_grad.sum(0),
            grad_scale,
            grad_shift,
            None,
            None,
        )
