"""Modules of PyTorch Geometric as encoders: ``pip install torch_geometric``."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch_geometric.data import Batch

from bench.backbones.module import ModuleBackbone
from bench.data.batch import GraphBatch


class PyGBackbone(ModuleBackbone):
    """An encoder made of a module of PyTorch Geometric; see CONTRIBUTING.md for one.

    A subclass says which module (:meth:`build`), and how atoms become molecules (:meth:`embed`).
    """

    @abstractmethod
    def embed(self, data: Batch) -> Tensor:
        """Embeddings of the G molecules of `data`, shape (G, out_features), by ``self.module``.

        Parameters
        ----------
        data : Batch
            What :func:`to_pyg` makes.
        """

    def forward(self, graphs: GraphBatch) -> Tensor:
        return self.embed(to_pyg(graphs))


def to_pyg(graphs: GraphBatch) -> Batch:
    """The G molecules as PyTorch Geometric knows them.

    Returns
    -------
    Batch
        With ``x``, features of the N atoms, (N, D); ``edge_index``, sources and targets of each
        bond in both directions, sorted by target, without self loops, (2, 2E); ``edge_attr``,
        features of their bonds, (2E, 12); ``batch``, molecule of each atom, (N,); ``ptr``, where
        the atoms of each molecule begin, (G + 1,); and ``num_graphs``.
    """
    edges = graphs.directed
    return Batch(
        x=graphs.features,
        edge_index=torch.stack([edges.sources, edges.targets]),
        edge_attr=graphs.bond_features.index_select(0, edges.types),
        batch=graphs.graph_index,
        ptr=graphs.atom_offsets,
    )
