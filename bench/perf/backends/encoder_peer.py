"""An encoder of ours as another package has it, with the same weights."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from bench.data.prepared import PreparedData
from bench.models.network import Network
from bench.perf.backends.stack import GraphObjects


class EncoderPeer(GraphObjects):
    """One of our encoders on another package, which reads our atom and bond features.

    Parameters
    ----------
    prepared : PreparedData
        Its entities are molecules.
    positions : ndarray of int, shape (n,)
        Samples whose graphs are made; no others can be asked for.
    ours : Network
        Its shapes and weights are taken over.
    """

    def __init__(self, prepared: PreparedData, positions: np.ndarray, ours: Network) -> None:
        encoder: Any = ours.encoders["molecule"]
        super().__init__(prepared, positions, self.encoder_like(encoder), encoder.out_features)
        take_over(self.network.head, ours.head)

    @staticmethod
    @abstractmethod
    def encoder_like(ours: Any) -> nn.Module:
        """The package's encoder with the shapes and weights of `ours`."""


class EdgeArrays(NamedTuple):
    """A molecule of N atoms and E bonds, each bond in both directions.

    Attributes
    ----------
    atoms : ndarray of float32, shape (N, 74)
    bonds : ndarray of float32, shape (2E, 12)
    ends : ndarray of int64, shape (2, 2E)
        Source and target of each edge.
    reverse : ndarray of int64, shape (2E,)
    """

    atoms: np.ndarray
    bonds: np.ndarray
    ends: np.ndarray
    reverse: np.ndarray


def edge_arrays(prepared: PreparedData, number: int) -> EdgeArrays:
    """Molecule `number` as plain arrays; the two directions of a bond stand side by side."""
    graphs = prepared.graphs
    atoms = slice(*graphs.atom_offsets[number : number + 2])
    bonds = slice(*graphs.bond_offsets[number : number + 2])
    one_way = graphs.bonds[bonds].astype(np.int64)
    ends = np.stack([one_way, one_way[:, ::-1]], axis=1).reshape(-1, 2).T
    features = graphs.bond_features[graphs.bond_types[bonds]]
    return EdgeArrays(
        atoms=graphs.atom_features[graphs.atom_types[atoms]],
        bonds=np.repeat(features, 2, axis=0),
        ends=np.ascontiguousarray(ends),
        reverse=np.arange(ends.shape[1]) ^ 1,
    )


def take_over(theirs: Any, ours: Any) -> None:
    """Copy the weights of `ours` into a module with the same names.

    Parameters
    ----------
    theirs, ours : nn.Module

    Raises
    ------
    RuntimeError
        Names or shapes differ.
    """
    theirs.load_state_dict(ours.state_dict())


def plain(ours: Any) -> nn.Linear:
    """A linear layer of torch's own with the weights of `ours`, which may multiply faster."""
    theirs = nn.Linear(ours.in_features, ours.out_features, bias=ours.bias is not None)
    take_over(theirs, ours)
    return theirs
