from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from bench.data.audit import audit, balanced_accuracy_standard_error
from bench.data.prepared_arrays import assemble, build_arrays
from bench.dataset import Entity, RawSamples
from bench.errors import SplitError
from bench.split import SPLITS, Split, make_split
from bench.sweep.plan import Part
from bench.sweep.splits import split_of
from tests.real_data import real_file

LABELS = np.repeat([0, 1], [300, 300])


def small_split():
    return make_split("random", LABELS, 2, 0, "toy")


def test_sound_split_has_no_findings():
    found = audit(small_split(), LABELS, 2, np.arange(600), scaffolds=np.arange(600))
    assert found.problems == ()
    assert found.warnings == ()
    assert found.split_hash == small_split().hash
    assert found.sizes == {"train": 420, "valid": 60, "test": 120, "discarded": 0}


@pytest.mark.fault(65)
def test_table_has_a_row_for_each_class_and_for_all():
    """The size of the smallest class in test is nowhere to be seen."""
    found = audit(small_split(), LABELS, 2, class_names=("inactive", "active"))
    columns, rows = found.table()
    assert columns == ("class", "train", "valid", "test", "discarded")
    assert rows == [
        ("inactive", 210, 30, 60, 0),
        ("active", 210, 30, 60, 0),
        ("all", 420, 60, 120, 0),
    ]


def test_split_of_other_data_is_refused():
    with pytest.raises(SplitError, match="a split of 601 samples, but got one of 600"):
        audit(small_split(), np.append(LABELS, 0), 2)


def test_discarded_samples_complete_a_split():
    split = Split(np.arange(4), np.array([4, 5]), np.array([6, 7]), np.arange(8, 12))
    found = audit(split, np.arange(12) % 2, 2)
    assert found.counts["discarded"] == (2, 2)


@pytest.mark.fault(29)
def test_class_absent_from_a_part_is_named():
    """A class without a test sample counts as 0 or as chance."""
    labels = np.append(LABELS, [2, 2])
    found = audit(
        make_split("random", labels, 3, 0, "toy"), labels, 3, class_names=("a", "b", "rare")
    )
    assert [(lost.part, lost.class_name, lost.total) for lost in found.absent] == [
        ("valid", "rare", 2),
        ("test", "rare", 2),
    ]
    assert "Class rare (2 samples in all) has no sample in valid" in found.problems[0]


@pytest.mark.fault(29)
@pytest.mark.parametrize("part", ["valid", "test"])
def test_class_in_no_training_sample_is_refused(part):
    """A class that is only in validation or test counts as always wrong."""
    labels = np.zeros(600, dtype=np.int64)
    labels[small_split().parts()[part]] = 1
    with pytest.raises(SplitError, match="training set, but got no sample of 1"):
        audit(small_split(), labels, 2)


def many_single_classes():
    """300 samples of one class and 300 classes of one sample."""
    return np.concatenate([np.zeros(300, np.int64), np.arange(1, 301)])


def test_of_many_classes_without_samples_a_few_are_named():
    """A file of measurements is answered with hundreds of class names."""
    labels = many_single_classes()
    names = [f"value {k}" for k in range(301)]
    inside = Split(np.arange(400), np.arange(400, 500), np.arange(500, 600))
    with pytest.raises(SplitError, match=r"value 101, value 102, .* and 195 more") as caught:
        audit(inside, labels, 301, class_names=names)
    assert len(str(caught.value)) < 300
    labels[400:] = 0
    whole = audit(inside, labels, 101, class_names=names[:101])
    assert len(whole.problems) == 2
    assert whole.problems[0].startswith("100 of 101 classes have no sample in valid, such as ")
    assert max(map(len, whole.problems)) < 300


def test_a_split_that_cannot_be_made_names_a_few_classes(tmp_path):
    raw = RawSamples(
        (Entity("molecule", "molecule", ["C"] * 600),),
        many_single_classes(),
        tuple(f"value {k}" for k in range(301)),
    )
    prepared = assemble("toy", build_arrays(raw, Path("toy.csv")), "0", "1")
    entry = SPLITS.get("standard")
    part = Part("standard", "standard", entry.cls.options_type(), entry.facts)
    with pytest.raises(SplitError, match="class 1 is 'value 1'") as caught:
        split_of(prepared, part, 0, cache_dir=tmp_path)
    assert str(caught.value).count("value ") == 5
    assert len(str(caught.value)) < 600


def test_shared_samples_are_counted_for_each_pair_of_parts_and_named_by_row():
    split = Split(np.array([0, 1, 2, 3]), np.array([4, 5]), np.array([6, 7]))
    identity = np.array([10, 11, 10, 12, 13, 11, 10, 14])
    found = audit(split, np.arange(8) % 2, 2, identity, rows=100 + np.arange(8))
    assert [(s.first, s.second, s.distinct) for s in found.shared] == [
        ("train", "valid", 1),
        ("train", "test", 1),
    ]
    assert (found.shared[1].first_samples, found.shared[1].second_samples) == (2, 1)
    assert found.shared[0].examples == ((101, 105),)
    assert found.shared[1].examples == ((100, 106),)
    assert (
        "Equal samples in train and test: 1 distinct, on 2 and 1 rows, such as rows 100 = 106."
        in found.warnings[1]
    )
    assert found.warnings[1].endswith("The option group_duplicates keeps equal samples in one set.")
    without = audit(split, np.arange(8) % 2, 2, identity, can_group=False)
    assert "group_duplicates" not in "".join(without.warnings)


def test_discarded_duplicates_are_no_leak():
    split = Split(np.array([0, 1]), np.array([2, 3]), np.array([4, 5]), np.array([6]))
    identity = np.array([0, 1, 2, 3, 4, 5, 0])
    assert audit(split, np.arange(7) % 2, 2, identity).shared == ()


@pytest.mark.fault(65)
@pytest.mark.parametrize(("size", "warned"), [(29, True), (30, False)])
def test_test_part_with_fewer_than_30_a_class_is_warned_of(size, warned):
    """A test set of a few samples a class is read as if it were exact."""
    test = np.concatenate([np.arange(size), 300 + np.arange(size)])
    valid = np.array([100, 400])
    train = np.setdiff1d(np.arange(600), np.concatenate([test, valid]))
    found = audit(Split(train, valid, test), LABELS, 2)
    assert any("fewer than 30" in text for text in found.warnings) is warned
    if warned:
        assert "test, 0, has 29 samples" in found.warnings[0]
        assert "up to 6.6 points" in found.warnings[0]  # sqrt(.25 * 2 / 29) / 2


@pytest.mark.parametrize(
    ("counts", "recall", "expected"),
    # One-run errors of the standard split in points: HIV, SBAP and USPTO-50K at usual recalls.
    [([289, 289], 0.8, 0.0166), ([170, 170], 0.92, 0.0147), ([46] * 10, 0.94, 0.0111)],
)
def test_standard_error_of_balanced_accuracy(counts, recall, expected):
    assert balanced_accuracy_standard_error(np.array(counts), recall) == pytest.approx(
        expected, abs=5e-5
    )


def test_standard_error_equals_a_simulation():
    rng = np.random.default_rng(0)
    counts = np.array([40, 10, 25])
    drawn = (rng.binomial(counts, 0.5, size=(20_000, 3)) / counts).mean(axis=1).std()
    assert balanced_accuracy_standard_error(counts) == pytest.approx(drawn, rel=0.02)


@pytest.mark.fault(31)
def test_scaffold_groups_are_described():
    """A scaffold split of one large group, or of none, passes for a hard test."""
    scaffolds = np.arange(600)
    scaffolds[:150] = 0
    scaffolds[500:] = -1
    found = audit(small_split(), LABELS, 2, scaffolds=scaffolds)
    assert found.scaffolds.groups == 1 + 350 + 100
    assert found.scaffolds.largest_share == 0.25
    assert "The largest of 451 scaffold groups holds 25.0% of the samples" in found.warnings[0]
    scaffolds[small_split().test] = 1000
    tested = audit(small_split(), LABELS, 2, scaffolds=scaffolds)
    assert tested.warnings[0].startswith("One scaffold group is 100% of the test set: the score")
    ringless = audit(small_split(), LABELS, 2, scaffolds=np.full(600, -1))
    assert "0.2% of the samples: no molecule has a ring" in ringless.warnings[0]


def test_facts_and_sentences_are_plain_values():
    labels = np.append(LABELS, [2, 2])
    identity = np.zeros(602, dtype=np.int64)
    found = audit(
        make_split("random", labels, 3, 0, "toy"), labels, 3, identity, scaffolds=identity
    )
    read = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert read["counts"]["train"] == [210, 210, 2]
    assert len(read["problems"]) == 2
    assert read["shared"][0]["distinct"] == 1


def uspto_50k():
    """The reactions, their labels, and the split that the field inherited."""
    table = pd.read_csv(real_file("uspto_50k.csv.gz"), keep_default_na=False)
    return table["reactants_smiles"] + ">>" + table["product_smiles"], table


def shared_by(found, first, second):
    return next(s for s in found.shared if (s.first, s.second) == (first, second))


@pytest.mark.fault(24)
def test_original_split_of_uspto_50k_shares_50_reactions_between_train_and_test():
    """Reactions that are trained on are tested on, as they were for years."""
    reactions, table = uspto_50k()
    identity, distinct = pd.factorize(reactions)
    assert len(table) - len(distinct) == 314
    parts = [np.flatnonzero(table["split"] == name) for name in ("train", "val", "test")]
    found = audit(Split(*parts), table["label"].to_numpy(), 10, identity)
    leak = shared_by(found, "train", "test")
    assert (leak.distinct, leak.first_samples) == (50, 53)
    first, second = leak.examples[0]
    assert reactions[first] == reactions[second]
    assert (table["split"][first], table["split"][second]) == ("train", "test")


def prepared_reactions(pairs, labels, folder):
    """The reactions as every data set goes: parsed, without atom maps, canonical."""
    entities = tuple(
        Entity(name, "molecule", list(side))
        for name, side in zip(("reactants", "product"), zip(*pairs, strict=True), strict=True)
    )
    raw = RawSamples(entities, np.asarray(labels), tuple(map(str, range(10))))
    return assemble("toy", build_arrays(raw, folder / "toy"), "0", "0")


def mapped_and_rewritten(smiles, rng):
    """The same molecules, atoms in another order and each with a map number."""
    mol = Chem.MolFromSmiles(smiles)
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(int(rng.integers(1, 900)))
    order = rng.permutation(mol.GetNumAtoms()).tolist()
    return Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)


@pytest.mark.fault(24)
def test_the_50_reactions_are_found_through_atom_maps_and_other_writings(tmp_path):
    """Atom maps or another writing hide that a reaction is trained and tested on."""
    reactions, table = uspto_50k()
    rng = np.random.default_rng(0)
    ends = [set(reactions[table["split"] == name]) for name in ("train", "test")]
    leaked = reactions.isin(ends[0] & ends[1])
    others = pd.Series(rng.random(len(table)) < 0.02)
    rows = np.flatnonzero(leaked | others)
    pairs = [tuple(reactions[row].split(">>")) for row in rows]
    part = table["split"][rows].to_numpy()
    written = [
        tuple(mapped_and_rewritten(side, rng) for side in pair) if name == "test" else pair
        for pair, name in zip(pairs, part, strict=True)
    ]
    data = prepared_reactions(written, table["label"][rows], tmp_path)
    split = Split(*(np.flatnonzero(part == name) for name in ("train", "val", "test")))
    leak = shared_by(audit(split, data.labels, 10, data.identity, rows=rows), "train", "test")
    assert (leak.distinct, leak.first_samples) == (50, 53)


@pytest.mark.slow
@pytest.mark.fault(24)
def test_the_whole_original_split_is_audited_after_canonicalisation(tmp_path):
    """Canonicalisation finds other leaks than comparing text, or loses some."""
    reactions, table = uspto_50k()
    data = prepared_reactions([tuple(r.split(">>")) for r in reactions], table["label"], tmp_path)
    split = Split(*(np.flatnonzero(table["split"] == n) for n in ("train", "val", "test")))
    found = audit(split, data.labels, 10, data.identity)
    leak = shared_by(found, "train", "test")
    assert (leak.distinct, leak.first_samples) == (50, 53)
    assert len(data) - len(np.unique(data.identity)) == 314
