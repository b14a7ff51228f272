"""Attention over neighbours and over a molecule's atoms, as AttentiveFP has it, on plain torch."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812

from bench.backbone import MoleculeBackbone, register_backbone
from bench.data.batch import GraphBatch
from bench.data.bond_features import NUM_BOND_FEATURES
from bench.data.edges import DirectedEdges
from bench.models._attention import repeat_values, segment_softmax, sum_of_sources
from bench.models._edges import gather_sources, sum_to_targets
from bench.models._linear import Linear
from bench.models._segments import graph_sum
from bench.options import Options

# Slope of all leaky ReLUs, as PyTorch's default.
_SLOPE = 0.01


class AttentiveFPOptions(Options):
    """Shape of the encoder."""

    hidden: int = Field(64, ge=1, le=4096, description="features of an atom after each layer")
    layers: int = Field(3, ge=1, le=32, description="rounds of attention over neighbours")
    steps: int = Field(2, ge=1, le=32, description="rounds of attention over a molecule's atoms")
    bonds: Literal["messages", "scores"] = Field(
        "messages",
        description="what reads bond features: messages and their scores, as in the publication, "
        "or scores alone, as in PyTorch Geometric 2.8",
    )
    out: int = Field(256, ge=1, le=4096, description="length of a molecule's embedding")


@register_backbone(
    "attentivefp",
    title="AttentiveFP",
    reference="Xiong et al. (2020, doi 10.1021/acs.jmedchem.9b00959)",
)
class AttentiveFP(MoleculeBackbone):
    """Attention over neighbours, then over all atoms of a molecule; gated units keep the state.

    In each round the context of an atom is the sum of its neighbours, weighted by a softmax of
    scores of both ends, and a gated recurrent unit takes it in. The first round reads bond
    features, too. Then a molecule's state, at first the sum of its atoms, attends to the atoms.

    Parameters
    ----------
    num_features : int
        D, the length of an atom feature vector.
    options : AttentiveFPOptions

    References
    ----------
    Xiong et al., "Pushing the boundaries of molecular representation for drug discovery with the
    graph attention mechanism", J. Med. Chem. 2020, doi 10.1021/acs.jmedchem.9b00959, equations 1
    to 12, with the scores as sums of one product an end, as PyTorch Geometric has them. Its
    version 2.8 sums messages without bond features; the publication and older versions with them.
    """

    options_type = AttentiveFPOptions

    def __init__(self, num_features: int, options: AttentiveFPOptions) -> None:
        super().__init__(num_features, options)
        hidden = options.hidden
        self.input = Linear(num_features, hidden)
        self.bond_attention = BondAttention(hidden, in_messages=options.bonds == "messages")
        self.unit = GatedUnit(hidden)
        later = range(options.layers - 1)
        self.attentions = nn.ModuleList(Attention(hidden) for _ in later)
        self.units = nn.ModuleList(GatedUnit(hidden) for _ in later)
        self.molecule_attention = Attention(hidden)
        self.molecule_unit = GatedUnit(hidden)
        self.steps = options.steps
        self.output = Linear(hidden, options.out)
        self.out_features = options.out

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Embeddings of the G graphs, shape (G, out)."""
        x = F.leaky_relu(self.input(graphs.features), _SLOPE)
        x = self.unit(F.elu(self.bond_attention(x, graphs)), x).relu()
        for attention, unit in zip(self.attentions, self.units, strict=True):
            x = unit(F.elu(attention(x, graphs.directed)), x).relu()
        state = graph_sum(x, graphs.atom_offsets, graphs.graph_index).relu()
        attention = self.molecule_attention
        mapped = attention.linear(x)
        scores = mapped @ attention.of_source
        for _ in range(self.steps):
            context = attention.to_graphs(mapped, scores, state, graphs)
            state = self.molecule_unit(F.elu(context), state).relu()
        return self.output(state)


class BondAttention(nn.Module):
    """Attention over neighbours that reads bond features.

    The message of v -> w is ``t = LeakyReLU(W [x_v, x_vw])``, its score
    ``LeakyReLU(a . t + b . x_w)``; the weighted sum goes through a linear layer.

    Parameters
    ----------
    hidden : int
    in_messages : bool
        Whether ``t`` is what is summed; else ``x_v`` is, and bonds change its weights alone.
    """

    def __init__(self, hidden: int, *, in_messages: bool) -> None:
        super().__init__()
        self.in_messages = in_messages
        self.message = nn.Linear(hidden + NUM_BOND_FEATURES, hidden, bias=False)
        self.linear = Linear(hidden, hidden, bias=False)
        self.of_message = _vector(hidden)
        self.of_target = _vector(hidden)
        self.bias = nn.Parameter(torch.zeros(hidden))
        nn.init.xavier_uniform_(self.message.weight)
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, x: Tensor, graphs: GraphBatch) -> Tensor:
        """Context of each atom, shape (N, hidden), from `x` (N, hidden)."""
        edges = graphs.directed
        of_atoms, of_bonds = self.message.weight.split([x.shape[1], NUM_BOND_FEATURES], dim=1)
        # By one product an atom, not one an edge; and the linear layer after the sum, not before.
        sources = gather_sources(F.linear(x, of_atoms), edges)
        bonds = graphs.bond_features.index_select(0, edges.types)
        messages = F.leaky_relu_(torch.addmm(sources, bonds, of_bonds.t()), _SLOPE)
        of_targets = repeat_values(x @ self.of_target, edges.offsets, edges.targets)
        scores = messages @ self.of_message + of_targets
        weights = segment_softmax(F.leaky_relu(scores, _SLOPE), edges.offsets, edges.targets)
        if self.in_messages:
            heard = sum_to_targets(messages * weights[:, None], edges)
        else:
            heard = sum_of_sources(x, weights, edges)
        return self.linear(heard) + self.bias


class Attention(nn.Module):
    """Attention of Veličković et al. (2018, arXiv 1710.10903), one head, without self loops.

    The message is ``t = W x``, its score ``LeakyReLU(a . t_v + b . t_w)``.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.linear = Linear(hidden, hidden, bias=False)
        self.of_source = _vector(hidden)
        self.of_target = _vector(hidden)
        self.bias = nn.Parameter(torch.zeros(hidden))
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, x: Tensor, edges: DirectedEdges) -> Tensor:
        """Context of each atom from its neighbours, shape (N, hidden), from `x` (N, hidden)."""
        mapped = self.linear(x)
        of_sources = gather_sources((mapped @ self.of_source)[:, None], edges)[:, 0]
        of_targets = repeat_values(mapped @ self.of_target, edges.offsets, edges.targets)
        scores = F.leaky_relu(of_sources + of_targets, _SLOPE)
        weights = segment_softmax(scores, edges.offsets, edges.targets)
        return sum_of_sources(mapped, weights, edges) + self.bias

    def to_graphs(
        self, mapped: Tensor, scores: Tensor, state: Tensor, graphs: GraphBatch
    ) -> Tensor:
        """Context of each molecule from its atoms.

        Parameters
        ----------
        mapped : Tensor, shape (N, hidden)
            Messages of the atoms.
        scores : Tensor, shape (N,)
            The atoms' part of the scores.
        state : Tensor, shape (G, hidden)

        Returns
        -------
        Tensor, shape (G, hidden)
        """
        offsets, owners = graphs.atom_offsets, graphs.graph_index
        of_graphs = repeat_values(self.linear(state) @ self.of_target, offsets, owners)
        scores = scores + of_graphs
        weights = segment_softmax(F.leaky_relu(scores, _SLOPE), offsets, owners)
        return graph_sum(mapped * weights[:, None], offsets, owners) + self.bias


class GatedUnit(nn.Module):
    """Gated recurrent unit (Cho et al., 2014, arXiv 1406.1078), as ``torch.nn.GRUCell``.

    ``r, z = sigmoid(W x + V h)``, ``n = tanh(W_n x + r V_n h)``, ``h' = (1 - z) n + z h``, with
    biases. Unlike torch's, equal on every device, and with the faster products on the CPU.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.of_input = Linear(hidden, 3 * hidden)
        self.of_state = Linear(hidden, 3 * hidden)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """The new state, shape (R, hidden), from input and `state`, (R, hidden) each."""
        return _Gates.apply(self.of_input(x), self.of_state(state), state)


class _Gates(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, of_input: Tensor, of_state: Tensor, state: Tensor) -> Tensor:
        width = state.shape[1]
        gates = (of_input[:, : 2 * width] + of_state[:, : 2 * width]).sigmoid_()
        reset, update = gates.split(width, dim=1)
        new = torch.addcmul(of_input[:, 2 * width :], reset, of_state[:, 2 * width :]).tanh_()
        ctx.save_for_backward(gates, new, of_state, state)
        return torch.lerp(new, state, update)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        gates, new, of_state, state = ctx.saved_tensors
        width = state.shape[1]
        reset, update = gates.split(width, dim=1)
        to_state = grad * update
        to_new = torch.ops.aten.tanh_backward(grad - to_state, new)
        to_gates = torch.cat([to_new * of_state[:, 2 * width :], grad * (state - new)], dim=1)
        to_gates = torch.ops.aten.sigmoid_backward(to_gates, gates)
        return (
            torch.cat([to_gates, to_new], dim=1),
            torch.cat([to_gates, to_new * reset], dim=1),
            to_state,
        )


def _vector(length: int) -> nn.Parameter:
    # Glorot's range for a matrix of one row.
    limit = (6 / (1 + length)) ** 0.5
    return nn.Parameter(torch.empty(length).uniform_(-limit, limit))
