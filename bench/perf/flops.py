"""The floor of a training step: its matrix products at the speed this machine multiplies at."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Size, Tensor
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from bench.models._linear import matmul

SHAPES = ((2000, 64, 128), (128, 256, 256))
"""(m, k, n) of products (m, k) @ (k, n) as in a step: atoms in a layer, samples in the head."""

_REPEATS = 50


def _linear_flops(x: Size, weight: Size, *_: object, out_shape: Size | None = None) -> int:
    return 2 * x[0] * x[1] * weight[0]


# Products by oneDNN, which torch's counter does not know.
_ONEDNN = (
    {torch.ops.mkldnn._linear_pointwise: _linear_flops}
    if hasattr(torch.ops.mkldnn, "_linear_pointwise")
    else {}
)


# Titles of what multiplies matrices here.
TORCH = "MKL" if torch.backends.mkl.is_available() else "torch.mm"
ONEDNN = "oneDNN"

PRODUCTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {TORCH: torch.mm}
"""By title: what torch takes for float32, and what ours multiplies with where it is another."""

if _ONEDNN and torch.backends.mkldnn.is_available():
    PRODUCTS[ONEDNN] = matmul


def count_multiply_adds(work: Callable[[], object]) -> int:
    """Multiply-adds of all dense matrix products in `work`, forward and backward.

    Products by a vector, sums over neighbours and all element-wise work are not counted.
    """
    counter = FlopCounterMode(display=False, custom_mapping=_ONEDNN)
    counter.mod_tracker = _NoModules()
    with counter:
        work()
    # torch counts a multiplication and an addition as two operations.
    return counter.get_total_flops() // 2


class _NoModules(ModuleTracker):
    """Tells no module from another: hooks on all of them would change how the engine computes."""

    def __enter__(self) -> _NoModules:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class MatrixProduct:
    """A float32 product of one shape, many times over, to be timed.

    Parameters
    ----------
    m, k, n : int
    product : callable
        Of two matrices: ``torch.mm``, or what an engine multiplies with.

    Attributes
    ----------
    multiply_adds : int
        Of one call.
    """

    def __init__(
        self, m: int, k: int, n: int, product: Callable[[Tensor, Tensor], Tensor] = torch.mm
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        self._left = torch.randn(m, k, generator=generator)
        self._right = torch.randn(k, n, generator=generator)
        self._product = product
        self.multiply_adds = _REPEATS * m * k * n

    def __call__(self, _round: int) -> None:
        for _ in range(_REPEATS):
            self._product(self._left, self._right)
