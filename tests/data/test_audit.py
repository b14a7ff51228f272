from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.audit import audit, balanced_accuracy_standard_error
from bench.errors import SplitError
from bench.split import Split, make_split

DATA = Path(__file__).parents[3] / "shared" / "data"

LABELS = np.repeat([0, 1], [300, 300])


def small_split():
    return make_split("random", LABELS, 2, 0, "toy")


def test_sound_split_has_no_findings():
    found = audit(small_split(), LABELS, 2, np.arange(600), scaffolds=np.arange(600))
    assert found.problems == ()
    assert found.warnings == ()
    assert found.split_hash == small_split().hash
    assert found.sizes == {"train": 420, "valid": 60, "test": 120, "discarded": 0}


def test_table_has_a_row_for_each_class_and_for_all():
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


def test_class_absent_from_a_part_is_named():
    labels = np.append(LABELS, [2, 2])
    found = audit(
        make_split("random", labels, 3, 0, "toy"), labels, 3, class_names=("a", "b", "rare")
    )
    assert [(lost.part, lost.class_name, lost.total) for lost in found.absent] == [
        ("valid", "rare", 2),
        ("test", "rare", 2),
    ]
    assert "Class rare (2 samples in all) has no sample in valid" in found.problems[0]


@pytest.mark.parametrize("part", ["valid", "test"])
def test_class_in_no_training_sample_is_refused(part):
    labels = np.zeros(600, dtype=np.int64)
    labels[small_split().parts()[part]] = 1
    with pytest.raises(SplitError, match="training part, but got no sample of 1"):
        audit(small_split(), labels, 2)


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


def test_discarded_duplicates_are_no_leak():
    split = Split(np.array([0, 1]), np.array([2, 3]), np.array([4, 5]), np.array([6]))
    identity = np.array([0, 1, 2, 3, 4, 5, 0])
    assert audit(split, np.arange(7) % 2, 2, identity).shared == ()


@pytest.mark.parametrize(("size", "warned"), [(29, True), (30, False)])
def test_test_part_with_fewer_than_30_a_class_is_warned_of(size, warned):
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


def test_scaffold_groups_are_described():
    scaffolds = np.arange(600)
    scaffolds[:150] = 0
    scaffolds[500:] = -1
    found = audit(small_split(), LABELS, 2, scaffolds=scaffolds)
    assert found.scaffolds.groups == 1 + 350 + 100
    assert found.scaffolds.largest_share == 0.25
    assert "The largest of 451 scaffold groups holds 25.0% of the samples" in found.warnings[0]
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


@pytest.mark.skipif(not DATA.exists(), reason="the real data files are not here")
def test_original_split_of_uspto_50k_shares_50_reactions_between_train_and_test():
    table = pd.read_csv(DATA / "uspto_50k.csv.gz", keep_default_na=False)
    reactions = table["reactants_smiles"] + ">>" + table["product_smiles"]
    identity, distinct = pd.factorize(reactions)
    assert len(table) - len(distinct) == 314
    parts = [np.flatnonzero(table["split"] == name) for name in ("train", "val", "test")]
    found = audit(Split(*parts), table["label"].to_numpy(), 10, identity)
    leak = next(s for s in found.shared if (s.first, s.second) == ("train", "test"))
    assert (leak.distinct, leak.first_samples) == (50, 53)
    first, second = leak.examples[0]
    assert reactions[first] == reactions[second]
    assert (table["split"][first], table["split"][second]) == ("train", "test")
