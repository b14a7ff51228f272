"""Many SMILES to packed graphs, scaffolds or fingerprints, in chunks, in one or more processes.

RDKit and joblib take a while to import and are imported where they are used: what is cached is
opened without them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from operator import itemgetter, methodcaller
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from bench.data.adjacency import offsets_of
from bench.data.atom_features import AtomProperties, feature_vectors, properties_of_atoms
from bench.data.bond_features import (
    BondProperties,
    bond_properties,
    bond_vectors,
    has_plain_bonds,
)
from bench.data.packed import PackedGraphs

if TYPE_CHECKING:
    from rdkit.Chem import Mol

    from bench.data.molecules import Standardised

VERSION = 1
"""Raise it when the graphs made of the same SMILES change."""

# Large enough that sending a chunk to a process costs nothing beside working on it, small enough
# that a few chunks in flight are a few megabytes.
CHUNK = 512

T = TypeVar("T")

# Of the properties of an atom; of a bond.
_element = itemgetter(0)
_begin, _end = methodcaller("GetBeginAtomIdx"), methodcaller("GetEndAtomIdx")

Progress = Callable[[int, int], None]
"""Called now and then with the number of molecules done so far and of all."""


@dataclass(frozen=True)
class Featurised:
    """M SMILES as G <= M graphs.

    Attributes
    ----------
    graphs : PackedGraphs
        One graph for each SMILES that could be used, in their order. Atoms stand in the order of
        the SMILES, which the sum and maximum read-outs do not see (ImDrug renumbers them by
        canonical rank).
    graph_index : ndarray of int32, shape (M,)
        Graph of each SMILES, -1 where there is none.
    keys : ndarray of uint64, shape (G, 2)
        The 128-bit :func:`~bench.data.molecules.canonical_key` of each graph's molecule.
    failures : dict of int to str
        Position of each SMILES without a graph, and why.
    repaired : dict of int to str
        Position of each SMILES that was loaded by overlooking something, and what.
    """

    graphs: PackedGraphs
    graph_index: np.ndarray
    keys: np.ndarray
    failures: dict[int, str]
    repaired: dict[int, str]


class _Chunk(NamedTuple):
    atom_properties: list[AtomProperties]
    atom_types: np.ndarray  # rows of `atom_properties`
    atom_counts: list[int]
    bonds: np.ndarray
    bond_properties: list[BondProperties]
    bond_types: np.ndarray  # rows of `bond_properties`
    bond_counts: list[int]
    keys: bytes
    failures: dict[int, str]
    repaired: dict[int, str]


def featurise(
    smiles: Sequence[str],
    *,
    jobs: int = 1,
    on_progress: Progress | None = None,
    on_failures: Callable[[dict[int, str]], None] | None = None,
    keys: bool = True,
) -> Featurised:
    """Parse and featurise M SMILES.

    The result is the same, bit for bit, for any number of jobs. A SMILES that cannot be used
    never raises; it is listed in `failures`.

    Parameters
    ----------
    smiles : sequence of str
        Length M. Equal SMILES are worked on each time: pass distinct ones.
    jobs : int
        Processes; 1 works in this one.
    on_progress : callable or None
        Called now and then with the number of SMILES done so far and of all.
    on_failures : callable or None
        Called with the failures of a chunk as soon as it is done; what it raises ends the work.
    keys : bool
        Whether molecules get their canonical keys; without, `Featurised.keys` has no rows.
    """
    atoms: dict[AtomProperties, int] = {}
    kinds: dict[BondProperties, int] = {}
    atom_types, bonds = [np.empty(0, np.int32)], [np.empty((0, 2), np.int32)]
    bond_types = [np.empty(0, np.uint8)]
    atom_counts: list[int] = []
    bond_counts: list[int] = []
    all_keys: list[bytes] = []
    failures: dict[int, str] = {}
    repaired: dict[int, str] = {}
    work = partial(_featurise_chunk, keyed=keys)
    with closing(_in_chunks(work, smiles, jobs, on_progress)) as chunks:
        for start, chunk in chunks:
            numbers = [atoms.setdefault(atom, len(atoms)) for atom in chunk.atom_properties]
            atom_types.append(np.array(numbers, np.int32)[chunk.atom_types])
            numbers = [kinds.setdefault(bond, len(kinds)) for bond in chunk.bond_properties]
            bond_types.append(np.array(numbers, np.uint8)[chunk.bond_types])
            atom_counts += chunk.atom_counts
            bonds.append(chunk.bonds)
            bond_counts += chunk.bond_counts
            all_keys.append(chunk.keys)
            new = {start + place: why for place, why in chunk.failures.items()}
            if new and on_failures is not None:
                on_failures(new)
            failures |= new
            repaired.update((start + place, what) for place, what in chunk.repaired.items())

    atom_features, atom_rows = _table(feature_vectors(list(atoms)))
    bond_features, bond_rows = _table(bond_vectors(list(kinds)))
    graphs = PackedGraphs(
        atom_features=atom_features,
        atom_types=atom_rows.astype(np.int32)[np.concatenate(atom_types)],
        atom_offsets=offsets_of(atom_counts),
        bonds=np.concatenate(bonds),
        bond_offsets=offsets_of(bond_counts),
        bond_features=bond_features,
        bond_types=bond_rows.astype(np.uint8)[np.concatenate(bond_types)],
    )
    usable = np.ones(len(smiles), bool)
    usable[list(failures)] = False
    return Featurised(
        graphs=graphs,
        graph_index=np.where(usable, np.cumsum(usable) - 1, -1).astype(np.int32),
        keys=np.frombuffer(b"".join(all_keys), np.uint64).reshape(-1, 2),
        failures=failures,
        repaired=repaired,
    )


def standardise(
    smiles: Sequence[str], *, jobs: int = 1, on_progress: Progress | None = None
) -> list[Standardised]:
    """Each SMILES cleaned up, as :func:`~bench.data.molecules.standardised`; they never raise.

    Parameters are those of :func:`featurise`.
    """
    chunks = _in_chunks(_standard_chunk, smiles, jobs, on_progress)
    return [made for _, chunk in chunks for made in chunk]


def scaffold_keys(
    smiles: Sequence[str], *, jobs: int = 1, on_progress: Progress | None = None
) -> list[str]:
    """Bemis-Murcko scaffolds of usable SMILES, as :func:`~bench.data.molecules.scaffold_key`.

    Parameters are those of :func:`featurise`.

    Raises
    ------
    ValueError
        A SMILES cannot be used.
    """
    return [
        key for _, keys in _in_chunks(_scaffold_chunk, smiles, jobs, on_progress) for key in keys
    ]


def fingerprints(
    smiles: Sequence[str], *, jobs: int = 1, on_progress: Progress | None = None
) -> np.ndarray:
    """Morgan fingerprints of usable SMILES, radius 2, 2,048 bits; uint64, shape (M, 32).

    Parameters are those of :func:`featurise`.

    Raises
    ------
    ValueError
        A SMILES cannot be used.
    """
    chunks = [rows for _, rows in _in_chunks(_fingerprint_chunk, smiles, jobs, on_progress)]
    return np.concatenate([np.empty((0, 32), np.uint64), *chunks])


def _in_chunks(
    work: Callable[[Sequence[str]], T],
    smiles: Sequence[str],
    jobs: int,
    on_progress: Progress | None,
) -> Generator[tuple[int, T]]:
    """Results of `work` on consecutive chunks, each with the position of its first SMILES."""
    if jobs < 1:
        raise ValueError(f"Expected at least 1 job, but got {jobs}.")
    starts = range(0, len(smiles), CHUNK)
    ended = False
    chunks = (smiles[start : start + CHUNK] for start in takewhile(lambda _: not ended, starts))
    results: Generator[T]
    if jobs == 1 or len(starts) <= 1:
        results = (work(chunk) for chunk in chunks)
    else:
        from joblib import Parallel, delayed

        results = Parallel(n_jobs=jobs, return_as="generator")(map(delayed(work), chunks))
    try:
        for start, result in zip(starts, results, strict=True):
            yield start, result
            if on_progress is not None:
                on_progress(min(start + CHUNK, len(smiles)), len(smiles))
    finally:
        # Who has seen enough ends the work. The few chunks under way are waited for: joblib has
        # threads that hand them out, which must not find them taken away.
        ended = True
        for _ in results:
            pass


def _featurise_chunk(smiles: Sequence[str], *, keyed: bool) -> _Chunk:
    from bench.data.molecules import canonical_key, parse

    atom_numbers: dict[AtomProperties, int] = {}
    bond_numbers: dict[BondProperties, int] = {}
    atom_types: list[int] = []
    atom_counts: list[int] = []
    bond_types: list[int] = []
    bond_counts: list[int] = []
    begins: list[int] = []
    ends: list[int] = []
    keys: list[bytes] = []
    failures: dict[int, str] = {}
    repaired: dict[int, str] = {}
    for place, text in enumerate(smiles):
        mol, problem = parse(text)
        if mol is None:
            failures[place] = problem
            continue
        if problem:
            repaired[place] = problem
        # By number: the iterators over atoms and bonds take twice as long.
        atoms = [*map(mol.GetAtomWithIdx, range(mol.GetNumAtoms()))]
        bonds = [*map(mol.GetBondWithIdx, range(mol.GetNumBonds()))]
        described = [*properties_of_atoms(atoms)]
        plain = has_plain_bonds(text, map(_element, described))
        atom_types += [atom_numbers.setdefault(found, len(atom_numbers)) for found in described]
        bond_types += [
            bond_numbers.setdefault(found, len(bond_numbers))
            for found in bond_properties(bonds, plain=plain)
        ]
        begins += map(_begin, bonds)
        ends += map(_end, bonds)
        atom_counts.append(len(atoms))
        bond_counts.append(len(bonds))
        if keyed:
            keys.append(canonical_key(mol))
    pairs, order = _rising(begins, ends, bond_counts, max(atom_counts, default=0))
    return _Chunk(
        atom_properties=list(atom_numbers),
        atom_types=np.array(atom_types, np.int32),
        atom_counts=atom_counts,
        bonds=pairs,
        bond_properties=list(bond_numbers),
        bond_types=np.array(bond_types, np.uint8)[order],
        bond_counts=bond_counts,
        keys=b"".join(keys),
        failures=failures,
        repaired=repaired,
    )


def _rising(
    begins: Sequence[int], ends: Sequence[int], counts: Sequence[int], most_atoms: int
) -> tuple[np.ndarray, np.ndarray]:
    """Bonds of molecules with so many each: the lower atom of a pair first, pairs of one rising.

    Returns
    -------
    pairs : ndarray of int32, shape (E, 2)
    order : ndarray of int64, shape (E,)
        The place that each had.
    """
    pairs = np.sort(np.array([begins, ends], np.int64).T, axis=1)
    molecules = np.repeat(np.arange(len(counts)), counts)
    order = np.argsort((molecules * most_atoms + pairs[:, 0]) * most_atoms + pairs[:, 1])
    return pairs[order].astype(np.int32), order


def _table(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct vectors, sorted, so that it is no matter which came first; the row of each."""
    table, rows = np.unique(vectors, axis=0, return_inverse=True)
    return table, rows.reshape(-1)


def _standard_chunk(smiles: Sequence[str]) -> list[Standardised]:
    from bench.data.molecules import standardised

    return [standardised(text) for text in smiles]


def _scaffold_chunk(smiles: Sequence[str]) -> list[str]:
    from bench.data.molecules import scaffold_key

    return [scaffold_key(mol) for mol in _molecules(smiles)]


def _fingerprint_chunk(smiles: Sequence[str]) -> np.ndarray:
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    generator = GetMorganGenerator(radius=2, fpSize=2048)
    bits = [generator.GetFingerprintAsNumPy(mol) for mol in _molecules(smiles)]
    return np.packbits(np.stack(bits), axis=1).view(np.uint64)


def _molecules(smiles: Sequence[str]) -> Iterator[Mol]:
    from bench.data.molecules import parse

    for text in smiles:
        mol, problem = parse(text)
        if mol is None:
            raise ValueError(f"Expected a usable SMILES, but got {text!r}: {problem}.")
        yield mol
