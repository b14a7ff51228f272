"""Which tensors compiled loops and oneDNN's products take; all others are for torch."""

from __future__ import annotations

import torch
from torch import Tensor

_REAL = (torch.float32, torch.float64)


def is_plain(x: Tensor) -> bool:
    """Whether `x` is on the CPU, in single or double precision, and seen by nothing but autograd.

    Autocast and the transforms of ``torch.func`` see operations of torch only.
    """
    return (
        x.dtype in _REAL
        and x.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()
    )
