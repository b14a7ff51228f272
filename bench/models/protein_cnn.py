"""Convolutions over the letters of a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bench.backbone import ProteinBackbone, register_backbone
from bench.models._sequences import letter_codes
from bench.options import Options

# All capitals but J; code 0 stands for any other letter and for padding.
ALPHABET = "ABCDEFGHIKLMNOPQRSTUVWXYZ"
NUM_CODES = len(ALPHABET) + 1


class ProteinCNNOptions(Options):
    """Shape of the encoder."""

    length: int = Field(
        1000, ge=32, le=10_000, description="residues read; the rest of a sequence is cut off"
    )
    out: int = Field(256, ge=1, le=4096, description="length of a protein's embedding")


@register_backbone(
    "protein_cnn",
    title="Protein CNN",
    reference="DeepPurpose (2020, arXiv 2004.08919)",
)
class ProteinCNN(ProteinBackbone):
    """Three convolutions (32, 64, 96 filters of 4, 8, 12 letters) on one-hot letters, maximum.

    Parameters
    ----------
    options : ProteinCNNOptions
    """

    options_type = ProteinCNNOptions

    def __init__(self, options: ProteinCNNOptions) -> None:
        super().__init__(options)
        self.length = options.length
        self.convolutions = nn.Sequential(
            nn.Conv1d(NUM_CODES, 32, 4),
            nn.ReLU(),
            nn.Conv1d(32, 64, 8),
            nn.ReLU(),
            nn.Conv1d(64, 96, 12),
            nn.ReLU(),
        )
        self.output = nn.Linear(96, options.out)
        self.out_features = options.out

    def tokenise(self, sequences: Sequence[str]) -> np.ndarray:
        """Letter codes, cut or padded with 0; uint8, shape (P, length)."""
        rows = np.zeros((len(sequences), self.length), dtype=np.uint8)
        for row, sequence in zip(rows, sequences, strict=True):
            codes = letter_codes(sequence[: self.length], ALPHABET) + 1
            row[: len(codes)] = codes
        return rows

    def forward(self, rows: Tensor) -> Tensor:
        """Embeddings of P coded sequences, shape (P, out)."""
        one_hot = F.one_hot(rows.long(), NUM_CODES).transpose(1, 2)
        found = self.convolutions(one_hot.to(self.output.weight.dtype))
        return self.output(found.amax(dim=2))
