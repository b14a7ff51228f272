"""Modules of DGL and dgllife as encoders: ``pip install dgl``."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from bench.backbones.module import ModuleBackbone
from bench.data.batch import GraphBatch

# Without it, the import of dgl prints a notice and writes ~/.dgl/config.json.
os.environ.setdefault("DGLBACKEND", "pytorch")
import dgl


class DGLBackbone(ModuleBackbone):
    """An encoder made of a module of DGL or dgllife; see CONTRIBUTING.md for one.

    A subclass says which module (:meth:`build`), and how atoms become molecules (:meth:`embed`).

    Attributes
    ----------
    self_loops : bool
        Whether each atom is its own neighbour, too, as modules want it that refuse atoms without
        neighbours. The features of such an edge are zeros.
    """

    self_loops: ClassVar[bool] = False

    @abstractmethod
    def embed(self, graph: dgl.DGLGraph) -> Tensor:
        """Embeddings of the G molecules of `graph`, shape (G, out_features), by ``self.module``.

        Parameters
        ----------
        graph : DGLGraph
            What :func:`to_dgl` makes.
        """

    def forward(self, graphs: GraphBatch) -> Tensor:
        return self.embed(to_dgl(graphs, self_loops=self.self_loops))


def to_dgl(graphs: GraphBatch, *, self_loops: bool = False) -> dgl.DGLGraph:
    """The G molecules as one batched DGL graph.

    Returns
    -------
    DGLGraph
        With ``ndata["h"]``, features of the N atoms, (N, D), and ``edata["e"]``, features of each
        bond in both directions, (2E, 12), under dgllife's names. Edges are sorted by target; with
        `self_loops`, that of an atom is the last into it, and its features are zeros.
    """
    edges, num_atoms = graphs.directed, graphs.num_atoms
    sources, targets = edges.sources, edges.targets
    features = graphs.bond_features.index_select(0, edges.types)
    edge_counts = edges.offsets[graphs.atom_offsets].diff()
    if self_loops:
        atoms = torch.arange(num_atoms, device=targets.device)
        targets, order = torch.cat([targets, atoms]).sort(stable=True)
        sources = torch.cat([sources, atoms])[order]
        zeros = features.new_zeros(num_atoms, features.shape[1])
        features = torch.cat([features, zeros])[order]
        edge_counts = edge_counts + graphs.atom_offsets.diff()
    graph = dgl.graph((sources, targets), num_nodes=num_atoms)
    graph.set_batch_num_nodes(graphs.atom_offsets.diff())
    graph.set_batch_num_edges(edge_counts)
    graph.ndata["h"], graph.edata["e"] = graphs.features, features
    return graph
