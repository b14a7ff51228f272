"""A graph encoder beside a small network on the counts of circular fragments."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from bench.backbone import MoleculeBackbone, register_backbone
from bench.data.batch import GraphBatch
from bench.models._linear import Linear
from bench.models.dmpnn import DMPNN, DMPNNOptions
from bench.models.gcn import GCN, GCNOptions
from bench.models.gin import GINE, GINOptions
from bench.options import Options


class MPNNECFPOptions(Options):
    """Shape of the encoder."""

    graph: Literal["gcn", "dmpnn", "gine"] = Field("gcn", description="encoder of the graph part")
    hidden: int = Field(64, ge=1, le=4096, description="features of an atom or bond in that part")
    layers: int = Field(3, ge=1, le=32, description="rounds of message passing in that part")
    bits: int = Field(2048, ge=16, le=65536, description="places that fragments are hashed to")
    fragments: int = Field(128, ge=1, le=4096, description="features read from the fragments")
    dropout: float = Field(0.5, ge=0, lt=1, description="dropout of fragments and their features")
    out: int = Field(256, ge=1, le=4096, description="length of a molecule's embedding")


@register_backbone(
    "mpnn_ecfp",
    title="MPNN + ECFP",
    reference="fragments: Rogers and Hahn (2010, doi 10.1021/ci100050t); here with a graph encoder",
)
class MPNNECFP(MoleculeBackbone):
    """Embeddings of a graph encoder and of the fragments' counts, mapped to one.

    Fragments are read as ``ReLU(W log(1 + counts) + b)``. Thousands of rare fragments tell training
    molecules apart, so that a network soon knows them by heart: fragments and what is read from
    them are dropped at random while training.

    Parameters
    ----------
    num_features : int
        D, the length of an atom feature vector.
    options : MPNNECFPOptions
    """

    options_type = MPNNECFPOptions
    by_environment = True

    def __init__(self, num_features: int, options: MPNNECFPOptions) -> None:
        super().__init__(num_features, options)
        shape: dict[str, Any] = {
            "hidden": options.hidden,
            "layers": options.layers,
            "out": options.out,
        }
        self.graph: MoleculeBackbone = {
            "gcn": lambda: GCN(num_features, GCNOptions(**shape)),
            "dmpnn": lambda: DMPNN(num_features, DMPNNOptions(**shape)),
            "gine": lambda: GINE(num_features, GINOptions(**shape)),
        }[options.graph]()
        self.fingerprint_bits = options.bits
        self.dropout = nn.Dropout(options.dropout)
        self.fragments = Linear(options.bits, options.fragments)
        self.output = Linear(self.graph.out_features + options.fragments, options.out)
        self.out_features = options.out

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        counts = graphs.fingerprints
        if counts is None or counts.shape[1] != self.fingerprint_bits:
            got = "none" if counts is None else f"those of {counts.shape[1]}"
            raise ValueError(
                f"Expected fingerprints of {self.fingerprint_bits} places in the batch, but got "
                f"{got}. `Network.collator` makes batches with what the encoder reads."
            )
        counts = self.dropout(counts.log1p())
        fragments = self.dropout(self.fragments(counts).relu())
        return self.output(torch.cat([self.graph(graphs), fragments], dim=1))
