"""Samples as tensors: what encoders read."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from bench.data.adjacency import adjacency
from bench.data.edges import DirectedEdges, directed_edges
from bench.errors import HiddenLabelsError

Device = torch.device | str | None
_T = TypeVar("_T", bound="_Tensors")


class _Tensors:
    """Base of frozen dataclasses of which every field is a tensor, or None."""

    def to(self: _T, device: Device = None, dtype: torch.dtype | None = None) -> _T:
        """The same values on `device`; floating-point tensors become `dtype`."""
        return replace(  # type: ignore[type-var]
            self,
            **{
                item.name: _to(value, device, dtype)
                for item in fields(self)  # type: ignore[arg-type]
                if item.init and (value := getattr(self, item.name)) is not None
            },
        )


@dataclass(frozen=True)
class LevelBatch:
    """The R environments of k hops in a batch, in terms of the S of k - 1 hops.

    Attributes
    ----------
    counts : Tensor of int32, shape (R,)
        Atoms of the batch that have each.
    centres : Tensor of int32, shape (R,)
        The atom's own environment of k - 1 hops.
    neighbours : Tensor of int32, shape (A,)
        Those of its neighbours and itself: ``neighbours[offsets[r]:offsets[r + 1]]``.
    offsets : Tensor of int32, shape (R + 1,)
    """

    counts: Tensor
    centres: Tensor
    neighbours: Tensor
    offsets: Tensor


@dataclass(frozen=True)
class EnvironmentBatch:
    """The distinct environments of a batch's atoms, see :mod:`bench.data.environments`.

    Attributes
    ----------
    types : Tensor of int32, shape (S,)
        The atom types that occur: environments of no hops.
    levels : tuple of LevelBatch
        For 1 hop, 2 hops and so on.
    rows : Tensor of int32, shape (N,)
        Environment of each atom on the last level.
    """

    types: Tensor
    levels: tuple[LevelBatch, ...]
    rows: Tensor


@dataclass(frozen=True)
class GraphBatch(_Tensors):
    """G molecular graphs end to end: N atoms, E bonds, T and U distinct features of these.

    Attributes
    ----------
    atom_features : Tensor, shape (T, D)
        The distinct atom feature vectors.
    atom_types : Tensor of int64, shape (N,)
        Row of `atom_features` for each atom.
    atom_offsets : Tensor of int64, shape (G + 1,)
        Atoms of graph g are ``atom_offsets[g]:atom_offsets[g + 1]``.
    bonds : Tensor of int64, shape (E, 2)
        Both ends of each bond, each bond once; self loops are not stored.
    bond_features : Tensor, shape (U, 12)
        The distinct bond feature vectors, see :mod:`bench.data.bond_features`.
    bond_types : Tensor of int64, shape (E,)
        Row of `bond_features` for each bond.
    fingerprints : Tensor, shape (G, bits), or None
        How often each circular fragment stands in each molecule, where the encoder reads it, see
        :func:`bench.data.morgan.morgan_counts`. Of an edited graph, that of its molecule.

    Notes
    -----
    `atom_features` and `bond_features` are shared by all batches of a collator and must not be
    written to.

    Raises
    ------
    ValueError
        There is not one type a bond.
    """

    atom_features: Tensor
    atom_types: Tensor
    atom_offsets: Tensor
    bonds: Tensor
    bond_features: Tensor
    bond_types: Tensor
    fingerprints: Tensor | None = None
    _environments: EnvironmentBatch | None = field(default=None, init=False, repr=False)
    _versions: tuple[int, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        # What edits bonds and forgets their types would give bonds the features of others.
        if len(self.bond_types) != len(self.bonds):
            raise ValueError(
                f"Expected a type of each of {len(self.bonds)} bonds, but got "
                f"{len(self.bond_types)} types. Change `bond_types` along with `bonds`."
            )

    @property
    def environments(self) -> EnvironmentBatch | None:
        """The distinct environments of the atoms, for encoders that compute equal atoms once.

        On the CPU only, where arithmetic is what costs; elsewhere None.
        They describe the graphs as they were made. ``dataclasses.replace`` drops them, and so
        does writing to one of the tensors, so that what edits a graph need not know of them.
        """
        return self._environments if self._versions == self._now() else None

    def with_environments(self, environments: EnvironmentBatch | None) -> GraphBatch:
        """The same graphs with the environments of their atoms."""
        copied = replace(self)
        object.__setattr__(copied, "_environments", environments)
        object.__setattr__(copied, "_versions", copied._now())
        return copied

    def with_lists(
        self, graph_index: Tensor, neighbours: Tensor, neighbour_offsets: Tensor
    ) -> GraphBatch:
        """The same graphs, where these properties are known already; they are not looked for."""
        copied = replace(self)
        # Under the names of the cached properties.
        vars(copied).update(graph_index=graph_index, _adjacency=(neighbours, neighbour_offsets))
        return copied

    def with_fingerprints(self, fingerprints: Tensor | None) -> GraphBatch:
        """The same graphs, and what is known of them, with these fingerprints."""
        copied = copy(self)
        object.__setattr__(copied, "fingerprints", fingerprints)
        return copied

    def _now(self) -> tuple[int, ...]:
        """How often each tensor was written to so far."""
        edited = (self.atom_types, self.atom_offsets, self.bonds)
        return tuple(tensor._version for tensor in edited)

    def to(self, device: Device = None, dtype: torch.dtype | None = None) -> GraphBatch:
        """The same graphs on `device`; floating-point tensors become `dtype`.

        Environments stay behind when the device is not the CPU.
        """
        moved = super().to(device, dtype)
        stays = moved.atom_types.device.type == "cpu"
        return moved.with_environments(self.environments) if stays else moved

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

    @cached_property
    def graph_index(self) -> Tensor:
        """Graph of each atom, shape (N,)."""
        return owners_of(self.atom_offsets, self.num_atoms)

    @property
    def neighbours(self) -> Tensor:
        """Neighbours of all atoms, each its own neighbour, too; shape (2E + N,).

        Those of atom i are ``neighbours[neighbour_offsets[i]:neighbour_offsets[i + 1]]``.
        """
        return self._adjacency[0]

    @property
    def neighbour_offsets(self) -> Tensor:
        """Where in `neighbours` those of each atom begin and end, shape (N + 1,)."""
        return self._adjacency[1]

    @property
    def edges(self) -> tuple[Tensor, Tensor]:
        """Sources and targets of all directed edges, self loops included, (2E + N,) each."""
        return self.neighbours, owners_of(self.neighbour_offsets, len(self.neighbours))

    @cached_property
    def directed(self) -> DirectedEdges:
        """Every bond in both directions, for encoders that read bonds."""
        return directed_edges(self.bonds, self.bond_types, self.num_atoms)

    @cached_property
    def _adjacency(self) -> tuple[Tensor, Tensor]:
        # Only encoders and augmentations that look at single atoms need it.
        if self.bonds.device.type != "cpu":
            return sorted_adjacency(self.bonds, self.num_atoms)
        neighbours, offsets = adjacency(self.bonds.numpy(), self.num_atoms)
        return torch.from_numpy(neighbours).long(), torch.from_numpy(offsets).long()


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
    known_labels : Tensor of int64, shape (B,), or None
        None where the batch is to be predicted; read as `labels`.
    positions : Tensor of int64, shape (B,)
        Positions of the samples in the prepared data.
    views : tuple of Batch
        Variations of the samples, where a method made them before its step, see
        ``Method.prepare_epoch``.
    """

    inputs: Mapping[str, GraphBatch | ValueBatch]
    known_labels: Tensor | None
    positions: Tensor
    views: tuple[Batch, ...] = ()

    @property
    def labels(self) -> Tensor:
        """Labels of a training batch, int64, (B,).

        Raises
        ------
        HiddenLabelsError
            The batch is to be predicted.
        """
        if self.known_labels is None:
            raise HiddenLabelsError(
                "Expected predictions from the inputs of a batch alone, but `batch.labels` was "
                "read where a batch has none: in predict, adjust_logits or a network's forward. "
                "Labels are in the batches of training_step; those of the validation set are "
                "in self.context.view.labels('valid')."
            )
        return self.known_labels

    def without_labels(self) -> Batch:
        """The same samples, to be predicted."""
        return replace(self, known_labels=None)

    def __len__(self) -> int:
        return len(self.positions)

    def to(self, device: Device = None, dtype: torch.dtype | None = None) -> Batch:
        """The same samples on `device`; floating-point tensors become `dtype`."""
        return Batch(
            {kind: value.to(device, dtype) for kind, value in self.inputs.items()},
            None if self.known_labels is None else _to(self.known_labels, device, None),
            _to(self.positions, device, None),
            tuple(view.to(device, dtype) for view in self.views),
        )


def sorted_adjacency(bonds: Tensor, num_atoms: int) -> tuple[Tensor, Tensor]:
    """:func:`~bench.data.adjacency.adjacency` by one sort where the bonds are, without a wait.

    In int64. Each bond must stand once.
    """
    atoms = torch.arange(num_atoms + 1, device=bonds.device)
    begins, ends = bonds.unbind(1)
    targets = torch.cat([begins, ends, atoms[:-1]])
    sources = torch.cat([ends, begins, atoms[:-1]])
    keys = (targets * num_atoms + sources).sort().values
    return keys % max(num_atoms, 1), torch.searchsorted(keys, atoms * num_atoms)


def owners_of(offsets: Tensor, total: int) -> Tensor:
    """Which of the ranges between `offsets` each of the `total` positions lies in."""
    numbers = torch.arange(len(offsets) - 1, device=offsets.device)
    return torch.repeat_interleave(numbers, offsets.diff(), output_size=total)


def _to(tensor: Tensor, device: Device, dtype: torch.dtype | None) -> Tensor:
    return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)
