"""The four sets of many classes: toy files in their formats, and the real ones."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.data.audit import audit
from bench.data.checksums import sha256_of
from bench.data.describe import describe_data
from bench.data.obtain import locate, obtain
from bench.data.prepare import prepare
from bench.dataset import DATASETS
from bench.datasets import drugbank_ddi, ecreact, npclassifier, uspto_template
from bench.datasets._many_classes import Chosen, Counts, read_classes
from bench.datasets._table import Table
from bench.datasets.drugbank_ddi import DrugbankDdi
from bench.datasets.ecreact import Ecreact, EcreactOptions
from bench.datasets.npclassifier import Npclassifier, NpclassifierOptions
from bench.datasets.uspto_template import UsptoTemplate
from bench.errors import DataError
from bench.split import SPLITS, Split, make_split
from tests.real_data import real_file

SETS = {
    "ecreact": Ecreact, "uspto_template": UsptoTemplate, "npclassifier": Npclassifier,
    "drugbank_ddi": DrugbankDdi,
}  # fmt: skip


def write(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


def ecreact_rows():
    sources = ["brenda", "metanetx", "metanetx;rhea", "metanetx", "rhea", "metanetx"]
    pairs = [
        ("CCO", "CC=O"),
        ("CC=O", "CCO"),
        ("CO", "C=O"),
        ("CN", "C.N"),
        ("CS", "C"),
        ("F", "C"),
    ]
    classes = ["1.1.1", "1.1.1", "1.1.1", "2.3.1", "2.3.1", "4.2.99"]
    return [
        (f"R{n}", *pair, f"{ec}.7", ec, source, sorted(set(classes)).index(ec))
        for n, (pair, ec, source) in enumerate(zip(pairs, classes, sources, strict=True))
    ]


def template_rows():
    return [
        (f"US{n};;{n}", "C" * (n + 1), f"{'C' * n}O", "[C:1]>>[C:1]", f"00ab{k}", k, "train")
        for n, k in enumerate([0, 0, 0, 1, 1, 2])
    ]


def product_rows():
    pairs = [("Flavonoids", "Flavones")] * 3 + [("Flavonoids", "Chalcones")] * 2
    pairs += [("β-lactams", "beta-lactones")]
    return [
        (f"{'C' * (n + 1)}O", "P", *pair, int(n > 4), [0, 0, 0, 1, 1, 2][n])
        for n, pair in enumerate(pairs)
    ]


# One pair in both orders with two types, one with two types in one order; type 3 is small.
DRUGS = {"D1": "CCO", "D2": "CCN", "D3": "C1CC1", "D4": "c1ccccc1"}
PAIRS = [("D1", "D2", 3), ("D1", "D2", 1), ("D2", "D3", 2), ("D3", "D2", 1), ("D3", "D4", 2)]


def drug_rows():
    return [
        (a, DRUGS[a], b, DRUGS[b], f"DDI type {kind}", kind - 1, "train") for a, b, kind in PAIRS
    ]


HEADERS = {
    "ecreact": "id,substrates_smiles,products_smiles,ec,ec_class,source,label",
    "uspto_template": "id,product_smiles,reactants_smiles,template,template_id,label,split",
    "npclassifier": "smiles,pathway,superclass,class,label,class_label",
    "drugbank_ddi": "drug1_id,drug1_smiles,drug2_id,drug2_smiles,interaction,label,split",
}
ROWS = {
    "ecreact": ecreact_rows, "uspto_template": template_rows, "npclassifier": product_rows,
    "drugbank_ddi": drug_rows,
}  # fmt: skip
NAME_COLUMNS = {
    "ecreact": 4, "uspto_template": 4, "npclassifier": 2, "drugbank_ddi": 4,
}  # fmt: skip


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Writes a toy file of a set, whose counts then are the known ones, and gives its path."""
    monkeypatch.setattr(ecreact, "_COUNTS", Counts(6, 3, 3, 1))
    monkeypatch.setattr(uspto_template, "_COUNTS", Counts(6, 3, 3, 1))
    levels = {"superclass": Counts(6, 2, 5, 1), "class": Counts(6, 3, 3, 1)}
    monkeypatch.setattr(npclassifier, "_COUNTS", levels)
    monkeypatch.setattr(drugbank_ddi, "_COUNTS", Counts(5, 3, 2, 1))

    def make(name, rows=None, counts=None):
        if counts is not None:
            monkeypatch.setattr(f"bench.datasets.{name}._COUNTS", counts)
        return write(tmp_path / f"{name}.csv", HEADERS[name], rows or ROWS[name]())

    return make


def read(name, path, **options):
    cls = SETS[name]
    return cls(cls.options_type(**options)).read(path)


def test_a_reaction_has_a_direction_and_its_two_sides(toy):
    samples = read("ecreact", toy("ecreact"), min_class_size=1)
    assert [(entity.name, entity.kind) for entity in samples.entities] == [
        ("substrates", "molecule"),
        ("products", "molecule"),
    ]
    assert [entity.values[0] for entity in samples.entities] == ["CCO", "CC=O"]
    assert samples.class_names == ("1.1.1", "2.3.1", "4.2.99")
    assert samples.labels.tolist() == [0, 0, 0, 1, 1, 2]
    assert samples.row_names == [f"R{n}" for n in range(6)]
    (joined,) = read("ecreact", toy("ecreact"), min_class_size=1, inputs="joined").entities
    assert joined.values[:2] == ["CCO.CC=O", "CC=O.CCO"]


def test_small_classes_are_left_out_and_the_others_numbered_anew(toy):
    rows = ROWS["drugbank_ddi"]()
    samples = read("drugbank_ddi", toy("drugbank_ddi"), min_class_size=2)
    assert samples.class_names == ("DDI type 1", "DDI type 2")
    assert samples.labels.tolist() == [0, 1, 0, 1]
    assert samples.rows.tolist() == [1, 2, 3, 4]
    assert samples.row_names == ["D1/D2", "D2/D3", "D3/D2", "D3/D4"]
    assert samples.entities[1].values == [row[3] for row in rows[1:]]
    assert samples.notes[-1] == (
        "Left out, as min_class_size is 2: 1 of 3 classes, 1 of 5 rows: DDI type 3 (1)."
    )


def test_reactions_of_metanetx_alone_are_left_out_with_the_classes_they_leave_empty(toy):
    samples = read("ecreact", toy("ecreact"), sources="open", min_class_size=1)
    assert samples.row_names == ["R0", "R2", "R4"]
    assert samples.class_names == ("1.1.1", "2.3.1")
    assert samples.labels.tolist() == [0, 0, 1]
    assert samples.rows.tolist() == [0, 2, 4]
    assert samples.notes[1:] == (
        "Left out, as sources is 'open', which does without what MetaNetX alone has: 3 of 6 "
        "rows, and with them 1 of 3 classes.",
    )


def test_levels_have_names_of_their_own(toy):
    path = toy("npclassifier")
    coarse = read("npclassifier", path, min_class_size=1)
    fine = read("npclassifier", path, level="class", min_class_size=1)
    assert coarse.class_names == ("Flavonoids", "β-lactams")
    assert fine.class_names == ("Flavones", "Chalcones", "beta-lactones")
    assert (coarse.labels.tolist(), fine.labels.tolist()) == ([0] * 5 + [1], [0, 0, 0, 1, 1, 2])
    assert coarse.entities == fine.entities


def test_a_product_is_the_only_input_of_a_template(toy):
    samples = read("uspto_template", toy("uspto_template"), min_class_size=2)
    (entity,) = samples.entities
    assert (entity.name, entity.values) == ("product", ["C" * n for n in range(1, 6)])
    assert samples.class_names == ("00ab0", "00ab1")
    assert set(UsptoTemplate.options_type.model_fields) == {"min_class_size"}


@pytest.mark.parametrize("name", sorted(SETS))
class TestOtherFilesAreRefused:
    def test_a_row_short(self, toy, name):
        with pytest.raises(DataError, match=r"Expected [56] rows in [23] classes of 1 to [235]"):
            read(name, toy(name, ROWS[name]()[1:]))

    def test_numbers_with_a_gap(self, toy, name):
        rows = [list(row) for row in ROWS[name]()]
        place = HEADERS[name].split(",").index("label")
        for row in rows:
            row[place] += row[place] > 0
        with pytest.raises(DataError, match=r"numbered 0 to [12], in .*, numbered 0 to [23]"):
            read(name, toy(name, rows))

    def test_a_class_of_two_names(self, toy, name):
        rows = [list(row) for row in ROWS[name]()]
        rows[1][NAME_COLUMNS[name]] = "another"
        with pytest.raises(DataError, match=r"Expected one name a class in .*, but row [13], "):
            read(name, toy(name, rows))

    def test_a_column_that_is_not_there(self, toy, name):
        column = HEADERS[name].split(",")[NAME_COLUMNS[name]]
        path = toy(name)
        path.write_text(path.read_text().replace(column, "other", 1))
        with pytest.raises(DataError, match=f"Expected a column '{column}'"):
            read(name, path)

    def test_no_class_is_large_enough(self, toy, name):
        with pytest.raises(DataError, match=r"two classes of 6 rows or more .* [235] and [12]\. L"):
            read(name, toy(name), min_class_size=6)

    def test_options_out_of_range(self, name):
        with pytest.raises(ValidationError, match="greater than or equal to 1"):
            SETS[name].options_type(min_class_size=0)

    def test_bytes_other_than_the_known_ones(self, toy, name, tmp_path):
        path = tmp_path / f"{name}.csv.gz"
        path.write_bytes(b"other")
        with pytest.raises(DataError, match=r"Expected .* to have the sha256"):
            obtain(SETS[name](), data_dir=tmp_path)


def test_options_that_are_not_offered_are_refused():
    with pytest.raises(ValidationError, match="pair"):
        EcreactOptions(inputs="reactants")
    with pytest.raises(ValidationError, match="open"):
        EcreactOptions(sources="rhea")
    with pytest.raises(ValidationError, match="superclass"):
        NpclassifierOptions(level="pathway")


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=8),
    least=st.integers(1, 7),
    data=st.data(),
)
def test_what_is_left_is_whole_and_numbered_without_gaps(sizes, least, data):
    labels = data.draw(st.permutations([k for k, size in enumerate(sizes) for _ in range(size)]))
    chosen = data.draw(st.sets(st.integers(0, len(labels) - 1), min_size=1).map(sorted))
    table = Table("x", {"name": [f"class {k}" for k in labels], "label": [str(k) for k in labels]})
    counts = Counts(len(labels), len(sizes), max(sizes), min(sizes))
    found = Counter(labels[row] for row in chosen)
    large = [k for k in range(len(sizes)) if found[k] >= least]
    arguments = (table, "name", counts, least)
    if len(large) < 2:
        with pytest.raises(DataError, match="at least two classes"):
            read_classes(*arguments, chosen=Chosen(np.array(chosen), "x"))
        return
    kept = read_classes(*arguments, chosen=Chosen(np.array(chosen), "x"))
    expected = [(row, large.index(labels[row])) for row in chosen if labels[row] in large]
    assert list(zip(kept.rows.tolist(), kept.labels.tolist(), strict=True)) == expected
    assert kept.names == tuple(f"class {k}" for k in large)
    assert kept.labels.dtype == np.int64
    assert len(kept.notes) == 1 + (len(large) < len(found))
    assert kept.of(table.column("label")) == [str(labels[row]) for row, _ in expected]


def prepared(name, path, tmp_path, **options):
    cls = SETS[name]
    dataset = cls(cls.options_type(**options))
    return prepare(name, dataset, path, sha256_of(path), cache_dir=tmp_path / "cache")


def test_a_pair_of_drugs_is_the_same_in_both_orders_and_rows_are_those_of_the_file(toy, tmp_path):
    data = prepared("drugbank_ddi", toy("drugbank_ddi"), tmp_path, min_class_size=2)
    one, both, other_order, alone = data.identity
    assert both == other_order
    assert len({one, both, alone}) == 3
    assert data.rows.tolist() == [1, 2, 3, 4]
    facts = describe_data(data)
    assert facts.conflicts == ((2, 3),)
    whole = prepared("drugbank_ddi", toy("drugbank_ddi"), tmp_path, min_class_size=1)
    assert describe_data(whole).conflicts == ((0, 1), (2, 3))
    # The first drug stays first, although the pair is one.
    assert [whole.smiles[n] for n in whole.entities[0].index] == [
        DRUGS[first] for first, _, _ in PAIRS
    ]


def test_the_audit_finds_a_pair_in_both_orders_and_grouping_keeps_it_together(toy, tmp_path):
    rows = [(*row[:4], f"DDI type {k + 1}", k, "") for k in (0, 1) for row in drug_rows()[2:4]] * 9
    path = toy("drugbank_ddi", rows, Counts(36, 2, 18, 18))
    data = prepared("drugbank_ddi", path, tmp_path)
    halves = Split(train=np.arange(0, 36, 2), valid=np.array([1]), test=np.arange(3, 36, 2))
    found = audit(halves, data.labels, 2, data.identity, rows=data.rows)
    assert {(one.first, one.second) for one in found.shared} >= {("train", "test")}


def test_duplicate_groups_hold_both_orders(toy, tmp_path):
    smiles = [f"{'C' * n}O" for n in range(1, 41)]
    pairs = list(zip(smiles[::2], smiles[1::2], strict=True))
    rows = [
        (a, a, b, b, f"DDI type {k + 1}", k, "")
        for k in (0, 1)
        for a, b in (pairs if k else [pair[::-1] for pair in pairs])
    ]
    path = toy("drugbank_ddi", rows, Counts(40, 2, 20, 20))
    data = prepared("drugbank_ddi", path, tmp_path)
    assert len(set(data.identity)) == 20
    options = SPLITS.get("random").cls.options_type(group_duplicates=True)
    split = make_split(
        "random", data.labels, 2, 0, "drugbank_ddi", options=options, identity=data.identity
    )
    assert audit(split, data.labels, 2, data.identity).shared == ()


def test_a_reaction_and_its_reverse_differ_and_writings_of_one_do_not(toy, tmp_path):
    rows = [list(row) for row in ecreact_rows()]
    rows[2][1:3] = ["OCC", "O=CC"]
    one, reverse, again, *_ = prepared(
        "ecreact", toy("ecreact", rows), tmp_path, min_class_size=1
    ).identity
    assert one == again != reverse


def test_unusable_rows_have_the_number_that_they_have_in_the_file(toy, tmp_path):
    rows = [list(row) for row in drug_rows()]
    rows[4][3] = "c1ccccc"
    data = prepared("drugbank_ddi", toy("drugbank_ddi", rows), tmp_path, min_class_size=2)
    (bad,) = data.unusable
    assert (bad.row, bad.name) == (4, "D3/D4")
    assert (data.rows.tolist(), data.total_rows) == ([1, 2, 3], 4)


REAL = [
    ("ecreact", {}, 23_583, 151, 2_205, 10),
    ("ecreact", {"sources": "open"}, 10_981, 121, 895, 10),
    ("uspto_template", {}, 25_720, 620, 782, 10),
    ("uspto_template", {"min_class_size": 50}, 16_454, 123, 782, 50),
    ("npclassifier", {}, 78_319, 68, 8_979, 25),
    ("npclassifier", {"level": "class", "min_class_size": 1}, 78_336, 652, 6_889, 2),
    ("drugbank_ddi", {}, 191_556, 83, 60_730, 10),
]


@pytest.mark.parametrize(("name", "options", "rows", "classes", "largest", "smallest"), REAL)
def test_real_files_have_the_rows_and_classes_of_their_description(
    name, options, rows, classes, largest, smallest
):
    samples = read(name, real_file(f"{name}.csv.gz"), **options)
    counts = np.bincount(samples.labels)
    assert (len(samples.labels), len(counts)) == (rows, classes)
    assert (counts.max(), counts.min()) == (largest, smallest)
    assert len(set(samples.class_names)) == classes
    assert all(len(entity.values) == rows for entity in samples.entities)


def test_real_files_are_found_by_their_checksum():
    for name, cls in SETS.items():
        real_file(f"{name}.csv.gz")
        assert locate(cls()).path.name == f"{name}.csv.gz"


def test_every_own_data_set_states_a_licence_and_drugbank_is_not_downloaded():
    stated = {entry.name: entry.facts["licence"] for entry in DATASETS if DATASETS.is_own(entry)}
    assert {name for name, licence in stated.items() if not licence} == {"csv"}
    assert "not for commercial use" in stated["drugbank_ddi"]
    assert all(not source.url and not source.wheel for source in DrugbankDdi.sources)
