import heapq
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data.batch import GraphBatch, ValueBatch
from bench.methods.contrastive import _dropping, augmentations
from bench.methods.contrastive.augmentations import (
    drop_atoms,
    drop_bonds_by_degree,
    grow_subgraphs,
    mask_atoms,
    mask_entries,
    perturb_bonds,
)
from bench.methods.contrastive.method import _OF_GRAPHS, vary_together

OF_GRAPHS = [drop_atoms, grow_subgraphs, perturb_bonds, drop_bonds_by_degree, mask_atoms]
OF_ATOMS = [drop_atoms, grow_subgraphs]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def graphs_of(sizes, bonds) -> GraphBatch:
    # Atoms are numbered through all graphs; each has a feature of its own, none has 0.
    total = sum(sizes)
    return GraphBatch(
        atom_features=1.0 + torch.arange(total)[:, None],
        atom_types=torch.arange(total),
        atom_offsets=torch.tensor([0, *np.cumsum(sizes)]),
        bonds=torch.tensor(bonds, dtype=torch.int64).reshape(-1, 2),
        # Each bond has a type of its own, too.
        bond_features=torch.arange(len(bonds))[:, None].float(),
        bond_types=torch.arange(len(bonds)),
        fingerprints=torch.arange(len(sizes))[:, None].float(),
    )


def random_graphs(seed) -> GraphBatch:
    # Up to 12 atoms, some graphs in fragments.
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 13, size=rng.integers(1, 6))
    bonds = []
    for first, size in zip(np.cumsum(sizes) - sizes, sizes, strict=True):
        chosen = rng.random((size, size)) < rng.choice([0.1, 0.3, 0.7])
        bonds += [(first + a, first + b) for a in range(size) for b in range(a) if chosen[a, b]]
    return graphs_of(sizes.tolist(), bonds)


def bond_list(graphs) -> list[tuple[int, int]]:
    return [(a, b) for a, b in torch.stack(graphs.edges).T.tolist() if a < b]


def typed_bonds(graphs) -> dict[frozenset[int], int]:
    """Type of each bond, by the atoms it joins as they were numbered before any were dropped."""
    pairs = graphs.atom_types[graphs.bonds].tolist()
    return dict(zip(map(frozenset, pairs), graphs.bond_types.tolist(), strict=True))


def require_valid(graphs):
    assert graphs.atom_offsets[0] == graphs.neighbour_offsets[0] == 0
    assert graphs.atom_offsets[-1] == graphs.num_atoms
    assert graphs.neighbour_offsets[-1] == len(graphs.neighbours)
    assert (graphs.atom_offsets.diff() >= 1).all()
    edges = torch.stack(graphs.edges).T.tolist()
    assert len({tuple(edge) for edge in edges}) == len(edges)
    assert {(b, a) for a, b in edges} == {(a, b) for a, b in edges}
    assert all((i, i) in {tuple(edge) for edge in edges} for i in range(graphs.num_atoms))
    owners = graphs.graph_index
    assert all(owners[a] == owners[b] for a, b in edges)


def equal(a, b) -> bool:
    same_types = torch.equal(a.directed.types, b.directed.types)
    return (
        same_types
        and torch.equal(a.features, b.features)
        and all(
            torch.equal(getattr(a, name), getattr(b, name))
            for name in ("neighbours", "neighbour_offsets", "atom_offsets")
        )
    )


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6), st.sampled_from(OF_GRAPHS), st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.99])
)
def test_the_result_is_a_valid_batch_and_repeats_with_the_generator(seed, augment, ratio):
    graphs = random_graphs(seed)
    before = {name: value.clone() for name, value in vars(graphs).items()}
    found = augment(graphs, ratio, seeded(seed))
    require_valid(found)
    assert found.num_graphs == graphs.num_graphs
    assert equal(found, augment(graphs, ratio, seeded(seed)))
    assert all(torch.equal(getattr(graphs, name), value) for name, value in before.items())


@pytest.mark.parametrize("augment", OF_GRAPHS)
@pytest.mark.parametrize("seed", range(8))
def test_ratio_0_changes_nothing(augment, seed):
    graphs = random_graphs(seed)
    assert equal(augment(graphs, 0.0, seeded()), graphs)


@pytest.mark.parametrize("augment", OF_GRAPHS)
def test_another_state_of_the_generator_gives_another_variation(augment):
    graphs = graphs_of([20], [(i, i + 1) for i in range(19)] + [(0, 19)])
    generator = seeded()
    first = augment(graphs, 0.4, generator)
    assert not equal(first, augment(graphs, 0.4, generator))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6),
    st.sampled_from([drop_atoms, grow_subgraphs, perturb_bonds, drop_bonds_by_degree]),
    st.sampled_from([0.0, 0.2, 0.5, 0.99]),
    st.booleans(),
)
def test_bonds_that_stay_keep_their_types(seed, augment, ratio, loops):
    graphs = random_graphs(seed)
    with pytest.MonkeyPatch.context() as patch:
        if not loops:
            patch.setattr(_dropping, "in_loops", lambda graphs: False)
        found = augment(graphs, ratio, seeded(seed))
    before, after = typed_bonds(graphs), typed_bonds(found)
    kept = before.keys() & after.keys()
    changed = len(after) - len(kept)
    if augment is perturb_bonds:
        # A removed pair that is drawn again has the type of any removed bond.
        assert all(after[pair] in before.values() for pair in after)
        assert sum(after[pair] != before[pair] for pair in kept) + changed <= int(
            ratio * len(before)
        )
        owners = {bond: graphs.graph_index[ends[0]] for bond, ends in enumerate(graphs.bonds)}
        there = found.graph_index[found.bonds[:, 0]].tolist()
        assert [owners[bond] for bond in found.bond_types.tolist()] == there
    else:
        assert not changed
        assert all(after[pair] == before[pair] for pair in kept)
    assert torch.equal(found.bond_features, graphs.bond_features)


def test_a_joined_pair_takes_over_the_type_of_a_removed_bond():
    # In each graph of three atoms one of two bonds goes; a pair is joined by a bond of its type.
    graphs = graphs_of([3] * 50, [(3 * g + a, 3 * g + a + 1) for g in range(50) for a in range(2)])
    found = perturb_bonds(graphs, 0.5, seeded())
    before, after = typed_bonds(graphs), typed_bonds(found)
    joined = after.keys() - before.keys()
    assert len(joined) > 5
    for pair in joined:
        others = {kind for kind in after.values() if kind // 2 == min(pair) // 3} - {after[pair]}
        assert after[pair] // 2 == min(pair) // 3
        assert after[pair] not in others


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(OF_ATOMS), st.sampled_from([0.1, 0.2, 0.5, 0.99]))
def test_dropping_keeps_the_bonds_among_the_atoms_that_stay(seed, augment, ratio):
    graphs = random_graphs(seed)
    found = augment(graphs, ratio, seeded(seed))
    sizes = graphs.atom_offsets.diff()
    assert found.atom_offsets.diff().tolist() == [n - int(ratio * n) for n in sizes.tolist()]
    # Each atom has a type of its own.
    kept = found.atom_types.tolist()
    assert kept == sorted(set(kept))
    expected = [(a, b) for a, b in bond_list(graphs) if a in kept and b in kept]
    assert [(kept[a], kept[b]) for a, b in bond_list(found)] == expected
    assert (graphs.graph_index[found.atom_types] == found.graph_index).all()


def test_every_atom_is_dropped_as_often():
    graphs = graphs_of([5] * 400, [])
    found = drop_atoms(graphs, 0.4, seeded())
    places = Counter((found.atom_types % 5).tolist())
    # 240 expected, standard deviation under 11.
    assert all(abs(places[place] - 240) < 45 for place in range(5))


def components(size, bonds):
    groups = [{i} for i in range(size)]
    for a, b in bonds:
        one, other = (next(g for g in groups if x in g) for x in (a, b))
        if one is not other:
            groups.remove(other)
            one |= other
    return len(groups)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.2, 0.5, 0.8]))
def test_a_subgraph_of_a_connected_graph_is_connected(seed, ratio):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 14))
    tree = [(int(rng.integers(i)), i) for i in range(1, size)]
    found = grow_subgraphs(graphs_of([size], tree), ratio, seeded(seed))
    assert components(found.num_atoms, bond_list(found)) == 1


def test_a_subgraph_reaches_beyond_the_neighbours_of_its_first_atom():
    path = graphs_of([10], [(i, i + 1) for i in range(9)])
    found = grow_subgraphs(path, 0.2, seeded())
    assert len(bond_list(found)) == 7


def test_other_fragments_come_after_the_one_that_grows():
    # A path of six and two single atoms: six stay.
    graphs = graphs_of([8] * 40, [(8 * g + i, 8 * g + i + 1) for g in range(40) for i in range(5)])
    found = grow_subgraphs(graphs, 0.25, seeded())
    kept = (found.atom_types % 8).reshape(40, 6)
    # Three in four graphs begin on the path and keep all of it, one in 28 if all were as likely.
    whole_path = (kept < 6).all(dim=1)
    assert whole_path.sum() >= 20


def grown_literally(rng, size, bonds, keep):
    piece = [int(rng.integers(size))]
    while len(piece) < keep:
        border = sorted({b for a, b in bonds if a in piece} | {a for a, b in bonds if b in piece})
        border = [atom for atom in border if atom not in piece]
        piece.append(border[int(rng.integers(len(border)))])
    return frozenset(piece)


def test_subgraphs_grow_as_if_each_atom_at_the_border_were_as_likely():
    # A ring of four with a tail of three.
    size, copies = 7, 2000
    bonds = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4), (4, 5), (5, 6)]
    everywhere = [(a + size * g, b + size * g) for g in range(copies) for a, b in bonds]
    found = grow_subgraphs(graphs_of([size] * copies, everywhere), 3 / 7, seeded())
    kept = (found.atom_types % size).reshape(copies, 4).tolist()
    pieces = Counter(frozenset(row) for row in kept)
    rng = np.random.default_rng(0)
    expected = Counter(grown_literally(rng, size, bonds, 4) for _ in range(copies))
    assert set(pieces) == set(expected)
    for piece in expected:
        error = np.sqrt(2 * expected[piece])
        assert abs(pieces[piece] - expected[piece]) < 4.5 * error


def test_perturbing_moves_a_share_of_the_bonds_and_keeps_atoms():
    copies = 400
    star = [sorted((i, (i + 3) % 10)) for i in range(10)]
    bonds = [(a + 10 * g, b + 10 * g) for g in range(copies) for a, b in star]
    graphs = graphs_of([10] * copies, bonds)
    found = perturb_bonds(graphs, 0.3, seeded())
    assert torch.equal(found.atom_types, graphs.atom_types)
    before, after = set(bond_list(graphs)), set(bond_list(found))
    kept = Counter(bond[0] // 10 for bond in before & after)
    joined = Counter(bond[0] // 10 for bond in after - before)
    assert all(7 <= kept[g] <= 10 and joined[g] <= 3 for g in range(copies))
    # Three draws from the 45 pairs, 35 of them new: 2.28 distinct new ones on average.
    new = 35 * (1 - (44 / 45) ** 3)
    assert sum(joined.values()) / copies == pytest.approx(new, abs=0.12)
    # One that went comes back if drawn: 7 + 3 (1 - (44/45)^3).
    assert sum(kept.values()) / copies == pytest.approx(10 - 3 * (44 / 45) ** 3, abs=0.12)


def test_drop_probabilities_follow_the_formula():
    # Stars of four, each with a tail of two bonds at one arm.
    size, copies = 7, 4000
    bonds = [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (5, 6)]
    everywhere = [(a + size * g, b + size * g) for g in range(copies) for a, b in bonds]
    found = drop_bonds_by_degree(graphs_of([size] * copies, everywhere), 0.15, seeded())
    left = Counter((a % size, b % size) for a, b in bond_list(found))
    degrees = {0: 4, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 1}
    importance = {(a, b): (np.log(degrees[a]) + np.log(degrees[b])) / 2 for a, b in bonds}
    highest, mean = max(importance.values()), np.mean(list(importance.values()))
    for bond in bonds:
        dropped = 0.15 * (highest - importance[bond]) / (highest - mean)
        assert 1 - left[bond] / copies == pytest.approx(dropped, abs=0.03)
    # On average p of the bonds go.
    assert 1 - sum(left.values()) / (6 * copies) == pytest.approx(0.15, abs=0.005)


def test_bonds_that_are_alike_go_with_the_same_probability_up_to_the_cap():
    ring = graphs_of([3] * 2000, [(3 * g + a, 3 * g + b) for g in range(2000)
                                  for a, b in ((0, 1), (1, 2), (0, 2))])  # fmt: skip
    for probability, share in ((0.3, 0.3), (0.95, 0.7)):
        left = len(bond_list(drop_bonds_by_degree(ring, probability, seeded()))) / 6000
        assert 1 - left == pytest.approx(share, abs=0.03)


def test_graphs_without_bonds_pass_through():
    graphs = graphs_of([1, 1], [])
    for augment in OF_GRAPHS:
        assert equal(augment(graphs, 0.5, seeded()), graphs)


def test_masked_atoms_have_no_features_and_keep_their_bonds():
    graphs = random_graphs(5)
    found = mask_atoms(graphs, 0.5, seeded())
    assert bond_list(found) == bond_list(graphs)
    masked = found.features[:, 0] == 0
    sizes = graphs.atom_offsets.diff()
    assert torch.bincount(graphs.graph_index[masked], minlength=len(sizes)).tolist() == [
        int(0.5 * n) for n in sizes.tolist()
    ]
    assert torch.equal(found.features[~masked], graphs.features[~masked])


def test_entries_of_floating_point_rows_are_masked():
    values = ValueBatch(torch.ones(50, 200), torch.arange(50))
    found = mask_entries(values, 0.1, seeded())
    assert set(found.rows.unique().tolist()) == {0, 1}
    assert (found.rows == 0).double().mean().item() == pytest.approx(0.1, abs=0.01)
    assert torch.equal(found.index, values.index)
    assert torch.equal(mask_entries(values, 0.0, seeded()).rows, values.rows)


def test_whole_numbers_are_not_masked():
    for rows in (torch.arange(5), torch.arange(50, dtype=torch.int16).reshape(5, 10)):
        values = ValueBatch(rows, torch.arange(5))
        assert mask_entries(values, 0.9, seeded()) is values


def test_global_random_state_is_left_alone():
    before = torch.random.get_rng_state()
    for augment in OF_GRAPHS:
        augment(random_graphs(0), 0.3, seeded())
    assert torch.equal(before, torch.random.get_rng_state())


def by_array_operations(monkeypatch, augment, graphs, ratio, generator) -> GraphBatch:
    with monkeypatch.context() as patch:
        patch.setattr(_dropping, "in_loops", lambda graphs: False)
        return augment(graphs, ratio, generator)


@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, 10**6), st.sampled_from(OF_ATOMS), st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.99])
)
def test_loops_drop_the_same_atoms_as_array_operations(monkeypatch, seed, augment, ratio):
    graphs = random_graphs(seed)
    generator, other = seeded(seed), seeded(seed)
    found = augment(graphs, ratio, generator)
    expected = by_array_operations(monkeypatch, augment, graphs, ratio, other)
    for name in ("atom_features", "atom_types", "atom_offsets", "bonds"):
        one, wanted = getattr(found, name), getattr(expected, name)
        assert one.dtype == wanted.dtype
        assert torch.equal(one, wanted)
    assert torch.equal(generator.get_state(), other.get_state())


@pytest.mark.parametrize("seed", range(30))
def test_loops_reach_atoms_in_the_same_order_as_array_operations(monkeypatch, seed):
    graphs, orders = random_graphs(seed), []
    monkeypatch.setattr(augmentations, "_keep_first", lambda _, order, __: orders.append(order))
    grow_subgraphs(graphs, 0.2, seeded(seed))
    by_array_operations(monkeypatch, grow_subgraphs, graphs, 0.2, seeded(seed))
    # By graph: atoms out of reach come last in both, at times of their own.
    loops, rounds = (order.tensor_split(graphs.atom_offsets[1:-1]) for order in orders)
    for one, other in zip(loops, rounds, strict=True):
        assert torch.equal(one.argsort(), other.argsort())


def test_where_atoms_tie_for_the_last_place_the_sort_of_the_array_operations_decides(monkeypatch):
    graphs = graphs_of([4, 40], [])
    # Apart as draws, but no longer beside the number of the second graph.
    tied = torch.rand(44, generator=seeded(), dtype=torch.float64)
    tied[4:] = 0.5 + torch.arange(40) * 1e-18
    assert _dropping.keep_first(graphs, tied, 0.5) is None
    found = augmentations._keep_first(graphs, tied, 0.5)
    monkeypatch.setattr(_dropping, "in_loops", lambda graphs: False)
    assert equal(found, augmentations._keep_first(graphs, tied, 0.5))
    # A tie that is not about the last place is none.
    tied[4:] = torch.arange(40) // 10
    assert _dropping.keep_first(graphs, tied, 0.5) is not None


@pytest.mark.parametrize("augment", OF_ATOMS)
@pytest.mark.parametrize("bond", [(0, 5), (5, 0), (-1, 1), (1, -1)])
def test_bonds_that_lead_out_of_the_batch_are_refused(augment, bond):
    # Loops do not see where an array ends.
    with pytest.raises(IndexError, match="one leads out of it"):
        augment(graphs_of([2, 3], [(0, 1), bond]), 0.2, seeded())


@pytest.mark.parametrize("sizes", [[2, 0], [0], [1, 0, 0, 0, 0, 0, 0]])
def test_pieces_do_not_grow_in_graphs_without_atoms(sizes):
    with pytest.raises(IndexError, match="one atom or more"):
        grow_subgraphs(graphs_of(sizes, []), 0.2, seeded())


def reached(graphs, clocks, starts) -> list[float]:
    """Dijkstra's times, an atom's clock paid when it is entered."""
    neighbours = {atom: set() for atom in range(graphs.num_atoms)}
    for a, b in torch.stack(graphs.edges).T.tolist():
        neighbours[a].add(b)
    times = [np.inf] * graphs.num_atoms
    queue = [(0.0, start) for start in starts]
    while queue:
        time, atom = heapq.heappop(queue)
        if time < times[atom]:
            times[atom] = time
            for other in neighbours[atom] - {atom}:
                heapq.heappush(queue, (time + clocks[other], other))
    return times


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 16]))
def test_rounds_over_all_atoms_find_the_times_of_pieces_that_grow(seed, rounds):
    graphs = random_graphs(seed)
    clocks = torch.rand(graphs.num_atoms, dtype=torch.float64, generator=seeded(seed))
    starts = graphs.atom_offsets[:-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmentations, "_ROUNDS", rounds)
        found = augmentations._times_by_rounds(graphs, clocks, starts).tolist()
    times = reached(graphs, clocks.tolist(), starts.tolist())
    last = max(time for time in times if np.isfinite(time))
    for atom, time in enumerate(times):
        assert found[atom] == (time if np.isfinite(time) else last + clocks[atom].item())


@pytest.mark.parametrize("augment", OF_GRAPHS)
def test_the_batches_of_an_epoch_vary_together_as_each_does_alone(augment):
    name = {function: name for name, function in _OF_GRAPHS.items()}[augment]
    parts = [random_graphs(seed) for seed in range(6)]
    features = torch.ones(80, 1)
    parts = [replace(part, atom_features=features) for part in parts]
    for found, part in zip(vary_together(parts, [name] * 6, 0.3, seeded()), parts, strict=True):
        require_valid(found)
        before, after = part.atom_offsets.diff(), found.atom_offsets.diff()
        kept = before - (0.3 * before).long() if augment in OF_ATOMS else before
        assert torch.equal(after, kept)
        assert len(found.bonds) <= len(part.bonds)
    for found, part in zip(vary_together(parts, [name] * 6, 0.0, seeded()), parts, strict=True):
        assert equal(found, part)


def test_each_batch_of_an_epoch_varies_by_the_augmentation_of_its_name():
    ring = replace(random_graphs(3), atom_features=torch.ones(80, 1))
    names = ["drop_atoms", "mask_atoms", "drop_atoms"]
    first, second, third = vary_together([ring] * 3, names, 0.5, seeded())
    assert first.num_atoms == third.num_atoms < second.num_atoms
    assert not torch.equal(first.atom_types, third.atom_types)
    assert torch.equal(second.bonds, ring.bonds)


@pytest.mark.parametrize("seed", range(5))
def test_neighbour_lists_say_how_many_bonds_an_atom_has(seed):
    # By which bonds are dropped on a device that would wait for a count.
    graphs = random_graphs(seed)
    counted = torch.bincount(graphs.bonds.flatten(), minlength=graphs.num_atoms)
    assert torch.equal(graphs.neighbour_offsets.diff() - 1, counted)
