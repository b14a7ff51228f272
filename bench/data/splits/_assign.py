"""Whole groups into sets of given size, in seeded order: what all splits share."""

from __future__ import annotations

from collections import Counter

import numpy as np

from bench.errors import SplitError, UsageError

TRAIN, VALID, TEST = 0, 1, 2


def part_sizes(count: int) -> tuple[int, int, int]:
    """Samples for train, valid and test (70 / 10 / 20) out of `count`.

    As in ImDrug, test = round(.2 count), valid = round(.125 (count - test)) with Python's
    rounding, and train takes the rest. From 3 samples on every set gets at least one, which
    changes ImDrug's numbers for 3 to 5 samples only; fewer than 3 all go to train.
    """
    test = round(0.2 * count)
    valid = round(0.125 * (count - test))
    if count >= 3:
        test, valid = max(test, 1), max(valid, 1)
    return count - test - valid, valid, test


def seeded_order(count: int, rng: np.random.Generator) -> np.ndarray:
    """A random order of 0..count-1.

    It is drawn from the raw bits because NumPy promises a stable stream for bit generators but
    not for ``Generator.permutation`` (NEP 19), and split hashes must outlive NumPy versions.
    """
    return np.argsort(rng.bit_generator.random_raw(count), kind="stable")


def shuffled_groups(groups: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Positions of each group, the groups in seeded order.

    The order depends on which samples are together, not on how their groups are numbered.
    """
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    appearance = np.argsort(np.argsort(first))[inverse]
    ends = np.cumsum(np.bincount(appearance))[:-1]
    members = np.split(np.argsort(appearance, kind="stable"), ends)
    return [members[i] for i in seeded_order(len(members), rng)]


def duplicate_groups(groups: np.ndarray | None, keep_together: bool, count: int) -> np.ndarray:
    """The groups to keep together: those given, or every sample on its own."""
    if not keep_together:
        return np.arange(count)
    if groups is None:
        raise UsageError(
            "Expected `identity` because group_duplicates is on, but got None. "
            "Give one number a sample, equal for equal samples."
        )
    return groups


def assign(members: list[np.ndarray], strata: np.ndarray) -> np.ndarray:
    """The set of each sample when groups are placed one after the other.

    A group goes to the first of train, valid and test that still has room for all of it, stratum
    by stratum; where none has, to the set with most room. With groups of one sample each
    stratum gets exactly its :func:`part_sizes`; with one stratum no set is off by more than the
    largest group.

    Parameters
    ----------
    members : list of ndarray of int64
        Positions of each group, in the order in which they are placed.
    strata : ndarray of int64, shape (M,)
        Stratum of each sample; each is divided 70 / 10 / 20 on its own.

    Returns
    -------
    ndarray of int64, shape (M,)
        0 train, 1 valid, 2 test.
    """
    room = np.array([part_sizes(count) for count in np.bincount(strata).tolist()]).T.tolist()
    parts = np.empty(len(strata), dtype=np.int64)
    for group in members:
        need = Counter(strata[group].tolist())
        fitting = (
            part for part in (TRAIN, VALID, TEST) if all(room[part][s] >= need[s] for s in need)
        )
        most_room = max((TRAIN, VALID, TEST), key=lambda part: sum(room[part][s] for s in need))
        chosen = next(fitting, most_room)
        for stratum, count in need.items():
            room[chosen][stratum] -= count
        parts[group] = chosen
    return parts


def assign_whole(groups: np.ndarray, rng: np.random.Generator, what: str) -> np.ndarray:
    """The set of each sample: 70 / 10 / 20 of all samples, each group in one set.

    No set is off by more than the largest group. Groups larger than half of the validation set
    are placed first, into train while they fit, so that no single one rules validation or test.
    The rest follow in seeded order.

    Parameters
    ----------
    groups : ndarray of int64, shape (M,)
    rng : numpy.random.Generator
    what : str
        What a group is, for messages, in the plural.

    Returns
    -------
    ndarray of int64, shape (M,)
        0 train, 1 valid, 2 test.

    Raises
    ------
    SplitError
        There are too few groups to fill all sets.
    """
    _, valid_size, _ = part_sizes(len(groups))
    # Stable: the seeded order holds among the large groups and among the others.
    placed = sorted(shuffled_groups(groups, rng), key=lambda group: 2 * len(group) <= valid_size)
    parts = assign(placed, np.zeros_like(groups))
    if len(np.unique(parts)) < 3:
        raise SplitError(
            f"Expected enough {what} to fill train, valid and test, but got "
            f"{len(placed)} groups, the largest with {max(map(len, placed)) / len(groups):.1%} "
            f"of {len(groups)} samples. Use the random split or more diverse molecules."
        )
    return parts


def cut_valid(members: list[np.ndarray], labels: np.ndarray, share: float) -> np.ndarray:
    """Positions of groups that are cut from training for validation, `share` of each class.

    A class of two samples or more gives one at least and keeps one at least; a group is taken
    only where every class in it still has room.

    Parameters
    ----------
    members : list of ndarray of int64
        Positions of each group, in the order in which they are tried.
    labels : ndarray of int64, shape (M,)
    share : float

    Returns
    -------
    ndarray of int64
    """
    counts = np.bincount(labels[np.concatenate(members)]).tolist()
    room = [min(max(round(share * count), 1), count - 1) if count else 0 for count in counts]
    taken = [np.empty(0, np.int64)]
    for group in members:
        need = Counter(labels[group].tolist())
        if all(room[label] >= count for label, count in need.items()):
            for label, count in need.items():
                room[label] -= count
            taken.append(group)
    return np.concatenate(taken)


def positions(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of train, valid and test, given the set of each sample."""
    train, valid, test = (np.flatnonzero(parts == part) for part in (TRAIN, VALID, TEST))
    return train, valid, test
