"""Samples of a data set as tensors, made batch by batch from the packed arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from bench.data.packed import PackedGraphs
from bench.data.prepared import PreparedData

Device = torch.device | str | None
_T = TypeVar("_T", bound="_Tensors")


class _Tensors:
    """Base of frozen dataclasses of which every field is a tensor."""

    def to(self: _T, device: Device = None, dtype: torch.dtype | None = None) -> _T:
        """The same values on `device`; floating-point tensors become `dtype`."""
        return replace(  # type: ignore[type-var]
            self,
            **{
                field.name: _to(getattr(self, field.name), device, dtype)
                for field in fields(self)  # type: ignore[arg-type]
            },
        )


@dataclass(frozen=True)
class GraphBatch(_Tensors):
    """G molecular graphs laid end to end: N atoms, E bonds, T distinct atom feature vectors.

    Each bond stands in both directions and each atom is its own neighbour, so the adjacency
    matrix is symmetric; it is stored by rows (compressed sparse rows without values).

    Attributes
    ----------
    atom_features : Tensor, shape (T, D)
        The distinct atom feature vectors.
    atom_types : Tensor of int64, shape (N,)
        Row of `atom_features` for each atom.
    neighbours : Tensor of int64, shape (2E + N,)
        Neighbours of atom i, itself among them, are
        ``neighbours[neighbour_offsets[i]:neighbour_offsets[i + 1]]``.
    neighbour_offsets : Tensor of int64, shape (N + 1,)
    atom_offsets : Tensor of int64, shape (G + 1,)
        Atoms of graph g are ``atom_offsets[g]:atom_offsets[g + 1]``.
    """

    atom_features: Tensor
    atom_types: Tensor
    neighbours: Tensor
    neighbour_offsets: Tensor
    atom_offsets: Tensor

    @property
    def num_graphs(self) -> int:
        """G."""
        return len(self.atom_offsets) - 1

    @property
    def num_atoms(self) -> int:
        """N."""
        return len(self.atom_types)

    @property
    def features(self) -> Tensor:
        """Feature vector of each atom, shape (N, D)."""
        return self.atom_features.index_select(0, self.atom_types)

    @property
    def graph_index(self) -> Tensor:
        """Graph of each atom, shape (N,)."""
        return _owners(self.atom_offsets, self.num_atoms)

    @property
    def edges(self) -> tuple[Tensor, Tensor]:
        """Sources and targets of all directed edges, self loops included, (2E + N,) each."""
        return self.neighbours, _owners(self.neighbour_offsets, len(self.neighbours))


@dataclass(frozen=True)
class ValueBatch(_Tensors):
    """Proteins or categories: what is distinct in the batch, once, and who has which.

    Attributes
    ----------
    rows : Tensor, shape (P, ...)
        The distinct values as their encoder reads them.
    index : Tensor of int64, shape (R,)
        Row for each of the R occurrences.
    """

    rows: Tensor
    index: Tensor


@dataclass(frozen=True)
class Batch:
    """B samples.

    Attributes
    ----------
    inputs : mapping of str to GraphBatch or ValueBatch
        All entities of one kind together, under that kind. With m entities of a kind, the B
        values of the first come first, then the B values of the second, and so on.
    labels : Tensor of int64, shape (B,)
    positions : Tensor of int64, shape (B,)
        Positions of the samples in the prepared data.
    """

    inputs: Mapping[str, GraphBatch | ValueBatch]
    labels: Tensor
    positions: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: Device = None, dtype: torch.dtype | None = None) -> Batch:
        """The same samples on `device`; floating-point tensors become `dtype`."""
        return Batch(
            {kind: value.to(device, dtype) for kind, value in self.inputs.items()},
            _to(self.labels, device, None),
            _to(self.positions, device, None),
        )


class Collator:
    """Turns positions of samples into a :class:`Batch`.

    Parameters
    ----------
    prepared : PreparedData
        Its arrays may be memory-mapped; only what a batch needs is read.
    protein_rows : ndarray, shape (len(prepared.proteins), ...), optional
        The distinct proteins as their encoder reads them (``ProteinBackbone.tokenise``).

    Raises
    ------
    ValueError
        The data has proteins, but `protein_rows` is missing or of another length.
    """

    def __init__(self, prepared: PreparedData, protein_rows: np.ndarray | None = None) -> None:
        self.labels = np.asarray(prepared.labels)
        self._graphs = prepared.graphs
        self._atom_features = torch.from_numpy(np.array(prepared.graphs.atom_features))
        self._indices: dict[str, list[np.ndarray]] = {}
        for entity in prepared.entities:
            self._indices.setdefault(entity.kind, []).append(entity.index)
        self._rows = {"category": np.arange(len(prepared.categories))}
        if "protein" in self._indices:
            expected = len(prepared.proteins)
            if protein_rows is None or len(protein_rows) != expected:
                got = "none" if protein_rows is None else len(protein_rows)
                raise ValueError(
                    f"Expected {expected} protein rows for {prepared.name}, but got {got}. "
                    "Pass the encoder's tokenise(prepared.proteins)."
                )
            self._rows["protein"] = protein_rows

    def __call__(self, positions: np.ndarray) -> Batch:
        """The samples at `positions`, shape (B,), in that order; repeats are allowed."""
        inputs: dict[str, GraphBatch | ValueBatch] = {}
        for kind, indices in self._indices.items():
            numbers = np.concatenate([index[positions] for index in indices])
            if kind == "molecule":
                inputs[kind] = collate_graphs(self._graphs, numbers, self._atom_features)
            else:
                distinct, index = np.unique(numbers, return_inverse=True)
                inputs[kind] = ValueBatch(
                    torch.from_numpy(self._rows[kind][distinct]), torch.from_numpy(index)
                )
        return Batch(
            inputs,
            torch.from_numpy(self.labels[positions]),
            torch.from_numpy(np.array(positions, dtype=np.int64)),
        )


def collate_graphs(graphs: PackedGraphs, numbers: np.ndarray, atom_features: Tensor) -> GraphBatch:
    """Lay the graphs with these `numbers` end to end.

    Parameters
    ----------
    graphs : PackedGraphs
    numbers : ndarray of int, shape (G,)
        Repeats are allowed.
    atom_features : Tensor, shape (T, D)
        ``graphs.atom_features`` as a tensor, shared by all batches.
    """
    atoms, atom_offsets = _gather_ranges(graphs.atom_offsets, numbers)
    bonds, bond_offsets = _gather_ranges(graphs.bond_offsets, numbers)
    first_atoms = np.repeat(atom_offsets[:-1], np.diff(bond_offsets))
    begins, ends = graphs.bonds[bonds].T + first_atoms
    loops = np.arange(len(atoms))
    sources = np.concatenate([begins, ends, loops])
    targets = np.concatenate([ends, begins, loops])
    return GraphBatch(
        atom_features=atom_features,
        atom_types=torch.from_numpy(graphs.atom_types[atoms].astype(np.int64)),
        neighbours=torch.from_numpy(sources[np.argsort(targets, kind="stable")]),
        neighbour_offsets=torch.from_numpy(_offsets(np.bincount(targets, minlength=len(atoms)))),
        atom_offsets=torch.from_numpy(atom_offsets),
    )


def _gather_ranges(offsets: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions ``offsets[n]:offsets[n + 1]`` of each number in turn, and the offsets in these."""
    starts = offsets[numbers]
    new_offsets = _offsets(offsets[numbers + 1] - starts)
    shifts = np.repeat(starts - new_offsets[:-1], np.diff(new_offsets))
    return np.arange(new_offsets[-1]) + shifts, new_offsets


def _offsets(counts: np.ndarray) -> np.ndarray:
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _owners(offsets: Tensor, total: int) -> Tensor:
    """Which of the ranges between `offsets` each of the `total` positions lies in."""
    numbers = torch.arange(len(offsets) - 1, device=offsets.device)
    return torch.repeat_interleave(numbers, offsets.diff(), output_size=total)


def _to(tensor: Tensor, device: Device, dtype: torch.dtype | None) -> Tensor:
    return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)
