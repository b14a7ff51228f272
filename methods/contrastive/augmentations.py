"""Random variations of molecular graphs and proteins, on the flat tensors of a batch.

All graphs of a batch are varied at once and independently of each other. Every graph keeps at
least one atom, and the result is again a symmetric :class:`GraphBatch` with self loops.
`generator` must live on the device of the graphs.

References
----------
You et al., "Graph Contrastive Learning with Augmentations", NeurIPS 2020, arXiv 2010.13902,
section 3.1 (all but :func:`drop_bonds_by_degree`).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator, Tensor

from bench.data.batch import GraphBatch, ValueBatch

from . import _dropping

# On a device, in which pieces grow between two looks at whether they are done.
_ROUNDS = 16


def drop_atoms(graphs: GraphBatch, ratio: float, generator: Generator) -> GraphBatch:
    """Remove ``floor(ratio n)`` atoms of each graph of n atoms, all alike likely.

    `ratio` is in [0, 1); 0 removes nothing.
    """
    order = _uniform(graphs.num_atoms, graphs, generator)
    return _keep_first(graphs, order, ratio)


def grow_subgraphs(graphs: GraphBatch, ratio: float, generator: Generator) -> GraphBatch:
    """Keep a piece of each graph, grown atom by atom from a random one, and drop the rest.

    As many atoms go as in :func:`drop_atoms`. Each step adds one of the atoms that border on the
    piece, all alike likely. Fragments out of reach come last, their atoms in random order.

    Notes
    -----
    An atom's clock starts when the piece reaches one of its neighbours and runs for an
    exponential time. Such clocks have no memory, so whichever atom is next is uniform among those
    at the border, and the times can be found for all graphs together. GraphCL's code loses the
    new border at each step and stops at the neighbours of the first atom.
    """
    # 1 - u lies in (0, 1], so no clock is infinite.
    clocks = -torch.log(1 - _uniform(graphs.num_atoms, graphs, generator))
    places = _uniform(graphs.num_graphs, graphs, generator) * graphs.atom_offsets.diff()
    starts = graphs.atom_offsets[:-1] + places.long()
    grow = _dropping.growing_times if _dropping.in_loops(graphs) else _times_by_rounds
    return _keep_first(graphs, grow(graphs, clocks, starts), ratio)


def perturb_bonds(graphs: GraphBatch, ratio: float, generator: Generator) -> GraphBatch:
    """Remove ``floor(ratio e)`` of the e bonds of each graph; join as many random pairs of atoms.

    A drawn pair that is bonded already changes nothing, so a graph may end with fewer bonds. Pairs
    take over the types of the removed bonds, in turn: none is of a type that the graph has not.
    """
    bonds = graphs.bonds
    owners = graphs.graph_index[bonds[:, 0]]
    counts = torch.bincount(owners, minlength=graphs.num_graphs)
    changed = (ratio * counts).long()
    order = _uniform(len(bonds), graphs, generator)
    stays = _rank_within(owners, order, counts) >= changed[owners]
    kept = stays.nonzero()[:, 0]

    joined = torch.repeat_interleave(torch.arange(len(changed), device=changed.device), changed)
    first, sizes = graphs.atom_offsets[joined], graphs.atom_offsets.diff()[joined]
    one = (_uniform(len(joined), graphs, generator) * sizes).long()
    # A graph with a bond has two atoms or more; a step of 1 to n - 1 never ends where it began.
    step = 1 + (_uniform(len(joined), graphs, generator) * (sizes - 1)).long()
    other = (one + step) % sizes
    pairs = torch.stack([first + one, first + other], dim=1)
    # Each bond once, whichever end is named first.
    ends = torch.cat([bonds[kept], pairs])
    keys, numbers = torch.unique(
        ends.amin(dim=1) * graphs.num_atoms + ends.amax(dim=1), return_inverse=True
    )
    both = [torch.div(keys, graphs.num_atoms, rounding_mode="floor"), keys % graphs.num_atoms]
    # Of equal pairs the first says the type: a bond that stays, if it is one.
    places = torch.arange(len(ends), device=ends.device)
    first = torch.full_like(keys, len(ends)).scatter_reduce(0, numbers, places, "amin")
    types = graphs.bond_types[torch.cat([kept, (~stays).nonzero()[:, 0]])]
    return replace(graphs, bonds=torch.stack(both, dim=1), bond_types=types[first])


def drop_bonds_by_degree(
    graphs: GraphBatch, probability: float, generator: Generator, *, cap: float = 0.7
) -> GraphBatch:
    """Remove bonds at random, those between atoms of few bonds more often.

    Formula: a bond's importance s is the mean of the logarithms of its atoms' degrees; it goes
    with probability ``min(p (s_max - s) / (s_max - s_mean), cap)``, maximum and mean taken over
    the batch. Where all bonds are alike, each goes with probability p.

    References
    ----------
    Zhu et al., "Graph Contrastive Learning with Adaptive Augmentation", WWW 2021,
    arXiv 2010.14945, section 3.2.
    """
    bonds = graphs.bonds
    if len(bonds) == 0:
        return graphs
    if bonds.device.type == "cpu":
        degrees = torch.bincount(bonds.flatten(), minlength=graphs.num_atoms)
    else:  # which would wait for the largest number
        degrees = graphs.neighbour_offsets.diff() - 1
    importance = degrees.double().log()[bonds].mean(dim=1)
    spread = importance.max() - importance.mean()
    # The mean of equal numbers need not equal them to the last digit.
    unlike = torch.where(spread > 1e-9, (importance.max() - importance) / spread, 1.0)
    dropped = (probability * unlike).clamp_max(min(cap, 1.0))
    kept = (_uniform(len(bonds), graphs, generator) >= dropped).nonzero()[:, 0]
    return replace(graphs, bonds=bonds[kept], bond_types=graphs.bond_types[kept])


def mask_atoms(graphs: GraphBatch, ratio: float, generator: Generator) -> GraphBatch:
    """Give ``floor(ratio n)`` atoms of each graph of n atoms a feature vector of zeros."""
    order = _uniform(graphs.num_atoms, graphs, generator)
    features = graphs.atom_features
    chosen = ~_first(graphs, order, ratio)
    return replace(
        graphs,
        atom_features=torch.cat([features, features.new_zeros(1, features.shape[1])]),
        atom_types=graphs.atom_types.masked_fill(chosen, len(features)),
    )


def mask_entries(values: ValueBatch, share: float, generator: Generator) -> ValueBatch:
    """Set each entry of floating-point rows to 0 with probability `share`.

    Samples with the same value see the same mask. Whole numbers are left as they are: they are
    categories or tokens, and no number means "unknown" to every encoder.
    """
    rows = values.rows
    if not rows.is_floating_point():
        return values
    return replace(values, rows=masked(rows, share, generator))


def masked(rows: Tensor, share: float, generator: Generator) -> Tensor:
    """`rows` with each entry set to 0 with probability `share`."""
    return rows * (torch.rand(rows.shape, generator=generator, device=rows.device) >= share)


def _uniform(size: int, graphs: GraphBatch, generator: Generator) -> Tensor:
    """Draws from [0, 1) in double precision: ties are as good as impossible."""
    return torch.rand(
        size, generator=generator, device=graphs.atom_types.device, dtype=torch.float64
    )


def _rank_within(owners: Tensor, order: Tensor, counts: Tensor) -> Tensor:
    """Rank of each item among those of its owner, by `order`; `owners` is sorted."""
    # Scaled into [0, 1), so that one sort does for all owners.
    by_owner = torch.argsort(owners + order / (order.max() + 1) if len(order) else order)
    starts = counts.cumsum(0) - counts
    ranks = torch.empty_like(owners)
    ranks[by_owner] = torch.arange(len(owners), device=owners.device) - starts[owners]
    return ranks


def _first(graphs: GraphBatch, order: Tensor, ratio: float) -> Tensor:
    """Which atoms are among the first ``n - floor(ratio n)`` of their graph, by `order`."""
    sizes, owners = graphs.atom_offsets.diff(), graphs.graph_index
    return _rank_within(owners, order, sizes) < (sizes - (ratio * sizes).long())[owners]


def _keep_first(graphs: GraphBatch, order: Tensor, ratio: float) -> GraphBatch:
    """The graphs without the atoms that are not among the first, and without their bonds."""
    if _dropping.in_loops(graphs):
        kept = _dropping.keep_first(graphs, order, ratio)
        if kept is not None:
            return kept
    keep = _first(graphs, order, ratio)
    before = _counts_before(keep)
    # Places, not flags: a device waits whenever flags choose.
    bonded = keep[graphs.bonds].all(dim=1).nonzero()[:, 0]
    return replace(
        graphs,
        atom_types=graphs.atom_types[keep],
        atom_offsets=before[graphs.atom_offsets],
        bonds=before[graphs.bonds[bonded]],
        bond_types=graphs.bond_types[bonded],
    )


def _times_by_rounds(graphs: GraphBatch, clocks: Tensor, starts: Tensor) -> Tensor:
    """When the pieces that begin at `starts` reach each atom, (N,), and later times out of reach.

    All atoms are looked at in every round. The host waits once in `_ROUNDS` rounds, to see whether
    any time still changed.
    """
    sources, targets = graphs.edges
    times = torch.full_like(clocks, torch.inf).index_fill(0, starts, 0)
    before = None
    while before is None or not torch.equal(before, times):
        before = times
        for _ in range(_ROUNDS):
            earliest = times.scatter_reduce(0, targets, times[sources], "amin")
            times = torch.minimum(times, earliest + clocks)
    unreached = times.isinf()
    # Not the sum of all clocks: of a whole epoch it would leave no digits to tell times apart.
    return torch.where(unreached, times.masked_fill(unreached, 0).amax() + clocks, times)


def _counts_before(flags: Tensor) -> Tensor:
    """How many flags are set before each position and in all, (n + 1,)."""
    return torch.cat([flags.new_zeros(1, dtype=torch.int64), flags.cumsum(0)])
