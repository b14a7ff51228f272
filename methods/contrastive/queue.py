"""The latest embeddings of each class, kept from step to step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


class ClassQueue(nn.Module):
    """A ring of embeddings for each class, of which the newest overwrites the oldest.

    Parameters
    ----------
    sizes : ndarray of int64, shape (K,)
        Slots a class; a class of none is never pushed.
    features : int
        d, the length of an embedding.

    Attributes
    ----------
    embeddings : Tensor, shape (Q, d)
        Of all slots, those of a class side by side.
    positions : Tensor of int64, shape (Q,)
        Which sample it is, as batches know it; -1: an empty slot.
    classes : Tensor of int64, shape (Q,)
        Whose slot it is.
    """

    embeddings: Tensor
    positions: Tensor
    classes: Tensor
    _next: Tensor
    _sizes: Tensor
    _starts: Tensor

    def __init__(self, sizes: np.ndarray, features: int) -> None:
        super().__init__()
        self.register_buffer("embeddings", torch.zeros(int(sizes.sum()), features))
        self.register_buffer("positions", torch.full((int(sizes.sum()),), -1))
        self.register_buffer("_next", torch.zeros(len(sizes), dtype=torch.int64))
        # These follow from the sizes.
        classes = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes))
        self.register_buffer("classes", classes, persistent=False)
        self.register_buffer("_sizes", torch.from_numpy(sizes), persistent=False)
        starts = torch.from_numpy(np.cumsum(sizes) - sizes)
        self.register_buffer("_starts", starts, persistent=False)

    @torch.no_grad()
    def push(self, embeddings: Tensor, labels: Tensor, positions: Tensor) -> None:
        """Put `embeddings` (B, d) of samples into the rings of their `labels` (B,), in order.

        Of more samples of a class than it has slots, the last ones stay.
        """
        every_class = torch.arange(len(self._sizes), device=labels.device)
        members = (labels[:, None] == every_class).long()
        rank = (members.cumsum(dim=0) * members).sum(dim=1) - 1
        slots = self._starts[labels] + (self._next[labels] + rank) % self._sizes[labels]
        # Each slot looks for the last sample that goes there: a device that writes twice to one
        # place leaves open which number stays, and it need not wait for how many there are.
        rows = torch.arange(len(labels), device=labels.device)
        writer = torch.full_like(self.positions, -1).scatter_reduce(0, slots, rows, "amax")
        written, source = writer >= 0, writer.clamp_min(0)
        new = embeddings.to(self.embeddings.dtype)[source]
        self.embeddings.copy_(torch.where(written[:, None], new, self.embeddings))
        self.positions.copy_(torch.where(written, positions[source], self.positions))
        self._next.copy_((self._next + members.sum(dim=0)) % self._sizes.clamp_min(1))

    def clear(self) -> None:
        """Forget all embeddings, and the memory for them: what is stored of a run needs none."""
        self.embeddings, self.positions = self.embeddings[:0].clone(), self.positions[:0].clone()
