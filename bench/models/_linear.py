"""Matrix products in single precision by oneDNN, where torch has it.

Torch multiplies float32 matrices by MKL, which does not use the widest instructions of processors
that are not Intel's: on an AMD EPYC, one thread, oneDNN took half as long for the products of this
benchmark. Both round to float32; they add in another order. Everywhere else, torch decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.modules import module as modules

from bench.models._plain import is_plain

# Of all modules at once.
_GLOBAL_HOOKS = (
    modules._global_forward_hooks,
    modules._global_forward_pre_hooks,
    modules._global_backward_hooks,
    modules._global_backward_pre_hooks,
)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

# What torch.compile puts in place of linear layers; absent from builds without oneDNN.
_linear = (
    torch.ops.mkldnn._linear_pointwise.default
    if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    else None
)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b`` of two matrices, without a gradient."""
    return _multiply(a, b.t(), None)


class Linear(nn.Linear):
    """``torch.nn.Linear`` with faster products on the CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """``x W^T + b``, shape (..., out_features)."""
        if _linear is None or x.dim() != 2 or not _takes(x) or not _takes(self.weight):
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


def relu_layers(x: Tensor, layers: Iterable[nn.Module]) -> Tensor:
    """``ReLU(x W^T + b)`` of :class:`Linear` layers in turn.

    On the CPU as one function, which calls the framework a fraction as often as its parts.
    """
    parts: list[Any] = list(layers)
    plain = all(type(part) is Linear and not is_hooked(part) for part in parts)
    if _linear is not None and x.dim() == 2 and plain:
        parameters = [tensor for part in parts for tensor in (part.weight, part.bias)]
        if all(tensor is not None and _takes(tensor) for tensor in (x, *parameters)):
            return _ReluLayers.apply(x, *parameters)
    for part in parts:
        x = part(x).relu()
    return x


class _ReluLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        read = [x]
        for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
            read.append(_multiply(read[-1], weight, bias).relu_())
        ctx.save_for_backward(*parameters, *read)
        return read[-1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        layers = len(ctx.saved_tensors) // 3
        parameters, read = ctx.saved_tensors[: 2 * layers], ctx.saved_tensors[2 * layers :]
        if torch.is_grad_enabled():
            return _differentiable_gradients(ctx.needs_input_grad, read[0], parameters, grad)
        found: list[Tensor | None] = []
        for layer in reversed(range(layers)):
            needs_weight, needs_bias = ctx.needs_input_grad[1 + 2 * layer : 3 + 2 * layer]
            grad = torch.ops.aten.threshold_backward(grad, read[layer + 1], 0)
            of_bias = grad.sum(0) if needs_bias else None
            found[:0] = matmul(grad.t(), read[layer]) if needs_weight else None, of_bias
            if not any(ctx.needs_input_grad[: 1 + 2 * layer]):
                return *(None,) * (1 + 2 * layer), *found
            grad = matmul(grad, parameters[2 * layer])
        return grad, *found


def _differentiable_gradients(
    needed: Sequence[bool], x: Tensor, parameters: Sequence[Tensor], grad: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients of :class:`_ReluLayers` that have gradients, from its layers computed again."""
    result = x
    for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
        result = F.linear(result, weight, bias).relu()
    wanted = [tensor for tensor, needs in zip((x, *parameters), needed, strict=True) if needs]
    found = iter(torch.autograd.grad(result, wanted, grad, create_graph=True))
    return tuple(next(found) if needs else None for needs in needed)


def is_hooked(module: nn.Module) -> bool:
    """Whether something waits for `module`, or for any module, to be called."""
    known = vars(module)
    return any(_GLOBAL_HOOKS) or any(known[name] for name in _HOOKS)


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if _linear is None or not _takes(x) or 0 in x.shape or 0 in weight.shape:
        return F.linear(x, weight, bias)
    return _linear(x, weight, bias, "none", [], "")


def _takes(x: Tensor) -> bool:
    """Whether oneDNN takes `x`."""
    return x.dtype == torch.float32 and is_plain(x)
