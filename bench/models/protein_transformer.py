"""Self-attention over the words of a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bench.backbone import ProteinBackbone, register_backbone
from bench.models._sequences import letter_codes
from bench.options import Options

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2
EMBEDDING, LAYERS, HEADS, FEED_FORWARD = 64, 2, 4, 256


class ProteinTransformerOptions(Options):
    """Words and length of the encoder's input."""

    word: int = Field(2, ge=1, le=3, description="residues in a word")
    positions: int = Field(
        545, ge=1, le=5000, description="words read; the rest of a sequence is cut off"
    )
    dropout: float = Field(
        0.1, ge=0, lt=1, description="dropout; 0 makes training on a CPU about four times as fast"
    )


@register_backbone(
    "protein_transformer",
    title="Protein Transformer",
    reference="DeepPurpose (2020, arXiv 2004.08919), MolTrans (2021, arXiv 2004.11424)",
)
class ProteinTransformer(ProteinBackbone):
    """Embedding 64, two layers of four heads, feed-forward 256; output of the first word.

    Shapes are DeepPurpose's, as ImDrug uses them. Its vocabulary of 4,114 sub-words (ESPF) is not
    available here, so words are k-mers: `word` residues each, side by side without overlap, and
    one token for every word with a letter that is no standard amino acid.

    Parameters
    ----------
    options : ProteinTransformerOptions
    """

    options_type = ProteinTransformerOptions

    def __init__(self, options: ProteinTransformerOptions) -> None:
        super().__init__(options)
        self.word = options.word
        self.words = nn.Embedding(FIRST_WORD + len(AMINO_ACIDS) ** options.word, EMBEDDING)
        self.positions = nn.Embedding(options.positions, EMBEDDING)
        self.norm = nn.LayerNorm(EMBEDDING)
        self.dropout = nn.Dropout(options.dropout)
        # nn.TransformerEncoder would start all its layers from copies of one set of weights.
        self.layers = nn.ModuleList(AttentionLayer(options.dropout) for _ in range(LAYERS))
        self.out_features = EMBEDDING

    def tokenise(self, sequences: Sequence[str]) -> np.ndarray:
        """Word numbers, cut or padded with 0; int16, shape (P, positions)."""
        rows = np.full((len(sequences), self.positions.num_embeddings), PADDING, dtype=np.int16)
        for row, sequence in zip(rows, sequences, strict=True):
            words = kmer_words(sequence, self.word)[: len(row)]
            row[: len(words)] = words
        return rows

    def forward(self, rows: Tensor) -> Tensor:
        """Embeddings of P tokenised sequences, shape (P, 64)."""
        present = rows != PADDING
        length = rows.shape[1]
        if rows.device.type == "cpu":  # of another device, one would have to wait for it
            length = int(present.sum(dim=1).max())
        words, mask = rows[:, :length].long(), present[:, None, None, :length]
        x = self.words(words) + self.positions.weight[:length]
        x = self.dropout(self.norm(x))
        for layer in self.layers[:-1]:
            x = layer(x, x, mask)
        # Only the first word is read out, so the last layer is asked for nothing else.
        return self.layers[-1](x[:, :1], x, mask)[:, 0]


class AttentionLayer(nn.Module):
    """Attention and feed-forward, each followed by dropout, residual sum and LayerNorm."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.query = nn.Linear(EMBEDDING, EMBEDDING)
        self.key_value = nn.Linear(EMBEDDING, 2 * EMBEDDING)
        self.attended = nn.Linear(EMBEDDING, EMBEDDING)
        self.attention_norm = nn.LayerNorm(EMBEDDING)
        self.feed_forward = nn.Sequential(
            nn.Linear(EMBEDDING, FEED_FORWARD), nn.ReLU(), nn.Linear(FEED_FORWARD, EMBEDDING)
        )
        self.feed_forward_norm = nn.LayerNorm(EMBEDDING)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """New values of `x` (P, Q, 64), which look at the words of `context` (P, L, 64).

        Words may be looked at where `mask` (P, 1, 1, L) is true.
        """
        query = self.query(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        key_value = self.key_value(context).unflatten(-1, (2, HEADS, -1))
        key, value = key_value.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=self.dropout.p if self.training else 0.0
        )
        attended = self.attended(attended.transpose(1, 2).flatten(2))
        x = self.attention_norm(x + self.dropout(attended))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


def kmer_words(sequence: str, size: int) -> np.ndarray:
    """Numbers of the words of `size` residues that stand side by side in `sequence`.

    A word is `UNKNOWN` when it holds a letter that is no standard amino acid or when the sequence
    ends within it; an empty sequence is one unknown word.

    Returns
    -------
    ndarray of int64, shape (ceil(len(sequence) / size),) or (1,)
    """
    codes = letter_codes(sequence, AMINO_ACIDS)
    digits = np.full((max(1, -(-len(codes) // size)), size), -1)
    digits.flat[: len(codes)] = codes
    numbers = digits @ len(AMINO_ACIDS) ** np.arange(size)[::-1]
    return np.where((digits >= 0).all(axis=1), FIRST_WORD + numbers, UNKNOWN)
