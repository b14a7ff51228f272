"""Counts of amino-acid triads, and a small perceptron on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from bench.backbone import ProteinBackbone, register_backbone
from bench.models._sequences import letter_codes
from bench.options import Options

# Classes by dipole and side-chain volume, table 1 of the paper.
CLASSES = ("AGV", "ILFP", "YMTS", "HNQW", "RK", "DE", "C")
NUM_TRIADS = len(CLASSES) ** 3


class ConjointTriadOptions(Options):
    """Shape of the encoder."""

    hidden: int = Field(128, ge=1, le=4096, description="width of the hidden layer")
    out: int = Field(64, ge=1, le=4096, description="length of a protein's embedding")


@register_backbone(
    "conjoint_triad",
    title="Conjoint triads",
    reference="Shen et al. (PNAS 2007, doi:10.1073/pnas.0607879104)",
)
class ConjointTriad(ProteinBackbone):
    """A perceptron on the 343 normalised triad counts of a sequence.

    Parameters
    ----------
    options : ConjointTriadOptions
    """

    options_type = ConjointTriadOptions

    def __init__(self, options: ConjointTriadOptions) -> None:
        super().__init__(options)
        self.perceptron = nn.Sequential(
            nn.Linear(NUM_TRIADS, options.hidden),
            nn.ReLU(),
            nn.Linear(options.hidden, options.out),
        )
        self.out_features = options.out

    def tokenise(self, sequences: Sequence[str]) -> np.ndarray:
        """Triad descriptors of each sequence, see :func:`conjoint_triads`; float32, (P, 343)."""
        return np.stack([conjoint_triads(sequence) for sequence in sequences])

    def forward(self, rows: Tensor) -> Tensor:
        """Embeddings of P descriptors, shape (P, out)."""
        return self.perceptron(rows)


def conjoint_triads(sequence: str) -> np.ndarray:
    """Normalised counts of three successive amino-acid classes.

    With f the counts of the 343 triads, d = (f - min f) / max f (Shen et al., PNAS 2007),
    which lies in [0, 1] and does not grow with the length of the sequence. Triads with a letter
    in no class are not counted; a sequence without any triad gives zeros.

    Returns
    -------
    ndarray of float32, shape (343,)
        Triad (a, b, c) of class numbers from 0 stands at 49 a + 7 b + c.
    """
    codes = letter_codes(sequence, CLASSES)
    triads = np.lib.stride_tricks.sliding_window_view(codes, 3) if len(codes) >= 3 else codes[:0]
    known = triads.reshape(-1, 3)
    known = known[(known >= 0).all(axis=1)]
    counts = np.bincount(known @ np.array([49, 7, 1]), minlength=NUM_TRIADS).astype(np.float32)
    return (counts - counts.min()) / max(counts.max(), 1)
