"""Molecules cleaned up before their features are made."""

import numpy as np
import pytest

from bench.data.molecules import counter_ions, parse, standardised
from bench.data.prepared_arrays import assemble, build_arrays
from bench.dataset import Entity, RawSamples


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CC(=O)[O-].[Na+]", "CC(=O)O"),
        ("CC(=O)O[Na]", "CC(=O)O"),
        ("NCCc1ccccc1.Cl", "NCCc1ccccc1"),
        ("C[NH+](C)C.F[P-](F)(F)(F)(F)F", "CN(C)C"),
        ("C[N+](C)(C)C.[Br-]", "C[N+](C)(C)C"),
        ("O=C([O-])C[NH3+]", "NCC(=O)O"),
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("F[C@H](Cl)Br", "F[C@H](Cl)Br"),
        ("CC(O)=C", "C=C(C)O"),
    ],
)
def test_the_largest_organic_fragment_stays_neutralised_as_the_tautomer_it_is(
    smiles, expected, capfd
):
    made = standardised(smiles)
    assert made == (parse_and_write(expected), "")
    assert standardised(made.smiles) == made
    assert capfd.readouterr() == ("", "")


def parse_and_write(smiles):
    from rdkit import Chem

    return Chem.MolToSmiles(parse(smiles).mol)


@pytest.mark.parametrize("text", ["", "C(", "C C", None])
def test_what_cannot_be_read_keeps_its_reason(text):
    assert standardised(text) == (None, parse(text).problem)


def test_what_only_the_valence_check_forbids_cannot_be_standardised(capfd):
    text = "Cc1ccc([B-2]2(c3ccc(C)cc3)=NCCO2)cc1"
    assert parse(text).mol is not None
    assert "cannot be standardised: Explicit valence for atom # 5 B" in standardised(text).problem
    assert capfd.readouterr() == ("", "")


def samples(smiles, labels):
    return RawSamples((Entity("s", "molecule", smiles),), np.array(labels), ("a", "b"))


def test_rows_that_cannot_be_standardised_are_bad_and_the_content_stays(tmp_path):
    raw = samples(["CC(=O)[O-].[Na+]", "CC(=O)O", "C(", "Cc1ccc([B-2]2(C)=NCCO2)cc1"], [0, 1, 1, 0])
    made = {
        asked: assemble("x", build_arrays(raw, tmp_path, standardised=asked), "", "")
        for asked in (False, True)
    }
    assert [len(data) for data in made.values()] == [3, 2]
    assert list(made[True].smiles) == ["CC(=O)O"]
    assert made[True].identity.tolist() == [0, 0]
    assert made[True].content_sha256 == made[False].content_sha256 == raw.content_sha256()
    reasons = {row.row: (row.kind, row.reason) for row in made[True].unusable}
    assert reasons[2] == ("bad", f"s: {parse('C(').problem}")
    assert reasons[3][1].startswith("s: it cannot be standardised")
    assert raw.labels.tolist() == [0, 1, 1, 0]


def test_fragments_beside_the_largest():
    assert counter_ions("Cl.NCC.[Na+].Cl") == ["Cl", "[Na+]", "Cl"]
    assert counter_ions("C1.C1") == []
    assert counter_ions("CCO") == []
