"""The benchmark's graph encoder on plain torch."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bench.backbone import MoleculeBackbone, register_backbone
from bench.data.batch import EnvironmentBatch, GraphBatch, LevelBatch
from bench.models._atom_norm import AtomNorm
from bench.models._environment_layer import EnvironmentLayer
from bench.models._segments import gather_sum, graph_max, graph_sum, list_max, neighbour_sum
from bench.options import Options


class GCNOptions(Options):
    """Shape of the encoder."""

    hidden: int = Field(64, ge=1, le=4096, description="features of an atom after each layer")
    layers: int = Field(3, ge=1, le=32, description="rounds of message passing")
    out: int = Field(256, ge=1, le=4096, description="length of a molecule's embedding")


@register_backbone(
    "gcn",
    title="GCN",
    reference="ImDrug (2022, arXiv 2209.07921), DGL_GCN of DeepPurpose (2020, arXiv 2004.08919)",
    version=2,
)
class GCN(MoleculeBackbone):
    """Graph convolutions with plain sums, a residual branch, and a gated-sum and maximum read-out.

    Not Kipf and Welling's normalised convolution: ImDrug's encoder adds neighbours without
    weights. Atoms' embeddings are read out as [sum of sigmoid-gated atoms, maximum], then one
    linear layer.

    Atoms with equal environments have equal embeddings, so a batch that knows its environments
    (:mod:`bench.data.environments`) is computed once for each; other batches, such as edited
    graphs, atom by atom. Both ways give the same embeddings and gradients.

    Parameters
    ----------
    num_features : int
        D, the length of an atom feature vector.
    options : GCNOptions
    """

    options_type = GCNOptions

    def __init__(self, num_features: int, options: GCNOptions) -> None:
        super().__init__(num_features, options)
        widths = [num_features] + [options.hidden] * options.layers
        self.layers = nn.ModuleList(GraphLayer(*pair) for pair in pairwise(widths))
        self.gate = nn.Linear(options.hidden, 1)
        self.output = nn.Linear(2 * options.hidden, options.out)
        self.out_features = options.out

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        environments = graphs.environments
        if environments is not None and self._compresses(graphs, environments):
            return self.output(self._read_environments(graphs, environments))
        x = graphs.features
        for layer in self.layers:
            x = layer(x, graphs)
        summed = graph_sum(self.gated(x), graphs.atom_offsets, graphs.graph_index)
        highest = graph_max(x, graphs.graph_index, graphs.num_graphs)
        return self.output(torch.cat([summed, highest], dim=1))

    def gated(self, x: Tensor) -> Tensor:
        """Features times how much their atom counts, same shape as `x`."""
        return torch.sigmoid(self.gate(x)) * x

    def _compresses(self, graphs: GraphBatch, environments: EnvironmentBatch) -> bool:
        """Whether computing by environment is the same thing here; else atoms it is."""
        return (
            len(environments.levels) == len(self.layers)
            and not torch.is_autocast_enabled(graphs.atom_features.device.type)
            and all(isinstance(layer, GraphLayer) and layer.is_plain for layer in self.layers)
        )

    def _read_environments(self, graphs: GraphBatch, environments: EnvironmentBatch) -> Tensor:
        """What `output` reads, with every distinct environment computed once."""
        x = graphs.atom_features.index_select(0, environments.types)
        for layer, level in zip(self.layers, environments.levels, strict=True):
            assert isinstance(layer, GraphLayer)
            x = layer.on_environments(x, level, graphs.num_atoms)
        owners, offsets = graphs.graph_index, graphs.atom_offsets.int()
        atoms, atom_offsets = environments.atoms, environments.atom_offsets
        holders = owners.index_select(0, atoms).int()
        summed = gather_sum(self.gated(x), environments.rows, offsets, holders, atom_offsets)
        highest = list_max(x, environments.rows, owners, offsets, atoms, atom_offsets)
        return torch.cat([summed, highest], dim=1)


class GraphLayer(nn.Module):
    """BatchNorm(ReLU(sum over neighbours and self of x W, + b) + ReLU(x V + c))."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.convolution = SumConvolution(in_features, out_features)
        self.residual = nn.Linear(in_features, out_features)
        self.norm = AtomNorm(out_features)

    def forward(self, x: Tensor, graphs: GraphBatch) -> Tensor:
        """New atom features, shape (N, out_features), from `x` (N, in_features)."""
        return self.norm(F.relu(self.convolution(x, graphs)) + F.relu(self.residual(x)))

    @property
    def is_plain(self) -> bool:
        """Whether the parts are as they were made: not replaced, wrapped or hooked."""
        parts = (self.convolution, self.residual, self.norm)
        return (
            tuple(map(type, parts)) == (SumConvolution, nn.Linear, AtomNorm)
            and not any(_is_hooked(module) for module in (self, *parts))
            and self.norm.momentum is not None
            and self.norm.running_mean is not None
        )

    def on_environments(self, x: Tensor, level: LevelBatch, atoms: int) -> Tensor:
        """Features of `level`'s environments, from `x` of those of one hop less.

        `atoms` is how many the environments stand for together.
        """
        convolution, residual, norm = self.convolution, self.residual, self.norm
        if norm.training and atoms > 1:
            x, mean, variance = EnvironmentLayer.apply(
                x,
                convolution.weight,
                convolution.bias,
                residual.weight,
                residual.bias,
                norm.weight,
                norm.bias,
                level,
                norm.eps,
            )
            norm.observe(mean, variance, atoms)
            return x
        summed = gather_sum(
            x @ convolution.weight,
            level.neighbours,
            level.offsets,
            level.users,
            level.user_offsets,
        )
        own = F.relu(residual(x)).index_select(0, level.centres)
        return norm.by_running_statistics(F.relu(summed + convolution.bias) + own)


class SumConvolution(nn.Module):
    """Sum over neighbours and self of x W, + b; W starts Xavier uniform, b at zero."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor, graphs: GraphBatch) -> Tensor:
        """Shape (N, out_features), from `x` (N, in_features)."""
        summed = neighbour_sum(x @ self.weight, graphs.neighbours, graphs.neighbour_offsets)
        return summed + self.bias


def _is_hooked(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
