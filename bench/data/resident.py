"""A data set that lives on a device other than the CPU, and whole epochs laid out there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from bench.data.adjacency import offsets_of
from bench.data.batch import Batch, GraphBatch, ValueBatch, owners_of
from bench.data.morgan import SparseRows
from bench.data.packed import PackedGraphs
from bench.data.prepared import HIDDEN
from bench.data.stretch import cut_at, send

# An epoch is laid out in pieces of about this many bytes; an epoch of `uspto_50k` is one.
STRETCH_BYTES = 1 << 30
# Of an atom, a bond and an entry of a neighbour list while they are laid out.
_BYTES = np.array([72, 64, 48])


class ResidentGraphs:
    """All graphs of a data set on a device.

    Parameters
    ----------
    graphs : PackedGraphs
    atom_features : Tensor, shape (T, D)
        The distinct atom feature vectors; where they are, the graphs will be.
    bond_features : Tensor, shape (U, F)
        The distinct bond feature vectors.
    fingerprints : SparseRows, optional
        One a graph, where encoders read them.
    """

    def __init__(
        self,
        graphs: PackedGraphs,
        atom_features: Tensor,
        bond_features: Tensor,
        fingerprints: SparseRows | None = None,
    ) -> None:
        atoms, bonds = np.diff(graphs.atom_offsets), np.diff(graphs.bond_offsets)
        # Of each graph; the host reads sizes from it.
        self._sizes = np.stack([atoms, bonds, atoms + 2 * bonds], axis=1)
        self._atom_features, self._bond_features = atom_features, bond_features
        self._atom_types, ends, self._atom_offsets, self._bond_offsets, self._bond_types = send(
            [
                graphs.atom_types,
                graphs.bonds,
                graphs.atom_offsets,
                graphs.bond_offsets,
                graphs.bond_types,
            ],
            atom_features.device,
        )
        # Bonds and neighbours are counted from the first atom of their graph.
        self._bonds = ends.view(-1, 2)
        owners = owners_of(self._bond_offsets, len(self._bonds))
        whole = GraphBatch(
            atom_features,
            self._atom_types,
            self._atom_offsets,
            self._bonds + self._atom_offsets[owners, None],
            bond_features,
            self._bond_types,
        )
        self._list_offsets = whole.neighbour_offsets[self._atom_offsets]
        owners = owners_of(self._list_offsets, len(whole.neighbours))
        self._neighbours = whole.neighbours - self._atom_offsets[owners]
        self._list_lengths = whole.neighbour_offsets.diff()

        self._bits = 0
        if fingerprints is not None:
            self._bits, self._entry_counts = fingerprints.width, np.diff(fingerprints.offsets)
            self._entry_offsets, self._entry_places, self._entry_values = send(
                [
                    fingerprints.offsets,
                    fingerprints.places,
                    fingerprints.values.astype(np.int64),
                ],
                atom_features.device,
            )

    def sizes(self, numbers: np.ndarray) -> np.ndarray:
        """Atoms, bonds and entries of neighbour lists of the graphs with `numbers` together."""
        sizes: np.ndarray = self._sizes[numbers].sum(axis=0)
        return sizes

    def lay_out(self, numbers: Tensor, atoms: int, bonds: int, entries: int) -> GraphBatch:
        """The graphs with these `numbers`, shape (G,), in that order, of these :meth:`sizes`."""
        atom_places, atom_offsets, graph_index = _ranges(self._atom_offsets, numbers, atoms)
        bond_places, _, graph_of_bond = _ranges(self._bond_offsets, numbers, bonds)
        places, _, graph_of_entry = _ranges(self._list_offsets, numbers, entries)
        return GraphBatch(
            atom_features=self._atom_features,
            atom_types=self._atom_types[atom_places],
            atom_offsets=atom_offsets,
            bonds=self._bonds[bond_places] + atom_offsets[graph_of_bond, None],
            bond_features=self._bond_features,
            bond_types=self._bond_types[bond_places],
        ).with_lists(
            graph_index,
            self._neighbours[places] + atom_offsets[graph_of_entry],
            _offsets(self._list_lengths[atom_places]),
        )

    def fingerprints(self, numbers: np.ndarray, there: Tensor) -> Tensor | None:
        """Fingerprints of the graphs with these `numbers`, which are `there` on the device, too."""
        if not self._bits:
            return None
        entries = int(self._entry_counts[numbers].sum())
        places, _, graphs = _ranges(self._entry_offsets, there, entries)
        found = self._atom_features.new_zeros(len(numbers), self._bits)
        # Each place of a graph occurs once, so nothing is added up and all orders are alike.
        index = graphs * self._bits + self._entry_places[places]
        found.view(-1).scatter_(0, index, self._entry_values[places].to(found.dtype))
        return found


class ResidentData:
    """Turns positions of samples into batches on a device; an epoch takes one copy and no wait.

    Parameters
    ----------
    labels : ndarray of int64, shape (M,)
    indices : mapping of str to list of ndarray, shape (M,) each
        Of each kind, what its entities say of the samples.
    rows : mapping of str to Tensor
        Distinct values of each kind but molecules, on the device.
    graphs : ResidentGraphs
    device : torch.device

    Notes
    -----
    Every tensor is equal to the one that :class:`bench.data.collate.Collator` makes. What is
    distinct in a batch is found on the host, which knows all sizes.
    """

    def __init__(
        self,
        labels: np.ndarray,
        indices: Mapping[str, Sequence[np.ndarray]],
        rows: Mapping[str, Tensor],
        graphs: ResidentGraphs,
        device: torch.device,
    ) -> None:
        self._labels, self._indices, self._rows = labels, indices, rows
        self._graphs, self._device = graphs, device

    def epoch(self, batches: Sequence[np.ndarray]) -> Iterator[Batch]:
        """A batch of the samples at each of these positions, in turn."""
        if not batches:
            return
        if "molecule" not in self._indices:
            yield from self._stretch(batches, np.zeros((len(batches), 3), np.int64))
            return
        sizes = np.array([self._graphs.sizes(self._numbers("molecule", b)) for b in batches])
        sizes = sizes.reshape(-1, 3)
        # A batch belongs to the piece in which it ends.
        pieces = (sizes @ _BYTES).cumsum() // STRETCH_BYTES
        for piece in np.unique(pieces):
            chosen = np.flatnonzero(pieces == piece)
            yield from self._stretch([batches[number] for number in chosen.tolist()], sizes[chosen])

    def _stretch(self, batches: Sequence[np.ndarray], sizes: np.ndarray) -> Iterator[Batch]:
        """Batches of these atoms, bonds and entries, shape (B, 3), laid out together."""
        kinds = {kind: [self._numbers(kind, b) for b in batches] for kind in self._indices}
        molecules = kinds.pop("molecule", [np.empty(0, np.int64)] * len(batches))
        graph_counts = [len(numbers) for numbers in molecules]
        known = np.stack([offsets_of(column) for column in (graph_counts, *sizes.T)])
        distinct = {
            kind: [np.unique(numbers, return_inverse=True) for numbers in of_batches]
            for kind, of_batches in kinds.items()
        }
        labels = [self._labels[batch] for batch in batches]
        arrays = [np.concatenate(molecules), known, *batches, *labels]
        arrays += [array for pairs in distinct.values() for pair in pairs for array in pair]
        numbers, cuts, *sent = send(arrays, self._device)
        parts = iter(sent)
        positions, labels_there = ([next(parts) for _ in batches] for _ in range(2))
        values = {kind: [(next(parts), next(parts)) for _ in batches] for kind in distinct}
        numbers_there = numbers.split(graph_counts)
        graphs: Iterator[GraphBatch] = iter(())
        if "molecule" in self._indices:
            whole = self._graphs.lay_out(numbers, *known[1:, -1].tolist())
            graphs = cut_at(whole, known, cuts.view(4, -1))
        for number in range(len(batches)):
            inputs: dict[str, GraphBatch | ValueBatch] = {}
            for kind in self._indices:
                if kind == "molecule":
                    inputs[kind] = next(graphs).with_fingerprints(
                        self._graphs.fingerprints(molecules[number], numbers_there[number])
                    )
                else:
                    chosen, index = values[kind][number]
                    inputs[kind] = ValueBatch(self._rows[kind].index_select(0, chosen), index)
            hidden = (labels[number] == HIDDEN).any()
            yield Batch(inputs, None if hidden else labels_there[number], positions[number])

    def _numbers(self, kind: str, positions: np.ndarray) -> np.ndarray:
        return np.concatenate([index[positions] for index in self._indices[kind]])


def _ranges(offsets: Tensor, numbers: Tensor, total: int) -> tuple[Tensor, Tensor, Tensor]:
    """Positions ``offsets[n]:offsets[n + 1]`` of each number in turn, `total` of them.

    Returns
    -------
    places : Tensor, shape (total,)
    new_offsets : Tensor, shape (len(numbers) + 1,)
        Where those of each number begin and end among them.
    owners : Tensor, shape (total,)
        Whose each is, from 0 to ``len(numbers) - 1``.
    """
    starts = offsets[numbers]
    new_offsets = _offsets(offsets[numbers + 1] - starts)
    owners = owners_of(new_offsets, total)
    places = torch.arange(total, device=numbers.device) + (starts - new_offsets[:-1])[owners]
    return places, new_offsets, owners


def _offsets(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
