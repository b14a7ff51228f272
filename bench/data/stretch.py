"""Many batches of graphs as one, laid end to end, and one of them cut into batches again.

What is done for a whole stretch of batches at once costs a device as few launches as it costs for
one batch, and the host waits for nothing whose size it knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from bench.data.adjacency import offsets_of
from bench.data.batch import GraphBatch, owners_of


def send(arrays: Sequence[np.ndarray], device: torch.device) -> list[Tensor]:
    """`arrays` of whole numbers as int64 on `device`, flat, in one copy."""
    flat = np.concatenate([array.reshape(-1) for array in arrays], dtype=np.int64)
    return list(torch.from_numpy(flat).to(device).split([array.size for array in arrays]))


def end_to_end(parts: Sequence[GraphBatch]) -> GraphBatch:
    """The graphs of all `parts`, which share their distinct feature vectors.

    One copy of sizes to the device, and no wait. Of no parts, a batch without graphs on the CPU.
    Fingerprints, long vectors, are left out.
    """
    if not parts:
        none = torch.empty(0, dtype=torch.int64)
        return GraphBatch(
            torch.empty(0, 0), none, none.new_zeros(1), none.view(0, 2), torch.empty(0, 0), none
        )
    counts = np.array([(part.num_graphs, part.num_atoms, len(part.bonds)) for part in parts])
    cuts = np.stack([offsets_of(column) for column in counts.T])
    graphs, atoms, bonds = send([cuts], parts[0].atom_types.device)[0].view(3, -1)
    num_graphs, _, num_bonds = cuts[:, -1].tolist()
    ends = torch.cat([part.atom_offsets[1:] for part in parts])
    ends = ends + atoms[owners_of(graphs, num_graphs)]
    within = torch.cat([part.bonds for part in parts])
    return GraphBatch(
        atom_features=parts[0].atom_features,
        atom_types=torch.cat([part.atom_types for part in parts]),
        atom_offsets=torch.cat([ends.new_zeros(1), ends]),
        bonds=within + atoms[owners_of(bonds, num_bonds), None],
        bond_features=parts[0].bond_features,
        bond_types=torch.cat([part.bond_types for part in parts]),
    )


def cut(graphs: GraphBatch, counts: Sequence[int]) -> Iterator[GraphBatch]:
    """Batches of so many graphs each, in order; the inverse of :func:`end_to_end`.

    Bonds must stand in the order of their batches. The host waits once, for the sizes.
    """
    (firsts,) = send([offsets_of(counts)], graphs.atom_types.device)
    atoms = graphs.atom_offsets[firsts]
    batch_of_bond = torch.bucketize(graphs.bonds[:, 0].contiguous(), atoms[1:-1], right=True)
    bonds = torch.searchsorted(batch_of_bond, torch.arange(len(firsts), device=firsts.device))
    cuts = torch.stack([firsts, atoms, bonds, graphs.neighbour_offsets[atoms]])
    return cut_at(graphs, cuts.cpu().numpy(), cuts)


def cut_at(graphs: GraphBatch, known: np.ndarray, cuts: Tensor) -> Iterator[GraphBatch]:
    """:func:`cut` where the host knows the sizes: no wait, and no launch for a batch.

    Parameters
    ----------
    graphs : GraphBatch
        G graphs, N atoms, E bonds and A entries of neighbour lists.
    known : ndarray of int64, shape (4, B + 1)
        Where the B batches begin and end among graphs, atoms, bonds and entries.
    cuts : Tensor of int64, shape (4, B + 1)
        The same on the device of the graphs.

    Yields
    ------
    GraphBatch
        Its tensors are views, and it knows its neighbours.
    """
    first_graph, first_atom, first_bond, first_entry = cuts
    num_graphs, num_atoms, num_bonds, num_entries = known[:, -1].tolist()
    batch = torch.arange(cuts.shape[1], device=cuts.device)

    def numbered_anew(offsets: Tensor, firsts: Tensor, shifts: Tensor, total: int) -> Tensor:
        # Where a batch ends the next begins: of B batches each has one offset more than ranges.
        owners = owners_of(firsts + batch, total + len(batch) - 1)
        places = torch.arange(len(owners), device=cuts.device) - owners
        return offsets[places] - shifts[owners]

    graph_index = graphs.graph_index - first_graph[owners_of(first_atom, num_atoms)]
    bonds = graphs.bonds - first_atom[owners_of(first_bond, num_bonds), None]
    neighbours = graphs.neighbours - first_atom[owners_of(first_entry, num_entries)]
    atom_offsets = numbered_anew(graphs.atom_offsets, first_graph, first_atom, num_graphs)
    list_offsets = numbered_anew(graphs.neighbour_offsets, first_atom, first_entry, num_atoms)
    for number, ((g, a, b, e), (g_end, a_end, b_end, e_end)) in enumerate(
        pairwise(known.T.tolist())
    ):
        yield GraphBatch(
            atom_features=graphs.atom_features,
            atom_types=graphs.atom_types[a:a_end],
            atom_offsets=atom_offsets[g + number : g_end + number + 1],
            bonds=bonds[b:b_end],
            bond_features=graphs.bond_features,
            bond_types=graphs.bond_types[b:b_end],
        ).with_lists(
            graph_index[a:a_end],
            neighbours[e:e_end],
            list_offsets[a + number : a_end + number + 1],
        )
