"""Directed message passing over bonds, as chemprop does it, on plain torch."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812

from bench.backbone import MoleculeBackbone, register_backbone
from bench.data.batch import GraphBatch
from bench.data.bond_features import NUM_BOND_FEATURES
from bench.data.edges import DirectedEdges
from bench.models._edges import gather_sources, sum_to_targets
from bench.models._linear import Linear
from bench.models._segments import counting, gather_rows_sum, graph_sum
from bench.options import Options

# What chemprop's command divides sums by.
_NORM = 100


class DMPNNOptions(Options):
    """Shape of the encoder."""

    hidden: int = Field(128, ge=1, le=4096, description="features of a bond; chemprop's are 300")
    layers: int = Field(3, ge=1, le=32, description="states of a bond; messages are sent between")
    read_out: Literal["mean", "sum", "norm"] = Field(
        "sum", description="how atoms make a molecule; norm: a hundredth of the sum"
    )
    out: int = Field(256, ge=1, le=4096, description="length of a molecule's embedding")


@register_backbone(
    "dmpnn",
    title="D-MPNN",
    reference="Yang et al. (2019, doi 10.1021/acs.jcim.9b00237), chemprop (2.3)",
)
class DMPNN(MoleculeBackbone):
    """Messages along directed bonds, which never turn back on the bond they came by.

    With v -> w for the bond from atom v to w, x for the features of atoms and bonds:

    - ``h0[v -> w] = W_i [x_v, x_vw]``, ``h = ReLU(h0)``
    - ``m[v -> w] = sum over u -> v of h[u -> v], without w -> v``
    - ``h[v -> w] = ReLU(h0[v -> w] + W_h m[v -> w])``, ``layers - 1`` times
    - ``h_v = ReLU(W_o [x_v, sum over u -> v of h[u -> v]] + b)``

    The mean or sum of a molecule's atoms goes through one linear layer.

    Parameters
    ----------
    num_features : int
        D, the length of an atom feature vector.
    options : DMPNNOptions

    References
    ----------
    Yang et al., "Analyzing learned molecular representations for property prediction", J. Chem.
    Inf. Model. 2019, doi 10.1021/acs.jcim.9b00237, equations 1 to 7. As chemprop's
    ``BondMessagePassing``, ``W_h`` is shared by all layers. The read-out of its command is
    ``norm`` by default, that of its examples in Python ``mean``. Here it is ``sum``: a mean of
    atoms differs little between molecules, and under the benchmark's head a network learnt slowly
    from it or not at all. Balanced accuracy on validation, sum / mean, of one run of balanced
    softmax, random split, seed 100: chembl_ki 82.6 / 71.0 (10 epochs), hiv 72.6 / 50.0 (8).
    """

    options_type = DMPNNOptions

    def __init__(self, num_features: int, options: DMPNNOptions) -> None:
        super().__init__(num_features, options)
        hidden = options.hidden
        self.W_i = Linear(num_features + NUM_BOND_FEATURES, hidden, bias=False)
        self.W_h = Linear(hidden, hidden, bias=False)
        self.W_o = Linear(num_features + hidden, hidden)
        self.output = Linear(hidden, options.out)
        self.rounds = options.layers - 1
        self.read_out = options.read_out
        self.out_features = options.out

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        read = graph_sum(self.atoms(graphs), graphs.atom_offsets, graphs.graph_index)
        if self.read_out == "mean":
            read = read / graphs.atom_offsets.diff().to(read.dtype)[:, None]
        elif self.read_out == "norm":
            read = read / _NORM
        return self.output(read)

    def atoms(self, graphs: GraphBatch) -> Tensor:
        """What is read out: features of the atoms after all messages, shape (N, hidden)."""
        x, edges = graphs.features, graphs.directed
        start = self._start(x, graphs)
        bonds = start.relu()
        for _ in range(self.rounds):
            # In place: the product is read by nothing else.
            bonds = self.W_h(others_to_sources(bonds, edges)).add_(start).relu_()
        gathered = sum_to_targets(bonds, edges)
        return self.W_o(torch.cat([x, gathered], dim=1)).relu_()

    def _start(self, x: Tensor, graphs: GraphBatch) -> Tensor:
        """``W_i`` of source and bond; of sources by one product an atom, not one an edge."""
        of_atoms, of_bonds = self.W_i.weight.split([x.shape[1], NUM_BOND_FEATURES], dim=1)
        sources = gather_sources(F.linear(x, of_atoms), graphs.directed)
        bonds = graphs.bond_features.index_select(0, graphs.directed.types)
        return torch.addmm(sources, bonds, of_bonds.t())


def others_to_sources(bonds: Tensor, edges: DirectedEdges) -> Tensor:
    """For each edge v -> w the sum of the edges into v, without w -> v.

    Parameters
    ----------
    bonds : Tensor, shape (2E, D)

    Returns
    -------
    Tensor, shape (2E, D)
    """
    return _OthersToSources.apply(bonds, edges)


class _OthersToSources(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, bonds: Tensor, edges: DirectedEdges) -> Tensor:
        ctx.edges = edges
        return _without_own(bonds, edges).index_select(0, edges.reverse)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # An edge w -> v is in the sums of the edges out of v, but of v -> w.
        edges, grad = ctx.edges, grad.contiguous()
        reversed_grad = grad.index_select(0, edges.reverse)
        return _without_own(reversed_grad, edges), None


def _without_own(rows: Tensor, edges: DirectedEdges) -> Tensor:
    """For each edge the sum of all into the same atom, without itself, shape (2E, D)."""
    places = counting(len(rows), edges.offsets)
    sums = gather_rows_sum(rows, places, edges.offsets)
    return sums.index_select(0, edges.targets).sub_(rows)
