"""The stages of a training: how many epochs each has and what trains in it."""

from __future__ import annotations

import numpy as np
from torch import nn

from bench.errors import TrainingError
from bench.method import Method, Stage
from bench.models.network import Network


def stage_epochs(method: Method, epochs: int) -> list[tuple[Stage, int]]:
    """Each stage with its whole number of epochs, at least 1; together at most `epochs`."""
    stages = method.stages()
    total = sum(stage.share for stage in stages)
    if total > 1 + 1e-9 or any(stage.share <= 0 for stage in stages):
        raise TrainingError(
            f"Expected the stage shares of {type(method).__name__} to be positive and to add up "
            f"to at most 1, got {[stage.share for stage in stages]}."
        )
    if epochs < len(stages):
        raise TrainingError(
            f"Expected at least one epoch for each of the {len(stages)} stages of "
            f"{type(method).__name__}, but got {epochs} in all. Raise --epochs."
        )
    ends = [round(epochs * share) for share in np.cumsum([stage.share for stage in stages])]
    # Every stage keeps an epoch of its own: no end before its turn, none too late for the rest.
    for index in range(len(ends)):
        earliest = (ends[index - 1] if index else 0) + 1
        latest = epochs - (len(ends) - 1 - index)
        ends[index] = min(max(ends[index], earliest), latest)
    starts = [0, *ends][:-1]
    return [(stage, end - start) for stage, start, end in zip(stages, starts, ends, strict=True)]


class TrainedPart:
    """The modules a stage trains; the rest of the network is frozen and in evaluation mode."""

    def __init__(self, network: Network, method: Method, stage: Stage) -> None:
        self._network, self._method = network, method
        self._module: nn.Module = stage.trained(network) if stage.trained else network
        network.requires_grad_(False)
        self._module.requires_grad_(True)

    def parameters(self) -> list[nn.Parameter]:
        own = [parameter for parameter in self._method.parameters() if parameter.requires_grad]
        return [*self._module.parameters(), *own]

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """What trains, by ``network.NAME`` and ``method.NAME``."""
        return {
            f"{owner}.{name}": parameter
            for owner, module in (("network", self._network), ("method", self._method))
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }

    def train_mode(self) -> None:
        self._network.eval()
        self._module.train()
        self._method.train()
