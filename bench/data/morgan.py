"""Circular fingerprints that count, of each distinct molecule once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from bench.data.adjacency import gather_ranges, offsets_of
from bench.data.prepared import PreparedData
from bench.errors import DataError
from bench.sources import sources_of

RADIUS = 2
"""Of the fragments in the fingerprints that encoders read."""


class SparseRow(NamedTuple):
    """The entries of a vector that are not zero: int32 places and float32 values."""

    places: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class SparseRows:
    """The entries of R vectors that are not zero.

    Attributes
    ----------
    offsets : ndarray of int64, shape (R + 1,)
        Those of row r are ``offsets[r]:offsets[r + 1]``.
    places : ndarray of int32
    values : ndarray of float32
    width : int
        Length of a vector.
    """

    offsets: np.ndarray
    places: np.ndarray
    values: np.ndarray
    width: int

    def dense(self, numbers: np.ndarray) -> np.ndarray:
        """The rows with these `numbers`, shape (n,), as vectors; float32, (n, width)."""
        found = np.zeros((len(numbers), self.width), np.float32)
        entries, ends = gather_ranges(self.offsets, numbers)
        rows = np.repeat(np.arange(len(numbers)), np.diff(ends))
        found[rows, self.places[entries]] = self.values[entries]
        return found


Fingerprint = Callable[[str], SparseRow]
"""Gives the fingerprint of a SMILES."""


def morgan_counts(smiles: str, *, radius: int, bits: int) -> SparseRow:
    """How often each circular fragment of up to `radius` bonds stands in a molecule.

    Fragments are hashed to `bits` places; those that collide are counted together. The molecule is
    read as for the graphs, so one that fails the valence check alone has a fingerprint too.

    Rogers and Hahn, J. Chem. Inf. Model. 2010, 50, 742, doi 10.1021/ci100050t.

    Raises
    ------
    DataError
        The SMILES cannot be used.

    Examples
    --------
    Two atoms alike, and one fragment that holds both.

    >>> sorted(morgan_counts("CC", radius=2, bits=2048).values.tolist())
    [1.0, 2.0]
    """
    from bench.data.molecules import parse

    mol, problem = parse(smiles)
    if mol is None:
        raise DataError(f"Expected a usable SMILES, but got {smiles!r}: {problem}.")
    entries = _generator(radius, bits).GetCountFingerprint(mol).GetNonzeroElements()
    return SparseRow(
        np.fromiter(entries.keys(), np.int32, len(entries)),
        np.fromiter(entries.values(), np.float32, len(entries)),
    )


def each_once(radius: int, bits: int) -> Fingerprint:
    """:func:`morgan_counts` that reads an equal SMILES once."""
    return cache(partial(morgan_counts, radius=radius, bits=bits))


def of_data(prepared: PreparedData, radius: int, bits: int) -> Fingerprint:
    """:func:`morgan_counts` of the molecules of a data set, read once and kept beside features.

    Of any other SMILES, such as another spelling, as :func:`each_once` gives them.
    """
    rows = rows_of_data(prepared, radius, bits)
    ends, places, values = rows.offsets.tolist(), rows.places, rows.values
    numbers = {smiles: number for number, smiles in enumerate(prepared.smiles)}
    of_other = each_once(radius, bits)

    def fingerprint(smiles: str) -> SparseRow:
        number = numbers.get(smiles)
        if number is None:
            return of_other(smiles)
        entries = slice(ends[number], ends[number + 1])
        return SparseRow(places[entries], values[entries])

    return fingerprint


def rows_of_data(prepared: PreparedData, radius: int, bits: int) -> SparseRows:
    """:func:`morgan_counts` of each graph of a data set, read once and kept beside features."""
    key = {
        # Covers the file and RDKit's version.
        "prepared": prepared.fingerprint,
        "source": sources_of([__name__], within=("bench.data",)),
        "radius": radius,
        "bits": bits,
    }
    arrays = prepared.keep(f"morgan-{prepared.name}", key, partial(_build, prepared, radius, bits))
    return SparseRows(arrays["offsets"], arrays["places"], arrays["values"], bits)


def _build(prepared: PreparedData, radius: int, bits: int) -> Mapping[str, np.ndarray]:
    rows = [morgan_counts(smiles, radius=radius, bits=bits) for smiles in prepared.smiles]
    return {
        "offsets": offsets_of([len(row.places) for row in rows]),
        "places": np.concatenate([np.empty(0, np.int32), *(row.places for row in rows)]),
        "values": np.concatenate([np.empty(0, np.float32), *(row.values for row in rows)]),
    }


@cache
def _generator(radius: int, bits: int) -> Any:
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    return GetMorganGenerator(radius=radius, fpSize=bits)
