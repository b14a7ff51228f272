from __future__ import annotations

import zipfile

import numpy as np
import pytest

from bench.datasets._moleculeace import WHEEL, ActivitySet, read_activity_sets
from bench.datasets.chembl_ki import ChemblKi
from bench.datasets.chembl_target import ChemblTarget, single_targets
from bench.errors import DataError
from tests.real_data import real_file

FOLDER = "MoleculeACE/Data/benchmark_data"


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{FOLDER}/CHEMBL9_EC50.csv", "smiles,y\nCC,-1.0\n")
        wheel.writestr(f"{FOLDER}/CHEMBL10_Ki.csv", "smiles,y\nC,-4.0\nCC,-2.5\n")
        for decoy in ("../CHEMBL1_Ki.csv", f"x/{FOLDER}/CHEMBL1_Ki.csv", "CHEMBL1_Ki.csv"):
            wheel.writestr(decoy, "no table")
        wheel.writestr(f"{FOLDER}/CHEMBL1_Ki.csv.bak", "no table")
    return path


def active(target, measure, **activities):
    return ActivitySet(target, measure, list(activities), np.array(list(activities.values())))


def test_sets_are_read_from_the_exact_members_in_file_order(tiny):
    sets = read_activity_sets(tiny)
    assert [(one.target, one.measure, one.smiles) for one in sets] == [
        ("CHEMBL10", "Ki", ["C", "CC"]),
        ("CHEMBL9", "EC50", ["CC"]),
    ]
    assert sets[0].activity.tolist() == [5.0, 6.5]


def test_reading_extracts_nothing(tiny, tmp_path):
    read_activity_sets(tiny)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.whl"]


@pytest.mark.parametrize("cut", [0, 50, -30])
def test_a_damaged_wheel_is_refused(tiny, cut):
    tiny.write_bytes(tiny.read_bytes()[:cut])
    with pytest.raises(DataError, match="whole Python wheel"):
        read_activity_sets(tiny)


def test_a_flipped_byte_in_a_member_is_refused(tiny):
    data = tiny.read_bytes()
    tiny.write_bytes(data.replace(b"CC,-2.5", b"CN,-2.5"))
    with pytest.raises(DataError, match="whole Python wheel"):
        read_activity_sets(tiny)


def test_another_wheel_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        wheel.writestr("x/data.csv", "a,b\n")
    with pytest.raises(DataError, match="but found none"):
        read_activity_sets(tmp_path / "x.whl")


@pytest.mark.parametrize("dataset", [ChemblKi(), ChemblTarget()])
def test_a_wheel_of_other_counts_is_refused(tiny, dataset):
    with pytest.raises(DataError, match=r"tiny\.whl"):
        dataset.read(tiny)


def test_a_molecule_counts_when_active_on_exactly_one_target():
    sets = [
        active("A", "EC50", both=9.0, once=7.0, weak=6.999),
        active("A", "Ki", late=8.0, once=8.0),
        active("B", "Ki", both=7.0, weak=7.5, late=5.0),
    ]
    assert list(single_targets(sets).items()) == [("once", "A"), ("late", "A"), ("weak", "B")]


def test_the_real_table_of_ki_is_read():
    samples = ChemblKi().read(real_file("chembl_ki.csv.gz"))
    assert np.bincount(samples.labels).tolist() == [1_239, 38_981]
    assert [entity.kind for entity in samples.entities] == ["molecule", "protein"]
    assert len(set(samples.entities[1].values)) == 23


def test_the_real_wheel_alone_gives_ki_with_the_protein_as_category():
    samples = ChemblKi().read(real_file(WHEEL.filename))
    assert np.bincount(samples.labels).tolist() == [1_239, 38_981]
    assert [entity.kind for entity in samples.entities] == ["molecule", "category"]


def test_the_real_wheel_and_table_hold_the_same_pairs_and_labels_in_order():
    table = ChemblKi().read(real_file("chembl_ki.csv.gz"))
    wheel = ChemblKi().read(real_file(WHEEL.filename))
    assert wheel.entities[0] == table.entities[0]
    assert np.array_equal(wheel.labels, table.labels)
    # One sequence a ChEMBL id, and one ChEMBL id a sequence.
    pairs = set(zip(wheel.entities[1].values, table.entities[1].values, strict=True))
    assert len(pairs) == len({pair[0] for pair in pairs}) == len({pair[1] for pair in pairs}) == 23


def test_no_ki_label_hangs_on_rounding():
    sets = read_activity_sets(real_file(WHEEL.filename))
    distance = np.abs(np.concatenate([s.activity for s in sets if s.measure == "Ki"]) - 5)
    assert (distance == 0).sum() == 133
    assert distance[distance > 0].min() > 1e-4


def test_the_real_targets_are_those_of_the_protocol():
    samples = ChemblTarget().read(real_file(WHEEL.filename))
    counts = np.bincount(samples.labels)
    assert (len(samples.labels), len(counts), counts[0], counts[-1]) == (19_072, 29, 2_003, 74)
    assert (np.diff(counts) <= 0).all()
    assert len(set(samples.entities[0].values)) == 19_072
    assert samples.class_names[0] == "CHEMBL264"
