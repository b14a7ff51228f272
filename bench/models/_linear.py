"""Matrix products in single precision by oneDNN, where torch has it.

Torch multiplies float32 matrices by MKL, which does not use the widest instructions of processors
that are not Intel's: on an AMD EPYC, one thread, oneDNN took half as long for the products of this
benchmark. Both round to float32; they add in another order. Everywhere else, torch decides.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

# What torch.compile puts in place of linear layers; absent from builds without oneDNN.
_linear = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if torch.backends.mkldnn.is_available()
    else None
)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b`` of two matrices, without a gradient."""
    return _multiply(a, b.t(), None)


class Linear(nn.Linear):
    """``torch.nn.Linear`` with faster products on the CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """``x W^T + b``, shape (..., out_features)."""
        if _linear is None or x.dim() != 2 or not _is_plain(x) or not _is_plain(self.weight):
            return super().forward(x)
        return _Linear.apply(x, self.weight, self.bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _multiply(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        # Second derivatives need products that have gradients.
        product = torch.mm if torch.is_grad_enabled() else matmul
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            product(grad, weight) if needs_x else None,
            product(grad.t(), x) if needs_weight else None,
            grad.sum(0) if needs_bias else None,
        )


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if _linear is None or not _is_plain(x) or 0 in x.shape or 0 in weight.shape:
        return F.linear(x, weight, bias)
    return _linear(x, weight, bias, "none", [], "")


def _is_plain(x: Tensor) -> bool:
    """Whether `x` is what oneDNN takes and nothing (autocast, ``torch.func``) is to see."""
    return (
        x.dtype == torch.float32
        and x.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
    )
