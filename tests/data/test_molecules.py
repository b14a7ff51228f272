from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, rdBase

from bench.data.molecules import canonical_key, parse, scaffold_key

DRUGS = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[C@H](N)C(=O)O",
    "F/C=C/Cl",
    "O=[N+]([O-])c1ccc(Cl)cc1",
    "C1CC[C@@H]2CCCC[C@H]2C1",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "CC(C)(C)OC(=O)N[C@@H](Cc1c[nH]c2ccccc12)C(=O)O",
)


def key(smiles: str) -> bytes:
    mol, problem = parse(smiles)
    assert mol is not None, problem
    return canonical_key(mol)


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        (None, "got NoneType None"),
        (float("nan"), "got float nan"),
        (7, "got int 7"),
        ("C1CC", "unclosed ring"),
        ("[Xx]", r"syntax error while parsing: \[Xx\]"),
        ("C(", "syntax error"),
        (".", "syntax error"),
        ("A>>B", "syntax error"),
        ("CC>>CO", "syntax error"),
        ("c1cccc1", "Can't kekulize"),
        ("c1cccc1N(C)(C)C", "greater than permitted; Can't kekulize"),
        ("C\0C", r"'\\x00'"),
        ("C\nC", r"'\\n'"),
        ("C\N{MINUS SIGN}C", r"'\\u2212'"),
        ("\N{MINUS SIGN}C", r"'\\u2212'"),
        ("\ufeffCCO", r"'\\ufeff'"),
        ("CCO ethanol", "more after the SMILES 'CCO': 'ethanol'"),
        ("C[CH2] |^1:1|", r"CXSMILES extension, .* follows the SMILES 'C\[CH2\]'"),
    ],
)
def test_unusable_text_gives_a_reason(text, reason):
    """A bad SMILES stops everything, or a row is gone without trace."""
    mol, problem = parse(text)
    assert mol is None
    assert re.search(reason, problem)


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    ("smiles", "atoms"),
    [
        ("C", 1),
        ("[H][H]", 2),
        ("[Na+].[Cl-]", 2),
        ("*", 1),
        ("[13CH4]", 1),
        ("[CH3]", 1),
        ("c1ccc1", 4),
        ("C" * 500, 500),
        ("F/C=C/F", 4),
        (" CCO\r\n", 3),
        ("[H]C([H])([H])O", 2),
    ],
)
def test_odd_molecules_are_read(smiles, atoms):
    """An unusual but sound molecule is thrown away."""
    mol, problem = parse(smiles)
    assert problem == ""
    assert mol.GetNumAtoms() == atoms


@pytest.mark.parametrize("smiles", ["CN(C)(C)(C)C", "C[Al](C)(C)(C)(C)C", "[H]C(C)(C)(C)C.O"])
def test_a_valence_error_alone_is_overlooked_and_reported(smiles):
    mol, problem = parse(smiles)
    assert mol is not None
    assert "valence" in problem.lower()
    assert all(atom.GetAtomicNum() != 1 for atom in mol.GetAtoms())


@pytest.mark.fault(22)
@settings(deadline=None)
@given(st.one_of(st.text(max_size=20), st.text(alphabet="CNOcn()[]=#@+-123:/\\.H* ", max_size=15)))
def test_any_text_gives_a_molecule_or_a_reason(text):
    """Some text that nobody thought of stops everything."""
    mol, problem = parse(text)
    if mol is None:
        assert problem
    else:
        assert mol.GetNumAtoms() > 0
        assert len(canonical_key(mol)) == 16
        assert isinstance(scaffold_key(mol), str)


def test_nothing_is_printed_and_the_log_settings_stay(capfd):
    before = rdBase.LogStatus()
    for text in ("C1CC", "[H]", "CN(C)(C)(C)C", "c1cccc1"):
        parse(text)
    assert rdBase.LogStatus() == before
    assert capfd.readouterr() == ("", "")


def test_many_parses_leave_the_log_settings():
    before = rdBase.LogStatus()
    parsed = [parse(text) for text in ["C1CC", "c1cccc1", "CO"] * 300]
    assert rdBase.LogStatus() == before
    assert [bool(problem) for _, problem in parsed] == [True, True, False] * 300


def mapped(smiles: str, generator: np.random.Generator) -> str:
    mol = Chem.MolFromSmiles(smiles)
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(int(generator.integers(1, 500)))
    return Chem.MolToSmiles(mol)


@pytest.mark.fault(24)
@pytest.mark.parametrize("smiles", DRUGS)
def test_atom_maps_change_neither_identity_nor_scaffold(smiles):
    """Atom maps make one molecule two, one to train on and one to test on."""
    generator = np.random.default_rng(0)
    plain = parse(smiles).mol
    for _ in range(20):
        copy, problem = parse(mapped(smiles, generator))
        assert problem == ""
        assert copy.GetNumAtoms() == plain.GetNumAtoms()
        assert canonical_key(copy) == canonical_key(plain)
        assert scaffold_key(copy) == scaffold_key(plain)


def test_a_mapped_hydrogen_is_removed_like_any_other():
    assert key("[H:7][CH2:1][OH:2]") == key("CO")


def test_an_aromatic_bond_is_not_taken_for_an_atom_map():
    assert key("c:1:c:c:c:c:c1") == key("c1ccccc1")


@pytest.mark.fault(26)
@pytest.mark.parametrize("smiles", DRUGS)
def test_all_writings_of_a_molecule_have_one_key(smiles):
    """One molecule written in two ways counts as two."""
    mol = Chem.MolFromSmiles(smiles)
    writings = Chem.MolToRandomSmilesVect(mol, 20, randomSeed=3)
    assert {key(text) for text in writings} == {key(smiles)}


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CC(=O)O", "CC(=O)[O-]"),  # charge
        ("CC(=O)[O-]", "CC(=O)[O-].[Na+]"),  # salt
        ("CC(=O)C", "CC(O)=C"),  # tautomer
        ("C[C@H](N)O", "C[C@@H](N)O"),  # stereo
        ("C[C@H](N)O", "CC(N)O"),
        ("C", "[13CH4]"),  # isotope
        ("C", "[CH3]"),  # radical
    ],
)
def test_forms_of_a_molecule_are_different_molecules(one, other):
    """Whether a salt, charge state or tautomer is the same molecule changes unnoticed."""
    assert key(one) != key(other)


@pytest.mark.parametrize(
    ("smiles", "scaffold"),
    [
        ("CCO", ""),
        ("[Na+].[Cl-]", ""),
        ("Cc1ccccc1", "c1ccccc1"),
        ("Cc1cc(Oc2nccc(CCC)c2)ccc1", "c1ccc(Oc2ccccn2)cc1"),
        ("C[C@H]1CCCCC1=O", "O=C1CCCCC1"),
        ("C1CC[C@@H]2CCCC[C@H]2C1", "C1CCC2CCCCC2C1"),
        ("[CH3:4][c:1]1[cH:9]cccc1", "c1ccccc1"),
        ("C[Al](C)(C)(C)(C)c1ccccc1", "c1ccccc1"),
    ],
)
def test_scaffolds(smiles, scaffold):
    assert scaffold_key(parse(smiles).mol) == scaffold
