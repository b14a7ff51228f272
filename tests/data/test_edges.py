from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.edges import DirectedEdges, by_one_sort, directed_edges

NAMES = ("sources", "targets", "types", "reverse", "offsets")


def random_bonds(seed: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Bonds in any order, either end first, their types and the number of atoms."""
    rng = np.random.default_rng(seed)
    atoms = int(rng.integers(0, 12))
    pairs = np.argwhere(np.triu(rng.random((atoms, atoms)) < rng.random(), k=1))
    rng.shuffle(pairs)
    turned = rng.random(len(pairs)) < 0.5
    pairs[turned] = pairs[turned, ::-1]
    types = rng.integers(0, 5, len(pairs))
    return torch.from_numpy(pairs).long(), torch.from_numpy(types).long(), atoms


def asked_one_by_one(bonds, types, atoms) -> DirectedEdges:
    edges = []
    for (one, other), kind in zip(bonds.tolist(), types.tolist(), strict=True):
        edges += [(other, one, kind), (one, other, kind)]
    edges.sort()
    places = {(target, source): place for place, (target, source, _) in enumerate(edges)}
    lists = (
        [source for _, source, _ in edges],
        [target for target, _, _ in edges],
        [kind for _, _, kind in edges],
        [places[source, target] for target, source, _ in edges],
        [sum(target < atom for target, _, _ in edges) for atom in range(atoms + 1)],
    )
    return DirectedEdges(*(torch.tensor(values, dtype=torch.int64) for values in lists))


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([directed_edges, by_one_sort]))
def test_both_directions_are_sorted_by_target_and_source(seed, find):
    bonds = random_bonds(seed)
    found, expected = find(*bonds), asked_one_by_one(*bonds)
    assert len(found) == 2 * len(bonds[0])
    for name in NAMES:
        got = getattr(found, name)
        assert got.dtype == torch.int64, name
        assert torch.equal(got, getattr(expected, name)), name


@pytest.mark.parametrize("find", [directed_edges, by_one_sort])
def test_a_worked_example(find):
    # A chain 2 - 0 - 1.
    found = find(torch.tensor([[0, 1], [2, 0]]), torch.tensor([7, 8]), 3)
    assert found.targets.tolist() == [0, 0, 1, 2]
    assert found.sources.tolist() == [1, 2, 0, 0]
    assert found.types.tolist() == [7, 8, 7, 8]
    assert found.reverse.tolist() == [2, 3, 0, 1]
    assert found.offsets.tolist() == [0, 2, 3, 4]


@pytest.mark.parametrize("bond", [(0, 3), (-1, 0)])
def test_bonds_that_lead_out_of_the_batch_are_refused(bond):
    with pytest.raises(IndexError, match="between atoms of the batch"):
        directed_edges(torch.tensor([bond]), torch.tensor([0]), 3)


def test_off_the_cpu_they_are_found_where_the_bonds_are():
    bonds, types, atoms = random_bonds(3)
    found = directed_edges(bonds.to("meta"), types.to("meta"), atoms)
    assert all(getattr(found, name).is_meta for name in NAMES)
    assert found.sources.shape == (2 * len(bonds),)
