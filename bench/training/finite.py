"""Refuse losses, weights and logits that are infinite or not numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from bench.errors import TrainingError

# Long lists of names are cut.
_SHOWN = 4


class Losses:
    """The losses of an epoch's steps, each of which must be finite.

    On the CPU each is looked at before its step changes the weights. On another device a look
    would wait for all that is queued there, so there is one look an epoch, at its end.

    Parameters
    ----------
    parameters : mapping
        What is trained, by name.
    epoch : int
        From 1.
    device : torch.device
        Of the losses.
    """

    def __init__(self, parameters: Mapping[str, Tensor], epoch: int, device: torch.device) -> None:
        self._parameters, self._epoch = parameters, epoch
        self._looks_at_once = device.type == "cpu"
        self._numbers: list[float] = []
        self._waiting: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        """Take the loss of the next step, before its backward pass.

        Raises
        ------
        TrainingError
            On the CPU, from :func:`finite_loss`.
        """
        if self._looks_at_once:
            step = len(self._numbers) + 1
            self._numbers.append(finite_loss(loss, self._parameters, self._epoch, step))
        else:
            self._waiting.append(loss.detach())

    def numbers(self) -> list[float]:
        """All of them, at the epoch's end.

        Raises
        ------
        TrainingError
            One is not finite; the message names the first such step.
        """
        if self._looks_at_once:
            return self._numbers
        if not self._waiting:
            return []
        # What was not finite before that step is not known any more.
        losses = torch.stack(self._waiting).cpu()
        return [finite_loss(loss, {}, self._epoch, step) for step, loss in enumerate(losses, 1)]


def finite_loss(loss: Tensor, parameters: Mapping[str, Tensor], epoch: int, step: int) -> float:
    """The loss of a step as a number; `epoch` and `step` count from 1.

    Raises
    ------
    TrainingError
        It is not finite. The message says so when `parameters` were not finite before the step,
        as after a gradient that was not.
    """
    value = loss.item()
    if math.isfinite(value):
        return value
    broken = _not_finite(parameters)
    raise TrainingError(
        f"Expected a finite training loss, but got {value} at epoch {epoch} step {step}"
        + (f", where {broken} were not finite before. " if broken else ". ")
        + "Lower the learning rate, or look for a division, root or logarithm at zero in the "
        "method's loss or its gradient."
    )


def require_finite_weights(parameters: Mapping[str, Tensor], epoch: int) -> None:
    """Look at `parameters`, by name, after `epoch`; ReLU can hide infinite ones from the loss.

    It stands for a look at the gradients of every step, which would cost 1 to 2 % of a small
    network's training: Adam turns a gradient that is not finite into an infinite weight or NaN,
    which no later step mends.

    Raises
    ------
    TrainingError
        Some are not finite; the message names them.
    """
    if broken := _not_finite(parameters):
        raise TrainingError(
            f"Expected finite weights, but got others in {broken} after epoch {epoch}. Lower the "
            "learning rate."
        )


def require_finite_logits(logits: np.ndarray, place: str) -> None:
    """Logits (n, K) of whole samples: the largest of numbers that are none would be a prediction.

    Raises
    ------
    TrainingError
        Some are not finite; the message names `place`, such as ``on the test set``.
    """
    if broken := np.count_nonzero(~np.isfinite(logits).all(axis=1)):
        raise TrainingError(
            f"Expected finite logits {place}, but got others for {broken} of {len(logits)} "
            "samples. Lower the learning rate, or check what the method does to its logits."
        )


def _not_finite(tensors: Mapping[str, Tensor]) -> str:
    """Names of the tensors that are not finite, empty when all are."""
    # One fused kernel for all.
    if torch.nn.utils.get_total_norm(tensors.values()).isfinite():
        return ""
    names = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    # Each may be finite and only their norm too large for its type.
    return (", ".join(names[:_SHOWN]) + more) or "their norm"
