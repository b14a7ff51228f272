"""Bonds in both directions, as encoders read them that send messages along bonds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.data.compiled import compiled


@dataclass(frozen=True)
class DirectedEdges:
    """The 2E directed edges of E bonds, without self loops; all int64.

    Attributes
    ----------
    sources, targets : Tensor, shape (2E,)
        Ends of each edge, sorted by target and then by source.
    types : Tensor, shape (2E,)
        Row of the batch's `bond_features` for each.
    reverse : Tensor, shape (2E,)
        Edge ``reverse[e]`` runs the other way.
    offsets : Tensor, shape (N + 1,)
        The edges into atom i are ``offsets[i]:offsets[i + 1]``; those out of it are
        ``reverse[offsets[i]:offsets[i + 1]]``.
    """

    sources: Tensor
    targets: Tensor
    types: Tensor
    reverse: Tensor
    offsets: Tensor

    def __len__(self) -> int:
        return len(self.sources)


def directed_edges(bonds: Tensor, bond_types: Tensor, num_atoms: int) -> DirectedEdges:
    """Both directions of each of E `bonds`, where these are, and without a wait.

    Parameters
    ----------
    bonds : Tensor of int64, shape (E, 2)
        Both ends of each bond, each bond once.
    bond_types : Tensor of int64, shape (E,)
    num_atoms : int
        N.
    """
    if bonds.device.type == "cpu":
        arrays = _sorted(bonds.numpy(), bond_types.numpy(), num_atoms)
        return DirectedEdges(*map(torch.from_numpy, arrays))
    return by_one_sort(bonds, bond_types, num_atoms)


def by_one_sort(bonds: Tensor, bond_types: Tensor, num_atoms: int) -> DirectedEdges:
    """:func:`directed_edges` by array operations, for any device."""
    atoms = torch.arange(num_atoms + 1, device=bonds.device)
    begins, ends = bonds.unbind(1)
    keys, order = (torch.cat([ends, begins]) * num_atoms + torch.cat([begins, ends])).sort()
    edges = torch.arange(len(order), device=bonds.device)
    places = torch.empty_like(order).scatter_(0, order, edges)
    width = max(num_atoms, 1)
    return DirectedEdges(
        sources=keys % width,
        targets=torch.div(keys, width, rounding_mode="floor"),
        types=torch.cat([bond_types, bond_types])[order],
        # The first E are one direction of the bonds, the last E the other.
        reverse=places.roll(len(bonds))[order],
        offsets=torch.searchsorted(keys, atoms * num_atoms),
    )


@compiled
def _sorted(
    bonds: np.ndarray, bond_types: np.ndarray, num_atoms: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What :class:`DirectedEdges` holds, by counting.

    Raises
    ------
    IndexError
        A bond has an end that is no atom.
    """
    offsets = np.zeros(num_atoms + 1, np.int64)
    for bond in range(len(bonds)):
        one, other = bonds[bond, 0], bonds[bond, 1]
        if min(one, other) < 0 or max(one, other) >= num_atoms:
            raise IndexError("Expected bonds between atoms of the batch, but one leads out of it.")
        offsets[one + 1] += 1
        offsets[other + 1] += 1
    for atom in range(num_atoms):
        offsets[atom + 1] += offsets[atom]
    # As many edges leave an atom as reach it. Edge 2b leaves the first end of bond b, 2b + 1 the
    # other. Grouped by source first, they come to each target by rising source.
    grouped, ends = np.empty(offsets[-1], np.int64), offsets[:-1].copy()
    for edge in range(len(grouped)):
        source = bonds[edge >> 1, edge & 1]
        grouped[ends[source]] = edge
        ends[source] += 1
    sources, targets = np.empty_like(grouped), np.empty_like(grouped)
    types, places, ends = np.empty_like(grouped), np.empty_like(grouped), offsets[:-1].copy()
    for edge in grouped:
        bond, side = edge >> 1, edge & 1
        target = bonds[bond, 1 - side]
        place = ends[target]
        ends[target] += 1
        sources[place], targets[place] = bonds[bond, side], target
        types[place], places[edge] = bond_types[bond], place
    reverse = np.empty_like(grouped)
    for edge in range(len(grouped)):
        reverse[places[edge]] = places[edge ^ 1]
    return sources, targets, types, reverse, offsets
