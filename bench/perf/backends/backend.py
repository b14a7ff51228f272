"""What is timed: one way from positions of samples to logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn


class Backend(ABC):
    """One implementation of the same mathematics.

    Attributes
    ----------
    title : str
        Heading of its column.
    network : nn.Module
        From what :meth:`collate` returns to logits, (B, K).
    """

    title: ClassVar[str]
    network: nn.Module

    @abstractmethod
    def collate(self, positions: np.ndarray) -> Any:
        """The samples at `positions`, (B,), as `network` reads them."""

    @abstractmethod
    def cast(self, batch: Any, dtype: torch.dtype) -> Any:
        """A batch that :meth:`collate` made, with atom features of `dtype`."""

    @abstractmethod
    def labels(self, batch: Any) -> Tensor:
        """Class of each sample of a batch that :meth:`collate` made, int64, (B,)."""

    @abstractmethod
    def predict(self, positions: np.ndarray) -> np.ndarray:
        """Logits in evaluation mode, (n, K), of any number of samples, from their positions on."""

    def predict_again(self, positions: np.ndarray) -> np.ndarray:
        """As :meth:`predict`, of samples that it may have prepared for before."""
        return self.predict(positions)
