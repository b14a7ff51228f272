"""Scaffolds of molecules of any size: RDKit's for small ones, the same by a cheaper way above."""

from __future__ import annotations

import csv
import gzip
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data import molecules
from bench.data.molecules import parse, scaffold_key
from tests.real_data import real_file

RINGS = ("c1ccccc1", "C1CCNCC1", "c1cc[nH]c1", "C1CC1(=O)", "[C@@H]1CCO1", "c1ccc2[nH]ccc2c1")
PIECES = st.sampled_from(["C", "C(=O)", "C(=C)", "N", "C(CC)", "[C@H](F)", "S(=O)(=O)", *RINGS])


def both_ways(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    mol = parse(text).mol
    if mol is None:
        return "", ""
    keys = []
    for largest in (10**6, 0):
        monkeypatch.setattr(molecules, "_LARGE", largest)
        keys.append(scaffold_key(mol))
    return keys[0], keys[1]


@given(st.lists(PIECES, min_size=1, max_size=8).map("".join))
def test_the_cheaper_way_gives_what_rdkit_gives(text):
    with pytest.MonkeyPatch.context() as patch:
        one, other = both_ways(text, patch)
    assert one == other


@pytest.mark.parametrize("file", ["hiv", "ecreact", "uspto_50k"])
def test_it_does_so_on_real_molecules_whatever_is_odd_about_them(file, monkeypatch):
    with gzip.open(real_file(f"{file}.csv.gz"), "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))[::40]
    columns = [name for name in rows[0] if "smiles" in name]
    for text in sorted({row[name] for row in rows for name in columns}):
        one, other = both_ways(text, monkeypatch)
        assert one == other, text


@pytest.mark.parametrize(
    ("text", "scaffold"),
    [
        ("C" * 5000, ""),
        ("c1ccccc1" + "C" * 5000, "c1ccccc1"),
        ("c1ccccc1" + "C" * 3000 + "c1ccccc1", None),
        ("C1" + "C" * 2000 + "1", None),
    ],
    ids=["chain", "ring with a chain", "linked rings", "large ring"],
)
def test_a_very_long_molecule_takes_no_minutes(text, scaffold):
    """One molecule of 5,000 atoms holds up a scaffold split for minutes."""
    mol = parse(text).mol
    start = time.process_time()
    key = scaffold_key(mol)
    assert time.process_time() - start < 10
    if scaffold is not None:
        assert key == scaffold
    else:
        assert parse(key).mol.GetNumAtoms() == mol.GetNumAtoms()
