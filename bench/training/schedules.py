"""Learning-rate schedules as pure functions, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math
from typing import Literal


def learning_rate_factor(
    name: Literal["cosine", "imdrug"], *, epoch: int, step: int, steps: int, epochs: int
) -> float:
    """Factor on the peak learning rate.

    Parameters
    ----------
    name : {"cosine", "imdrug"}
        ``cosine`` falls from 1 to 0 over all steps of the stage (Loshchilov and Hutter, ICLR 2017,
        arXiv 1608.03983). ``imdrug`` is ImDrug's: linear from 1/3 to 1 over 20 epochs, 0.01
        from epoch 120, 0.0001 from 160, constant within an epoch.
    epoch : int
        Epoch of the stage, from 1.
    step : int
        Step within the epoch, from 0.
    steps : int
        Steps of an epoch.
    epochs : int
        Epochs of the stage.
    """
    if name == "cosine":
        progress = ((epoch - 1) * steps + step) / (epochs * steps)
        return 0.5 * (1 + math.cos(math.pi * progress))
    if epoch < 20:
        return 1 / 3 + 2 / 3 * epoch / 20
    if epoch < 120:
        return 1.0
    return 1e-2 if epoch < 160 else 1e-4
