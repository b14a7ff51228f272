"""From positions of samples to batches, out of the packed arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from bench.data.batch import Batch, EnvironmentBatch, GraphBatch, LevelBatch, ValueBatch
from bench.data.compiled import compiled
from bench.data.morgan import RADIUS, SparseRows, rows_of_data
from bench.data.packed import PackedGraphs
from bench.data.prepared import HIDDEN, PreparedData
from bench.data.refinement import refine
from bench.data.resident import ResidentData, ResidentGraphs
from bench.data.selection import EnvironmentIndex, Selection
from bench.errors import HiddenLabelsError


class Collator:
    """Turns positions of samples into a :class:`Batch`.

    Parameters
    ----------
    prepared : PreparedData
        Its arrays may be memory-mapped; only what a batch needs is read.
    protein_rows : ndarray, shape (len(prepared.proteins), ...), optional
        The distinct proteins as their encoder reads them (``ProteinBackbone.tokenise``).
    device : torch.device, optional
        Where the distinct feature vectors, proteins and categories are held, so that moving a
        batch there moves its numbers alone; batches of :meth:`epoch` are there.
    dtype : torch.dtype, optional
        Of what encoders read as real numbers; as it is in the data when None.
    by_environment : bool
        Whether batches carry environments, where the data has them: for encoders that compute
        equal atoms once.
    fingerprint_bits : int
        Length of the fingerprints of molecules that batches carry; 0 for none.

    Raises
    ------
    ValueError
        The data has proteins, but `protein_rows` is missing or of another length.
    """

    def __init__(
        self,
        prepared: PreparedData,
        protein_rows: np.ndarray | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        *,
        by_environment: bool = True,
        fingerprint_bits: int = 0,
    ) -> None:
        self._labels = np.asarray(prepared.labels)
        self._device = torch.device("cpu") if device is None else device
        graphs = prepared.graphs
        self._graphs = GraphCollator(
            graphs if by_environment else replace(graphs, environments=None),
            device,
            dtype,
            rows_of_data(prepared, RADIUS, fingerprint_bits) if fingerprint_bits else None,
        )
        self._indices: dict[str, list[np.ndarray]] = {}
        for entity in prepared.entities:
            self._indices.setdefault(entity.kind, []).append(entity.index)
        self._rows = {"category": torch.arange(len(prepared.categories), device=device)}
        if "protein" in self._indices:
            expected = len(prepared.proteins)
            if protein_rows is None or len(protein_rows) != expected:
                got = "none" if protein_rows is None else len(protein_rows)
                raise ValueError(
                    f"Expected {expected} protein rows for {prepared.name}, but got {got}. "
                    "Pass the encoder's tokenise(prepared.proteins)."
                )
            rows = torch.from_numpy(protein_rows)
            real = rows.is_floating_point()
            self._rows["protein"] = rows.to(device=device, dtype=dtype if real else None)

    def __call__(self, positions: np.ndarray) -> Batch:
        """The samples at `positions`, shape (B,), in that order; repeats are allowed.

        Without labels, where the data does not know them all.
        """
        labels = self._labels[positions]
        inputs: dict[str, GraphBatch | ValueBatch] = {}
        for kind, indices in self._indices.items():
            numbers = np.concatenate([index[positions] for index in indices])
            if kind == "molecule":
                inputs[kind] = self._graphs(numbers)
            else:
                distinct, index = np.unique(numbers, return_inverse=True)
                rows = self._rows[kind]
                chosen = torch.from_numpy(distinct).to(rows.device)
                inputs[kind] = ValueBatch(rows.index_select(0, chosen), torch.from_numpy(index))
        return Batch(
            inputs,
            None if (labels == HIDDEN).any() else torch.from_numpy(labels),
            torch.from_numpy(np.array(positions, dtype=np.int64)),
        )

    def epoch(self, batches: Sequence[np.ndarray]) -> Iterator[Batch]:
        """A batch of the samples at each of these positions in turn, on the collator's device.

        On the CPU they are made one by one. Elsewhere all of them are laid out on the device, out
        of the whole data set, which is held there: one copy, and the host waits for nothing.
        """
        if self._device.type == "cpu":
            return map(self, batches)
        return self.resident.epoch(batches)

    @cached_property
    def resident(self) -> ResidentData:
        """The data on the collator's device, made when it is first asked for."""
        graphs = self._graphs.resident()
        return ResidentData(self._labels, self._indices, self._rows, graphs, self._device)

    def labels_of(self, positions: np.ndarray) -> np.ndarray:
        """Labels of the samples at `positions`, int64, (n,).

        Raises
        ------
        HiddenLabelsError
            The data does not know them all.
        """
        labels = self._labels[positions]
        if hidden := np.count_nonzero(labels == HIDDEN):
            raise HiddenLabelsError(
                "Expected to be asked for labels of the training and the validation set only, "
                f"but got {hidden} positions of other samples. Those of the test set are for "
                "scoring alone."
            )
        return labels


class GraphCollator:
    """Lays chosen graphs end to end.

    Parameters
    ----------
    graphs : PackedGraphs
        With environments where encoders shall compute equal atoms once.
    device, dtype : optional
        Where and as what the distinct feature vectors are held.
    fingerprints : SparseRows, optional
        One a graph, where encoders read them.
    """

    def __init__(
        self,
        graphs: PackedGraphs,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        fingerprints: SparseRows | None = None,
    ) -> None:
        self._graphs, self._dtype, self._fingerprints = graphs, dtype, fingerprints
        self._atom_features = torch.from_numpy(np.array(graphs.atom_features)).to(device, dtype)
        self._bond_features = torch.from_numpy(np.array(graphs.bond_features)).to(device, dtype)
        self._index = (
            None
            if graphs.environments is None or self._atom_features.device.type != "cpu"
            else EnvironmentIndex(graphs.environments, len(graphs.atom_features))
        )

    def __call__(self, numbers: np.ndarray) -> GraphBatch:
        """The graphs with these `numbers`, shape (G,), in that order; repeats are allowed."""
        graphs = self._graphs
        atoms, atom_types, atom_offsets, bonds, bond_types = _end_to_end(
            numbers.astype(np.int64, copy=False),
            graphs.atom_types,
            graphs.atom_offsets,
            graphs.bonds,
            graphs.bond_offsets,
            graphs.bond_types,
        )
        batch = GraphBatch(
            atom_features=self._atom_features,
            atom_types=torch.from_numpy(atom_types),
            atom_offsets=torch.from_numpy(atom_offsets),
            bonds=torch.from_numpy(bonds),
            bond_features=self._bond_features,
            bond_types=torch.from_numpy(bond_types),
            fingerprints=self._fingerprints_of(numbers),
        )
        if self._index is None:
            return batch
        return batch.with_environments(_as_tensors(self._index.select(atoms)))

    def resident(self) -> ResidentGraphs:
        """All graphs, where the feature vectors are held."""
        return ResidentGraphs(
            self._graphs, self._atom_features, self._bond_features, self._fingerprints
        )

    def _fingerprints_of(self, numbers: np.ndarray) -> Tensor | None:
        if self._fingerprints is None:
            return None
        return torch.from_numpy(self._fingerprints.dense(numbers)).to(dtype=self._dtype)


@compiled
def _end_to_end(
    numbers: np.ndarray,
    atom_types: np.ndarray,
    atom_offsets: np.ndarray,
    bonds: np.ndarray,
    bond_offsets: np.ndarray,
    bond_types: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions, types and offsets of atoms of the graphs with `numbers`; bonds, their types."""
    graphs = len(numbers)
    new_offsets = np.zeros(graphs + 1, np.int64)
    num_bonds = 0
    for graph in range(graphs):
        number = numbers[graph]
        new_offsets[graph + 1] = (
            new_offsets[graph] + atom_offsets[number + 1] - atom_offsets[number]
        )
        num_bonds += bond_offsets[number + 1] - bond_offsets[number]
    atoms = np.empty(new_offsets[-1], np.int64)
    new_types = np.empty(new_offsets[-1], np.int64)
    new_bonds = np.empty((num_bonds, 2), np.int64)
    new_bond_types = np.empty(num_bonds, np.int64)
    place = 0
    for graph in range(graphs):
        number, first, last = numbers[graph], new_offsets[graph], new_offsets[graph + 1]
        source = atom_offsets[number]
        # Slices, of which the compiler knows that no index is negative.
        own_atoms, own_types = atoms[first:last], new_types[first:last]
        types = atom_types[source : source + last - first]
        for atom in range(len(own_atoms)):
            own_atoms[atom] = source + atom
        for atom in range(len(own_types)):
            own_types[atom] = types[atom]
        ends = bonds[bond_offsets[number] : bond_offsets[number + 1]]
        own_bonds = new_bonds[place : place + len(ends)]
        for bond in range(len(own_bonds)):
            own_bonds[bond, 0] = ends[bond, 0] + first
            own_bonds[bond, 1] = ends[bond, 1] + first
        types_there = bond_types[bond_offsets[number] : bond_offsets[number + 1]]
        own_bond_types = new_bond_types[place : place + len(ends)]
        for bond in range(len(own_bond_types)):
            own_bond_types[bond] = types_there[bond]
        place += len(ends)
    return atoms, new_types, new_offsets, new_bonds, new_bond_types


def compress(graphs: GraphBatch) -> GraphBatch:
    """`graphs` with the environments of their atoms, looked for in this batch alone.

    For edited graphs, whose environments no data set knows. On other devices than the CPU they
    are not looked for.
    """
    if graphs.atom_types.device.type != "cpu":
        return graphs
    types, bonds = graphs.atom_types.numpy(), graphs.bonds.numpy()
    return graphs.with_environments(_as_tensors(refine(types, bonds, len(graphs.atom_features))))


def _as_tensors(selection: Selection) -> EnvironmentBatch:
    levels = tuple(
        LevelBatch(**{name: torch.from_numpy(array) for name, array in vars(level).items()})
        for level in selection.levels
    )
    return EnvironmentBatch(
        torch.from_numpy(selection.types), levels, torch.from_numpy(selection.rows)
    )
