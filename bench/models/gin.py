"""Sums over neighbours that tell multisets apart: GIN, and GINE, which reads bonds."""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field
from torch import Tensor, nn

from bench.backbone import MoleculeBackbone, register_backbone
from bench.data.batch import EnvironmentBatch, GraphBatch
from bench.data.bond_features import NUM_BOND_FEATURES
from bench.models._atom_norm import AtomNorm
from bench.models._edges import gather_sources, sum_to_targets
from bench.models._linear import Linear, is_hooked
from bench.models._plain import is_plain
from bench.models._segments import graph_sum, list_sum, neighbour_sum
from bench.options import Options


class GINOptions(Options):
    """Shape of the encoder."""

    hidden: int = Field(64, ge=1, le=4096, description="features of an atom after each layer")
    layers: int = Field(3, ge=1, le=32, description="rounds of message passing")
    out: int = Field(256, ge=1, le=4096, description="length of a molecule's embedding")


@register_backbone("gin", title="GIN", reference="Xu et al. (2019, arXiv 1810.00826)")
class GIN(MoleculeBackbone):
    """Sums over neighbours and self, each through a perceptron of two layers.

    Equation 4.1 with epsilon 0, which the paper calls GIN-0:
    ``x_v <- ReLU(BatchNorm(W_2 ReLU(W_1 (x_v + sum over neighbours u of x_u) + b)))``. Of the last
    layer, the sum of a molecule's atoms goes through one linear layer. The paper also normalises
    inside the perceptron, and reads out every layer.

    As :class:`bench.models.gcn.GCN`, it computes a batch that knows its environments once for each,
    with the same embeddings and gradients.

    Parameters
    ----------
    num_features : int
        D, the length of an atom feature vector.
    options : GINOptions

    References
    ----------
    Xu et al., "How powerful are graph neural networks?", ICLR 2019, arXiv 1810.00826.
    """

    options_type = GINOptions
    by_environment = True

    def __init__(self, num_features: int, options: GINOptions) -> None:
        super().__init__(num_features, options)
        widths = [num_features] + [options.hidden] * options.layers
        self.layers = nn.ModuleList(Update(*pair) for pair in pairwise(widths))
        self.output = Linear(options.hidden, options.out)
        self.out_features = options.out

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        environments = graphs.environments
        if environments is not None and self._compresses(graphs, environments):
            return self.output(self._read_environments(graphs, environments))
        x = graphs.features
        for layer in self.layers:
            x = layer(neighbour_sum(x, graphs.neighbours, graphs.neighbour_offsets))
        return self.output(graph_sum(x, graphs.atom_offsets, graphs.graph_index))

    def _compresses(self, graphs: GraphBatch, environments: EnvironmentBatch) -> bool:
        """Whether computing by environment is the same thing here; else atoms it is."""
        return (
            len(environments.levels) == len(self.layers)
            and is_plain(graphs.atom_features)
            and all(type(layer) is Update and layer.is_plain for layer in self.layers)
        )

    def _read_environments(self, graphs: GraphBatch, environments: EnvironmentBatch) -> Tensor:
        """What `output` reads, with every distinct environment computed once."""
        x = graphs.atom_features.index_select(0, environments.types)
        for layer, level in zip(self.layers, environments.levels, strict=True):
            x = layer(list_sum(x, level.neighbours, level.offsets), level.counts)
        return list_sum(x, environments.rows, graphs.atom_offsets)


@register_backbone("gine", title="GINE", reference="Hu et al. (2020, arXiv 1905.12265)")
class GINE(MoleculeBackbone):
    """GIN whose messages are ``ReLU(x_u + W e_uv)``, of neighbour and bond.

    From a linear layer of the atoms' features, in each round
    ``x_v <- ReLU(BatchNorm(W_2 ReLU(W_1 (x_v + sum over u of ReLU(x_u + W e_uv)) + b)))``. Of the
    last, the sum of a molecule's atoms goes through one linear layer, as in :class:`GIN`.

    Parameters
    ----------
    num_features : int
        D, the length of an atom feature vector.
    options : GINOptions

    References
    ----------
    Hu et al., "Strategies for pre-training graph neural networks", ICLR 2020, arXiv 1905.12265,
    with the ReLU of its authors' benchmark (OGB) and PyTorch Geometric in the messages.
    """

    options_type = GINOptions

    def __init__(self, num_features: int, options: GINOptions) -> None:
        super().__init__(num_features, options)
        hidden, layers = options.hidden, range(options.layers)
        self.input = nn.Linear(num_features, hidden)
        self.bonds = nn.ModuleList(nn.Linear(NUM_BOND_FEATURES, hidden, bias=False) for _ in layers)
        self.layers = nn.ModuleList(Update(hidden, hidden) for _ in layers)
        self.output = Linear(hidden, options.out)
        self.out_features = options.out

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        edges = graphs.directed
        features = graphs.bond_features.index_select(0, edges.types)
        x = self.input(graphs.features)
        for bonds, layer in zip(self.bonds, self.layers, strict=True):
            messages = bonds(features).add_(gather_sources(x, edges)).relu_()
            x = layer(x + sum_to_targets(messages, edges))
        return self.output(graph_sum(x, graphs.atom_offsets, graphs.graph_index))


class Update(nn.Module):
    """``ReLU(BatchNorm(W_2 ReLU(W_1 x + b)))``: new features of an atom from a sum."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        # Not oneDNN's products: it prepares one again for every number of rows, and no batch has
        # the number of another; that takes as long as the product again.
        self.first = nn.Linear(in_features, out_features)
        # The normalisation takes away what a bias would add.
        self.second = nn.Linear(out_features, out_features, bias=False)
        self.norm = AtomNorm(out_features)

    def forward(self, x: Tensor, counts: Tensor | None = None) -> Tensor:
        """Shape (N, out_features), from `x` (N, in_features), whose rows count `counts` each."""
        return self.norm(self.second(self.first(x).relu_()), counts).relu_()

    @property
    def is_plain(self) -> bool:
        """Whether the parts are as they were made: not replaced, wrapped or hooked."""
        first, second, norm = self.first, self.second, self.norm
        return (
            type(first) is nn.Linear
            and type(second) is nn.Linear
            and type(norm) is AtomNorm
            and norm.affine
            and norm.momentum is not None
            and norm.running_mean is not None
            and not any(map(is_hooked, (self, first, second, norm)))
        )
