"""All that a network and its method have learned, as one mapping of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.method import Method
from bench.models.network import Network


def state_of(network: Network, method: Method) -> dict[str, Tensor]:
    """Copies of all weights and buffers, by ``network.NAME`` and ``method.NAME``."""
    return {
        f"{owner}.{name}": tensor.detach().clone(memory_format=torch.contiguous_format)
        for owner, module in (("network", network), ("method", method))
        for name, tensor in module.state_dict().items()
    }


def load_state(network: Network, method: Method, state: Mapping[str, Tensor]) -> None:
    """Take over what :func:`state_of` gave, buffers of another shape included.

    Raises
    ------
    RuntimeError
        A name is missing or is one too many, or a parameter has another shape.
    """
    for prefix, module in (("network.", network), ("method.", method)):
        own = {
            name.removeprefix(prefix): tensor
            for name, tensor in state.items()
            if name.startswith(prefix)
        }
        _fit_buffers(module, own)
        module.load_state_dict(own)


def _fit_buffers(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give every buffer the shape that it has in `state`; load_state_dict asks for equal ones."""
    for name, buffer in list(module.named_buffers()):
        if name in state and state[name].shape != buffer.shape:
            owner, _, own_name = name.rpartition(".")
            setattr(module.get_submodule(owner), own_name, buffer.new_empty(state[name].shape))


@dataclass(frozen=True)
class Snapshot:
    """Weights and buffers after an epoch, and the validation score that they reach."""

    score: float
    epoch: int
    state: dict[str, Tensor]
