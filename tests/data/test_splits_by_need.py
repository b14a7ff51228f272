"""Splits that read more than labels: column, time, cold_drug, butina, and cv5."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from bench.data.clusters import butina
from bench.data.splits._assign import cut_valid, part_sizes
from bench.data.splits._dates import ranks_of
from bench.data.splits.cold_drug import ColdDrugOptions
from bench.data.splits.cv5 import Cv5Options
from bench.errors import SplitError, UsageError
from bench.split import SPLITS, Samples, Split, Splitter, make_split, register_split

UNLUCKY = (
    "Expected at least one sample in every set",
    "Expected every class in the",
    "Expected enough",
    "Expected at least 3 different dates",
    "Expected rows of train and of test",
)


def split_of(name, labels, seed=0, **arguments):
    labels = np.asarray(labels)
    return make_split(name, labels, labels.max() + 1, seed, "toy", **arguments)


def possible(name, labels, seed, **arguments):
    try:
        return split_of(name, labels, seed, **arguments)
    except SplitError as error:
        if not str(error).startswith(UNLUCKY):
            raise
        reject()


def sizes(split):
    return tuple(len(own) for own in (*split.parts().values(), split.discarded))


def require_whole(split, count):
    everyone = np.concatenate([*split.parts().values(), split.discarded])
    np.testing.assert_array_equal(np.sort(everyone), np.arange(count))


@st.composite
def labels_of_all_classes(draw, smallest=40, largest=200):
    size = draw(st.integers(smallest, largest))
    classes = draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = 0.5 ** np.arange(classes)
    labels = rng.choice(classes, size, p=weights / weights.sum())
    labels[:classes] = np.arange(classes)
    return labels


class TestNeeds:
    def test_a_splitter_of_the_first_contract_gets_what_it_got(self):
        class Old(Splitter):
            def make(self, labels, num_classes, rng, *, groups, scaffolds):
                assert num_classes == 2
                assert scaffolds.tolist() == [0, 0, 1, -1]
                assert groups is None
                return Split(np.array([0, 1]), np.array([2]), np.array([3]))

        register_split("old_plugin", title="Old", reference="none", needs_scaffolds=True)(Old)
        try:
            assert SPLITS.get("old_plugin").facts["needs"] == ("scaffolds",)
            scaffolds = np.array([0, 0, 1, -1])
            assert sizes(split_of("old_plugin", [0, 1, 0, 1], scaffolds=scaffolds)) == (2, 1, 1, 0)
            with pytest.raises(UsageError, match="Expected `scaffolds`"):
                split_of("old_plugin", [0, 1, 0, 1])
        finally:
            del SPLITS._entries["old_plugin"]

    @pytest.mark.parametrize("needs", [("scafolds",), "scaffolds"])
    def test_unknown_needs_are_refused(self, needs):
        with pytest.raises(UsageError, match="among scaffolds, molecules, clusters, dates"):
            register_split("other", title="Other", reference="none", needs=needs)

    @pytest.mark.parametrize(
        ("name", "need", "hint"),
        [
            ("time", "dates", "--date-col"),
            ("column", "split_column", "--split-col"),
            ("butina", "clusters", "cluster number"),
            ("cold_drug", "molecules", "each input"),
        ],
    )
    def test_what_is_not_given_is_named(self, name, need, hint):
        with pytest.raises(UsageError, match=f"Expected `{need}` for .*{hint}"):
            split_of(name, [0, 1, 0, 1])

    def test_lengths_are_checked(self):
        with pytest.raises(SplitError, match="`dates` to hold 4 texts, but got 3"):
            split_of("time", [0, 1, 0, 1], dates=["1", "2", "3"])
        with pytest.raises(SplitError, match="`molecules` to hold 4 whole numbers"):
            split_of("cold_drug", [0, 1, 0, 1], molecules=[np.arange(3)])

    def test_an_unknown_argument_is_refused(self):
        with pytest.raises(TypeError, match="'scafolds'"):
            split_of("random", [0, 1, 0, 1], scafolds=np.arange(4))

    def test_notes_are_no_part_of_the_hash(self):
        parts = np.array([0]), np.array([1]), np.array([2])
        assert Split(*parts, notes=("said",)).hash == Split(*parts).hash


class TestColumn:
    WORDS = ("train", "TRAIN", " valid", "Val", "validation ", "test", "Test", "", "NaN")

    @given(labels_of_all_classes(), st.data())
    @settings(max_examples=25, deadline=None)
    def test_every_row_is_where_the_column_says(self, labels, data):
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        texts = [self.WORDS[n] for n in rng.integers(0, len(self.WORDS), len(labels))]
        split = possible("column", labels, data.draw(st.integers(0, 99)), split_column=texts)
        require_whole(split, len(labels))
        for part, starts in (("train", "tr"), ("valid", "va"), ("test", "te")):
            own = [n for n, text in enumerate(texts) if text.strip().lower().startswith(starts)]
            assert getattr(split, part).tolist() == own
        blank = sum(text in ("", "NaN") for text in texts)
        assert len(split.discarded) == blank
        if blank:
            assert f"{blank:,} of {len(labels):,} samples have no value" in split.notes[0]

    def test_a_missing_validation_set_is_cut_from_training(self):
        labels = np.repeat([0, 1, 2], [60, 30, 10])
        texts = np.array(["train"] * 100, object)
        texts[[*range(40, 60), *range(80, 90), 99]] = "test"  # leaves 40, 20 and 9
        seen = set()
        for seed in range(3):
            split = split_of("column", labels, seed, split_column=texts.tolist())
            assert np.bincount(labels[split.valid]).tolist() == [4, 2, 1]
            assert split.test.tolist() == np.flatnonzero(texts == "test").tolist()
            assert "7 of the 69 samples of train are taken" in split.notes[0]
            seen.add(split.hash)
        assert len(seen) == 3

    def test_other_values_are_named_with_their_rows_counted(self):
        texts = ["0", "1", "2", "3"] * 5
        with pytest.raises(SplitError, match=r"but got '0', '1', '2', '3' in 20 rows"):
            split_of("column", [0, 1] * 10, split_column=texts)
        texts = ["train"] * 10 + ["test"] * 9 + ["holdout"]
        with pytest.raises(SplitError, match=r"but got 'holdout' in 1 rows.*--split-col"):
            split_of("column", [0, 1] * 10, split_column=texts)

    def test_an_empty_test_set_is_refused(self):
        texts = ["train"] * 15 + ["valid"] * 4 + [""]
        words = "rows of train and of test .* got 15 train, 4 valid, 0 test and 1 without"
        with pytest.raises(SplitError, match=words):
            split_of("column", [0, 1] * 10, split_column=texts)

    def test_a_class_in_test_only_is_named(self):
        texts = ["train"] * 12 + ["valid"] * 4 + ["test"] * 4
        labels = [0, 1] * 8 + [2] * 4
        with pytest.raises(SplitError, match=r"'column', but got none of class 2") as caught:
            split_of("column", labels, split_column=texts)
        assert list(caught.value.classes) == [2]


class TestTime:
    @pytest.mark.parametrize(
        ("texts", "ranks"),
        [
            (["2001", "1999", "2001", "2020"], [1, 0, 1, 2]),
            (["9", "10", "-1.5", "1e1", ".5"], [2, 3, 0, 3, 1]),
            (["9007199254740993", "9007199254740992"], [1, 0]),
            (["2020", "2020-01", "2020-01-01", "2019-12-31"], [1, 1, 1, 0]),
            (["2020-05-01T12:00", "2020-05-01 12:00:00", "2020-05-01T12:00:00.5"], [0, 0, 1]),
            (["2020-05-01T12:00Z", "2020-05-01T13:00+02:00"], [1, 0]),
            (["2020-02-29", "", "NaN", " n/a "], [0, -1, -1, -1]),
        ],
    )
    def test_ranks(self, texts, ranks):
        assert ranks_of(texts, np.arange(len(texts))).tolist() == ranks

    @pytest.mark.parametrize(
        "text",
        ["2020-13", "2021-02-29", "01/02/2020", "May 2020", "2020-5-1", "2020-W01", "x", "0000-01",
         "2020-01-01T25:00", "inf", "٢٠٢٠", "1e9999"],
    )  # fmt: skip
    def test_what_is_no_date_is_named_with_its_row(self, text):
        with pytest.raises(SplitError) as caught:
            ranks_of(["2020-01-01", text, "2020"], np.array([4, 17, 30]))
        assert f"other texts in 1 rows (counted from 0 below the header): row 17: {text!r}" in str(
            caught.value
        )

    def test_a_month_before_its_year_is_no_number(self):
        with pytest.raises(
            SplitError, match=r"a month before its year in every row, such as 12\.2020"
        ):
            ranks_of(["5.2021", "12.2020", ""], np.arange(3))
        assert ranks_of(["5.2021", "12.2020", "13.2020"], np.arange(3)).tolist() == [0, 1, 2]

    def test_a_day_before_its_year_is_no_number(self):
        with pytest.raises(SplitError, match="a day before its year in every row, such as 1022021"):
            ranks_of(["31012020", "15062020", "1022021", ""], np.arange(4))
        assert ranks_of(["31012020", "15062020", "7"], np.arange(3)).tolist() == [2, 1, 0]

    def test_numbers_among_dates_are_named(self):
        with pytest.raises(SplitError, match="row 1: '20200101', row 2: '5'"):
            ranks_of(["2020-01-01", "20200101", "5"], np.arange(3))

    def test_dates_without_signs_are_refused_where_numbers_order_them_otherwise(self):
        with pytest.raises(SplitError, match="such as 2020, 202005, 19991231"):
            ranks_of(["2020", "19991231", "202005", "", "2021"], np.arange(5))
        assert ranks_of(["20200131", "19991231"], np.arange(2)).tolist() == [1, 0]
        # Not all can be dates.
        assert ranks_of(["2020", "20201331", "7"], np.arange(3)).tolist() == [1, 2, 0]

    @given(labels_of_all_classes(), st.integers(3, 60), st.integers(0, 2**32 - 1), st.booleans())
    @settings(max_examples=30, deadline=None)
    def test_no_part_holds_what_is_newer_than_the_next(self, labels, days, seed, numbers):
        rng = np.random.default_rng(seed)
        drawn = rng.integers(0, days, len(labels))
        start = datetime(2019, 12, 20, tzinfo=UTC)
        dates = [
            str(day) if numbers else f"{start + timedelta(days=int(day)):%Y-%m-%d}" for day in drawn
        ]
        absent = rng.random(len(labels)) < 0.05
        dates = ["" if gone else date for date, gone in zip(dates, absent, strict=True)]
        split = possible("time", labels, 0, dates=dates)
        require_whole(split, len(labels))
        assert split.discarded.tolist() == np.flatnonzero(absent).tolist()
        train, valid, test = (drawn[own] for own in split.parts().values())
        assert train.max() < valid.min()
        assert valid.max() < test.min()
        assert split.hash == split_of("time", labels, 1, dates=dates).hash
        # The end of training is the whole date nearest to 70 %.
        wanted = part_sizes(int((~absent).sum()))[0]
        known = np.sort(np.unique(drawn[~absent]))
        ends = [int((drawn[~absent] <= day).sum()) for day in known[:-2]]
        assert abs(len(train) - wanted) == min(abs(end - wanted) for end in ends)

    def test_worked_numbers(self):
        # Ten samples: 7, 1 and 2 are wanted. Up to 2001 there are 4, up to 2002 6, up to 2003 9.
        dates = ["2001"] * 4 + ["2002"] * 2 + ["2003"] * 3 + ["2004"]
        split = split_of("time", [0, 1] * 5, dates=dates)
        assert sizes(split) == (6, 3, 1, 0)
        split = split_of("time", [0, 1] * 5, dates=dates[::-1])
        assert split.train.tolist() == [4, 5, 6, 7, 8, 9]

    def test_two_dates_are_too_few(self):
        with pytest.raises(SplitError, match="3 different dates to split by, but got 2 in 3"):
            split_of("time", [0, 1, 0, 1], dates=["2001", "2002", "2002", ""])

    def test_a_class_that_is_new_in_test_is_named(self):
        dates = [str(2000 + n) for n in range(10)]
        with pytest.raises(SplitError, match="'time', but got none of class 2"):
            split_of("time", [0, 1] * 4 + [2, 2], dates=dates)


def pairs(seed, drugs, count, inputs):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, drugs, count) for _ in range(inputs)]


class TestColdDrug:
    @given(
        labels_of_all_classes(80, 300),
        st.integers(10, 120),
        st.integers(1, 3),
        st.integers(0, 2**32 - 1),
        st.sampled_from(["both", "first", "second"]),
    )
    @settings(max_examples=30, deadline=None)
    def test_no_molecule_is_in_two_sets(self, labels, drugs, inputs, seed, counted):
        molecules = pairs(seed, drugs, len(labels), inputs)
        if counted == "second" and inputs == 1:
            reject()
        options = ColdDrugOptions(molecules=counted)
        split = possible("cold_drug", labels, 0, molecules=molecules, options=options)
        require_whole(split, len(labels))
        chosen = {"both": molecules, "first": molecules[:1], "second": molecules[1:2]}[counted]
        found = {
            part: set(np.concatenate([column[own] for column in chosen]).tolist())
            for part, own in split.parts().items()
        }
        assert not found["train"] & found["test"]
        assert not found["train"] & found["valid"]
        assert not found["valid"] & found["test"]
        assert set(labels[split.train]) == set(labels)
        if len(chosen) == 1:
            assert not len(split.discarded)
            assert not split.notes
        elif len(split.discarded):
            assert f"{len(split.discarded):,} of {len(labels):,} samples" in split.notes[0]

    def test_the_place_of_a_molecule_in_a_pair_does_not_matter(self):
        """A drug that is first in a pair that is tested is second in one that is trained on."""
        molecules = pairs(0, 60, 600, 2)
        labels = np.arange(600) % 2
        split = split_of("cold_drug", labels, molecules=molecules)
        train = set(molecules[0][split.train]) | set(molecules[1][split.train])
        assert not train & set(molecules[1][split.test])
        assert not train & set(molecules[0][split.test])

    def test_each_class_keeps_its_training(self):
        """The one sample of a class is a pair of drugs that would be tested."""
        molecules = pairs(0, 60, 600, 2)
        labels = np.arange(600) % 2
        for seed in range(5):
            plain = split_of("cold_drug", labels, seed, molecules=molecules)
            alone = labels.copy()
            alone[plain.test[0]] = 2
            split = split_of("cold_drug", alone, seed, molecules=molecules)
            assert plain.test[0] in split.train
            assert 2 not in alone[split.test]

    def test_a_set_of_which_nothing_is_left_to_test_is_refused(self):
        """Each class lives on one drug of its own: all must be trained on."""
        labels = np.repeat(np.arange(10), 6)
        words = "at least one sample in every set, but got 60 in train, 0 in valid, 0 in test"
        with pytest.raises(SplitError, match=words):
            split_of("cold_drug", labels, molecules=[labels])

    def test_a_second_molecule_must_be_there(self):
        options = ColdDrugOptions(molecules="second")
        with pytest.raises(SplitError, match=r"Expected a second molecule .* have 1"):
            split_of("cold_drug", [0, 1] * 9, molecules=[np.arange(18)], options=options)


def plain_butina(bits, cutoff):
    """Butina's algorithm with all distances."""
    found = bits.astype(float)
    common = found @ found.T
    either = found.sum(1)[:, None] + found.sum(1) - common
    near = 1 - common / np.maximum(either, 1) <= cutoff
    order = sorted(range(len(bits)), key=lambda n: (-near[n].sum(), -n))
    clusters = np.full(len(bits), -1)
    for number in order:
        if clusters[number] < 0:
            clusters[near[number] & (clusters < 0)] = clusters.max() + 1
    return clusters


def alike(seed, count, centres):
    """Fingerprints around a few, 64 bits as booleans, none empty."""
    rng = np.random.default_rng(seed)
    bits = (rng.random((centres, 64)) < 0.3)[rng.integers(0, centres, count)]
    bits = bits ^ (rng.random((count, 64)) < 0.04)
    bits[:, 0] = True
    return bits


def packed(bits):
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint64)


class TestButina:
    @given(
        st.integers(0, 2**32 - 1),
        st.integers(1, 60),
        st.integers(1, 8),
        st.sampled_from([0.0, 0.2, 0.35, 0.5, 0.9]),
    )
    @settings(max_examples=25, deadline=None)
    def test_clusters_are_those_of_all_distances(self, seed, count, centres, cutoff):
        bits = alike(seed, count, centres)
        assert butina(packed(bits), cutoff).tolist() == plain_butina(bits, cutoff).tolist()

    def test_clusters_are_those_of_rdkit(self):
        from rdkit.ML.Cluster import Butina

        bits = alike(1, 80, 9)
        near = bits.astype(float) @ bits.T.astype(float)
        either = bits.sum(1)[:, None] + bits.sum(1) - near
        distances = (1 - near / either)[np.tril_indices(80, -1)]
        expected = Butina.ClusterData(distances, 80, 0.35, isDistData=True)
        clusters = butina(packed(bits), 0.35)
        assert len(expected) == clusters.max() + 1
        for number, members in enumerate(expected):
            assert set(members) == set(np.flatnonzero(clusters == number))

    def test_progress_ends_with_all(self):
        told = []
        butina(packed(alike(0, 20, 2)), 0.35, on_progress=lambda *done: told.append(done))
        assert told == [(20, 20)]

    def test_clusters_stay_whole(self):
        clusters = np.random.default_rng(0).integers(0, 60, 300)
        split = split_of("butina", np.arange(300) % 2, clusters=clusters)
        require_whole(split, 300)
        parts = [set(clusters[own]) for own in split.parts().values()]
        assert sum(map(len, parts)) == len(set(clusters))

    def test_a_split_is_that_of_scaffolds_with_these_numbers(self):
        numbers = np.random.default_rng(0).integers(0, 60, 300)
        labels = np.arange(300) % 2
        rng = np.random.default_rng
        split, other = (
            SPLITS.get(name).cls().split(
                Samples(labels, 2, None, np.arange(300), **{need: numbers}), rng(3)
            )
            for name, need in (("butina", "clusters"), ("scaffold", "scaffolds"))
        )  # fmt: skip
        assert split.hash == other.hash

    def test_one_cluster_is_refused(self):
        with pytest.raises(SplitError, match=r"Expected enough clusters .* got 1 groups"):
            split_of("butina", np.arange(50) % 2, clusters=np.zeros(50, int))


def folds_of(labels, seed, **arguments):
    options = arguments.pop("options", {})
    return [
        possible("cv5", labels, seed, options=Cv5Options(fold=fold, **options), **arguments)
        for fold in range(5)
    ]


class TestCv5:
    @given(labels_of_all_classes(), st.integers(0, 2**32))
    @settings(max_examples=25, deadline=None)
    def test_each_sample_is_tested_once_and_classes_are_even(self, labels, seed):
        folds = folds_of(labels, seed)
        counts = np.bincount(labels)
        tested = np.concatenate([split.test for split in folds])
        assert len(tested) == len(set(tested))
        # A class of one sample is never tested, all others always.
        assert set(range(len(labels))) - set(tested) == set(np.flatnonzero(counts[labels] == 1))
        for split in folds:
            require_whole(split, len(labels))
            assert not len(split.discarded)
            for k, count in enumerate(counts):
                own, valid = (np.sum(labels[part] == k) for part in (split.test, split.valid))
                if count > 1:
                    assert count // 5 <= own <= -(-count // 5)
                left = count - own
                assert valid == (min(max(round(0.125 * left), 1), left - 1) if left else 0)

    def test_worked_numbers(self):
        labels = np.repeat([0, 1], [80, 20])
        for split in folds_of(labels, 0):
            assert sizes(split) == (70, 10, 20, 0)
            assert [np.bincount(labels[own]).tolist() for own in split.parts().values()] == [
                [56, 14],
                [8, 2],
                [16, 4],
            ]

    def test_seeds_make_other_folds(self):
        labels = np.repeat([0, 1], [80, 20])
        assert len({split.hash for seed in range(5) for split in folds_of(labels, seed)}) == 25

    @given(labels_of_all_classes(100, 200), st.integers(30, 90), st.integers(0, 2**32 - 1))
    @settings(max_examples=20, deadline=None)
    def test_equal_samples_stay_together(self, labels, groups, seed):
        identity = np.random.default_rng(seed).integers(0, groups, len(labels))
        for split in folds_of(labels, 0, identity=identity, options={"group_duplicates": True}):
            parts = [set(identity[own]) for own in split.parts().values()]
            assert sum(map(len, parts)) == len(set(identity))


@given(labels_of_all_classes(), st.floats(0.05, 0.5))
@settings(max_examples=20, deadline=None)
def test_validation_is_cut_by_class(labels, share):
    members = list(np.random.default_rng(0).permutation(len(labels))[:, None])
    counts = np.bincount(labels)
    cut = np.bincount(labels[cut_valid(members, labels, share)], minlength=len(counts))
    for count, taken in zip(counts, cut, strict=True):
        assert taken == min(max(round(share * count), 1), count - 1)
