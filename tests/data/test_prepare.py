from __future__ import annotations

import csv
import gzip
import hashlib
import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from bench.data import morgan
from bench.data import prepare as prepare_module
from bench.data.conflicts import ConflictPolicy
from bench.data.describe import describe_data
from bench.data.morgan import morgan_counts
from bench.data.obtain import locate
from bench.data.prepare import prepare, scaffolds
from bench.data.prepared import PreparedData, Unusable
from bench.dataset import DATASETS, Dataset, Entity, RawSamples
from bench.datasets.csv_file import CsvFile, CsvOptions
from bench.errors import DataError
from bench.options import Options
from bench.split import SPLITS, make_split
from tests.real_data import real_file

ROOT = Path(__file__).parents[2]
NAME = "toy_prepare"


def real_rows(file: str) -> list[dict[str, str]]:
    with gzip.open(real_file(f"{file}.csv.gz"), "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


class ToyOptions(Options):
    reverse: bool = False


class ConflictOptions(Options):
    conflicts: ConflictPolicy


class Toy(Dataset):
    """Reads what the test put into `raw` and counts how often."""

    options_type = ToyOptions

    def __init__(self, raw: RawSamples, options: ToyOptions | None = None) -> None:
        super().__init__(options)
        self.raw = raw
        self.reads = 0

    def read(self, path: Path) -> RawSamples:
        self.reads += 1
        return self.raw


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    DATASETS.discover()
    monkeypatch.setattr(DATASETS, "_entries", dict(DATASETS._entries))
    DATASETS.add(NAME, Toy, title="toy", reference="none", version=1)


@pytest.fixture
def ready(tmp_path) -> Callable[..., PreparedData]:
    def run(toy: Toy, content: bytes = b"0", **options: object) -> PreparedData:
        path = tmp_path / "toy.csv"
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return prepare(NAME, toy, path, sha256, cache_dir=tmp_path / "cache", **options)

    return run


def molecules(*smiles: object, classes: int = 2, **fields: object) -> RawSamples:
    labels = np.arange(len(smiles)) % classes
    names = tuple(f"class {k}" for k in range(classes))
    return RawSamples((Entity("molecule", "molecule", smiles),), labels, names, **fields)


def reactions(*pairs: tuple[str, str]) -> RawSamples:
    left, right = zip(*pairs, strict=True)
    return RawSamples(
        (Entity("reactants", "molecule", left), Entity("product", "molecule", right)),
        np.zeros(len(pairs), np.int64),
        ("all",),
    )


def test_samples_keep_rows_labels_and_molecules(ready):
    data = ready(Toy(molecules("CCO", "c1ccccc1", "CCO")))
    assert data.labels.tolist() == [0, 1, 0]
    assert data.rows.tolist() == [0, 1, 2]
    assert data.class_names == ("class 0", "class 1")
    (entity,) = data.entities
    assert (entity.name, entity.kind) == ("molecule", "molecule")
    assert entity.index.dtype == np.int32
    assert len(data.graphs) == 2
    assert [data.smiles[n] for n in entity.index] == ["CCO", "c1ccccc1", "CCO"]
    assert data.graphs.atoms_per_graph()[entity.index].tolist() == [3, 6, 3]


def test_identity_sees_through_writings_and_atom_maps(ready):
    data = ready(Toy(molecules("CCO", "OCC", "[CH3:1][CH2:2][OH:3]", "CCN", "CCO")))
    one, two, three, other, again = data.identity
    assert one == two == three == again != other
    assert data.identity.dtype == np.int64


def test_opposite_labels_of_one_molecule_stay_visible(ready):
    data = ready(Toy(molecules("CCO", "OCC")))
    assert data.identity[0] == data.identity[1]
    assert data.labels[0] != data.labels[1]


def test_identity_of_a_reaction_has_an_order(ready):
    data = ready(Toy(reactions(("CCO", "CC=O"), ("OCC", "O=CC"), ("CC=O", "CCO"))))
    assert data.identity[0] == data.identity[1] != data.identity[2]
    assert [entity.name for entity in data.entities] == ["reactants", "product"]


def test_identity_of_a_pair_includes_sequence_and_category(ready):
    raw = RawSamples(
        (
            Entity("drug", "molecule", ["CCO", "OCC", "CCO", "CCO"]),
            Entity("target", "protein", ["MK", "MK", "MA", "MK"]),
            Entity("assay", "category", ["b", "b", "b", "a"]),
        ),
        np.zeros(4, np.int64),
        ("all",),
    )
    data = ready(Toy(raw))
    assert len(set(data.identity)) == 3
    assert data.identity[0] == data.identity[1]
    assert data.proteins == ("MA", "MK")
    assert data.categories == ("a", "b")
    assert [entity.index.tolist() for entity in data.entities[1:]] == [[1, 1, 0, 1], [1, 1, 1, 0]]


def test_the_order_of_the_rows_changes_no_graph(ready):
    one = ready(Toy(molecules("CCO", "c1ccccc1", "C")), content=b"1")
    other = ready(Toy(molecules("C", "CCO", "c1ccccc1")), content=b"2")
    for name, array in one.graphs.arrays().items():
        np.testing.assert_array_equal(array, other.graphs.arrays()[name])


def test_few_unusable_rows_are_left_out_with_reasons(ready):
    smiles: list[object] = ["CCO"] * 400
    smiles[7], smiles[8], smiles[9] = "C1CC", None, "CN(C)(C)(C)C"
    raw = replace(molecules(*smiles), row_names=[f"id{n}" for n in range(400)])
    raw.labels[10] = -1
    raw = replace(raw, unusable={10: "no label"})
    data = ready(Toy(raw))
    assert data.unusable == (
        Unusable(7, "id7", "molecule: unclosed ring for input: 'C1CC'"),
        Unusable(8, "id8", "molecule: expected text, but got None"),
        Unusable(10, "id10", "no label"),
    )
    (repaired,) = data.repaired
    assert (repaired.row, repaired.name) == (9, "id9")
    assert "without the valence check" in repaired.reason
    assert data.total_rows == 400 == len(data) + len(data.unusable)
    assert data.rows.tolist() == [n for n in range(400) if n not in (7, 8, 10)]


def test_an_empty_file_is_refused(ready):
    with pytest.raises(DataError, match="got none below the header"):
        ready(Toy(molecules()))


def test_a_label_out_of_range_is_refused(ready):
    raw = replace(molecules("C", "CC", "CCC", classes=3), class_names=("a", "b"))
    with pytest.raises(DataError, match=r"labels 0 to 1 in \S*toy\.csv, but got 2 in row 2"):
        ready(Toy(raw))


def test_a_class_that_lost_its_samples_is_left_out_and_noted(ready):
    raw = molecules(*["CCO"] * 199, "C1CC", classes=3)
    raw.labels[:] = [0] * 100 + [2] * 99 + [1]
    data = ready(Toy(raw))
    assert data.class_names == ("class 0", "class 2")
    assert data.labels.tolist() == [0] * 100 + [1] * 99
    assert data.notes == (
        "Class 'class 1' has no usable sample.", "Classes without a usable sample are left out.",
    )  # fmt: skip


def test_what_is_cached_is_read_back_the_same_without_reading_the_file(ready):
    raw = replace(molecules("CCO", "OCC", "CN(C)(C)(C)C"), notes=("a note",))
    toy = Toy(raw)
    one, other = ready(toy), ready(toy)
    assert toy.reads == 1
    for name in ("labels", "rows", "identity"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("class_names", "repaired", "notes", "fingerprint", "total_rows", "name"):
        assert getattr(one, name) == getattr(other, name)
    assert one.notes == ("a note",)


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    "change", ["data", "source", "reader", "option", "version", "rdkit", "nothing"]
)
def test_what_changed_decides_whether_it_is_built_again(ready, monkeypatch, caplog, change):
    """A cache that is reused after the code changed shows old features as new."""
    toy = Toy(molecules("CCO", "CC"))
    before = ready(toy).fingerprint
    caplog.clear()

    content, named = b"0", None
    if change == "data":
        content, named = b"1", "data sha256"
    elif change == "source":
        changed = prepare_module._featuriser_sources() | {"bench/data/molecules.py": "other"}
        monkeypatch.setattr(prepare_module, "_featuriser_sources", lambda: changed)
        named = "featuriser source"
    elif change == "reader":
        monkeypatch.setattr(prepare_module, "_reader_sources", lambda *_: {"toy.py": "other"})
        named = "data set source"
    elif change == "option":
        toy.options, named = ToyOptions(reverse=True), "data set options"
    elif change == "version":
        DATASETS.add(NAME, Toy, title="toy", reference="none", version=2)
        named = "data set version"
    elif change == "rdkit":
        monkeypatch.setattr(prepare_module.metadata, "version", lambda _: "1.2.3")
        named = "rdkit"

    with caplog.at_level(logging.INFO, logger="bench.data.cache"):
        after = ready(toy, content).fingerprint
    assert toy.reads == (1 if named is None else 2)
    assert (before == after) == (named is None)
    messages = [r.getMessage() for r in caplog.records if r.name == "bench.data.cache"]
    assert messages == (
        [f"prepared-{NAME} is built: {named} changed since it was cached."] if named else []
    )


@pytest.mark.fault(15)
def test_one_byte_of_the_file_decides_whether_it_is_built_again(tmp_path, caplog):
    """A data set edited in place is trained on as it was before."""
    path = tmp_path / "toy.csv"
    path.write_text("smiles,y\n" + "CCO,a\nCCN,b\n" * 10)
    options = CsvOptions(path=str(path), smiles_columns=["smiles"], label_column="y")

    def builds() -> int:
        caplog.clear()
        located = locate(CsvFile(options))
        cache = tmp_path / "cache"
        prepare("csv", CsvFile(options), located.path, located.sha256, cache_dir=cache)
        return sum("is built" in message for message in caplog.messages)

    with caplog.at_level(logging.INFO, logger="bench.data.cache"):
        assert builds() == 1
        assert builds() == 0
        os.utime(path, (0, 0))
        assert builds() == 0
        data = bytearray(path.read_bytes())
        data[data.index(b"N")] = ord("S")
        path.write_bytes(data)
        assert builds() == 1


class SavedMeanwhile(CsvFile):
    """Its file is saved with other content while it is read, and put back afterwards."""

    def read(self, path: Path) -> RawSamples:
        file = Path(self.options.path)
        before = file.read_bytes()
        file.write_bytes(before.replace(b",a", b",c").replace(b",b", b",a").replace(b",c", b",b"))
        try:
            return super().read(path)
        finally:
            file.write_bytes(before)


def test_a_file_saved_while_it_is_read_does_not_reach_the_cache(tmp_path):
    path = tmp_path / "toy.csv"
    path.write_text("smiles,y\n" + "CCO,a\nCCN,b\n" * 10)
    options = CsvOptions(path=str(path), smiles_columns=["smiles"], label_column="y")
    sha256, cache = hashlib.sha256(path.read_bytes()).hexdigest(), tmp_path / "cache"
    for dataset in (SavedMeanwhile(options), CsvFile(options)):
        data = prepare("csv", dataset, path, sha256, cache_dir=cache)
        assert data.labels.tolist() == [0, 1] * 10


def test_a_file_saved_after_it_was_hashed_is_refused_and_nothing_is_cached(tmp_path):
    path = tmp_path / "toy.csv"
    path.write_text("smiles,y\n" + "CCO,a\nCCN,b\n" * 10)
    options = CsvOptions(path=str(path), smiles_columns=["smiles"], label_column="y")
    located = locate(CsvFile(options))
    path.write_text("smiles,y\n" + "CCO,b\nCCN,a\n" * 10)
    with pytest.raises(DataError, match=r"toy\.csv to stay as it is .* Run the command again"):
        prepare("csv", CsvFile(options), path, located.sha256, cache_dir=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("prepared-*/"))


def test_what_a_reader_says_names_the_file_itself(tmp_path):
    path = tmp_path / "toy.csv"
    path.write_text("molecule,y\nCCO,a\n")
    options = CsvOptions(path=str(path), smiles_columns=["smiles"], label_column="y")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(DataError) as caught:
        prepare("csv", CsvFile(options), path, sha256, cache_dir=tmp_path / "cache")
    assert str(path) in str(caught.value)
    assert "ltdd-data-" not in str(caught.value)


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("policy", "samples", "classes"),
    [("keep", 240, [140, 100]), ("drop", 100, [60, 40]), ("majority", 180, [120, 60])],
)
def test_opposite_labels_are_reported_and_left_out_as_asked(ready, policy, samples, classes):
    """One molecule under two labels teaches and tests both, and nobody is told."""
    # 50 molecules with opposite labels: 10 drawn level, 20 with two votes for each class in turn.
    conflicting = [f"{'C' * n}O" for n in range(1, 51)]
    written_otherwise = [f"O{'C' * n}" for n in range(1, 51)]
    majority = [f"[CH3:1]{'C' * (n - 1)}O" for n in range(11, 51)]
    alone = [f"{'C' * n}N" for n in range(1, 101)]
    raw = molecules(*conflicting, *written_otherwise, *majority, *alone)
    raw.labels[:] = [0] * 50 + [1] * 50 + [0] * 30 + [1] * 10 + [0] * 60 + [1] * 40
    toy = Toy(raw, ConflictOptions(conflicts=policy))
    data = ready(toy)
    assert len(data) == samples
    assert data.class_counts().tolist() == classes
    assert data.total_rows == 240 == len(data) + len(data.unusable)
    assert len(describe_data(data).conflicts) == (50 if policy == "keep" else 0)
    for row in data.unusable:
        assert row.reason == f"an equal sample has another label (conflicts={policy})"
    kept = {row: n for n, row in enumerate(data.rows.tolist())}
    index = data.entities[0].index
    assert all(data.smiles[index[n]] == raw.entities[0].values[row] for row, n in kept.items())


def test_scaffolds_group_rings_and_leave_chains_alone(ready, tmp_path):
    toy = Toy(molecules("Cc1ccccc1", "CCO", "CCc1ccccc1", "C1CCCCC1", "C"))
    data = ready(toy)
    seen: list[tuple[int, int]] = []

    def note(*progress):
        seen.append(progress)

    groups = scaffolds(data, cache_dir=tmp_path / "cache", on_progress=note)
    assert groups.dtype == np.int64
    assert groups[0] == groups[2] != groups[3]
    assert groups[[1, 4]].tolist() == [-1, -1]
    assert seen == [(5, 5)]
    again = scaffolds(data, cache_dir=tmp_path / "cache", on_progress=note)
    np.testing.assert_array_equal(again, groups)
    assert seen == [(5, 5)]


def test_the_scaffold_of_a_reaction_is_the_products(ready, tmp_path):
    data = ready(Toy(reactions(("c1ccccc1", "CC"), ("CC", "c1ccccc1"), ("CC", "Cc1ccccc1"))))
    groups = scaffolds(data, cache_dir=tmp_path / "cache")
    assert groups.tolist() == [-1, 0, 0]


def with_atom_maps(smiles: str, generator: np.random.Generator) -> str:
    mol = Chem.MolFromSmiles(smiles)
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(int(generator.integers(1, 900)))
    return Chem.MolToSmiles(mol)


def atom_types(data: PreparedData, sample: int) -> list[int]:
    graph = data.entities[0].index[sample]
    first, last = data.graphs.atom_offsets[graph : graph + 2]
    return sorted(data.graphs.atom_types[first:last].tolist())


def two_hundred(source: str, generator: np.random.Generator) -> list[str]:
    """Distinct molecules out of a real file, or ring systems in chains."""
    if source == "made up":
        rings = ("c1ccccc1", "C1CCNCC1", "c1ccc2ccccc2c1", "c1ccoc1", "")
        texts = [
            f"{'C' * n}({end}){ring}" for n in range(1, 11) for end in "NOFS" for ring in rings
        ]
    else:
        texts = sorted({row["smiles"] for row in real_rows(source)})
    return [str(text) for text in generator.permutation(texts)[:200]]


@pytest.mark.fault(24)
@pytest.mark.parametrize("source", ["made up", "hiv", "chembl_ki"])
def test_atom_mapped_copies_are_the_same_molecules_and_stay_in_one_part(ready, tmp_path, source):
    """Atom maps make one molecule two, one to train on and one to test on."""
    generator = np.random.default_rng(0)
    originals = two_hundred(source, generator)
    copies = [with_atom_maps(text, generator) for text in originals]
    assert not set(copies) & set(originals)
    data = ready(Toy(molecules(*originals, *copies)))
    np.testing.assert_array_equal(data.identity[:200], data.identity[200:])
    assert len(set(data.identity)) == 200
    assert describe_data(data).duplicate_samples == 200
    if source != "hiv":  # the HIV set has metals, whose neighbours RDKit writes in brackets
        atoms = [atom_types(data, n) for n in range(400)]
        assert atoms[:200] == atoms[200:]
    groups = scaffolds(data, cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(groups[:200], groups[200:])
    for name in ("random", "scaffold"):
        options = SPLITS.get(name).cls.options_type(group_duplicates=True)
        for seed in range(10):
            split = make_split(
                name, data.labels, 2, seed, "toy",
                options=options, identity=data.identity, scaffolds=groups,
            )  # fmt: skip
            part = np.empty(400, np.int64)
            for number, own in enumerate(split.parts().values()):
                part[own] = number
            np.testing.assert_array_equal(part[:200], part[200:])


def test_scaffolds_need_a_molecule(ready):
    raw = RawSamples((Entity("target", "protein", ["MK"]),), np.zeros(1, np.int64), ("all",))
    with pytest.raises(DataError, match="Expected a molecule in the samples of toy_prepare"):
        scaffolds(ready(Toy(raw)))


REOPEN = """
import sys, time
from pathlib import Path
from bench.data.prepare import prepare, scaffolds
from bench.dataset import DATASETS
dataset = DATASETS.get("hiv").cls()
start = time.perf_counter()
data = prepare("hiv", dataset, Path("absent"), sys.argv[1], cache_dir=Path(sys.argv[2]))
scaffolds(data, cache_dir=Path(sys.argv[2]))
print(time.perf_counter() - start, *({"rdkit", "pandas", "joblib", "torch"} & sys.modules.keys()))
"""


@pytest.mark.slow
def test_all_of_hiv_is_prepared_and_opened_again_in_a_blink(tmp_path):
    path = real_file("hiv.csv.gz")
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    data = prepare("hiv", DATASETS.get("hiv").cls(), path, sha, cache_dir=tmp_path, jobs=2)
    assert len(data) == data.total_rows == len(data.graphs) == len(set(data.identity)) == 41_127
    assert data.class_counts().tolist() == [39_684, 1_443]
    valence = [137, 987, 12_882, 18_293, 30_784, 30_785, 35_728]
    assert [row.row for row in data.repaired] == valence
    sound = np.setdiff1d(np.arange(len(data)), valence)
    index = data.entities[0].index[sound]
    assert round(data.graphs.atoms_per_graph()[index].mean(), 2) == 25.51
    assert round(data.graphs.bonds_per_graph()[index].mean(), 2) == 27.47
    scaffolds(data, cache_dir=tmp_path, jobs=2)

    command = [sys.executable, "-c", REOPEN, sha, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, *imported = run.stdout.split()
    assert float(seconds) < 1
    assert imported == []


@pytest.mark.parametrize(
    ("file", "columns", "rows", "groups", "molecules"),
    [
        ("davis", ("smiles",), 30_056, 68, 68),
        ("uspto_50k", ("reactants_smiles", "product_smiles"), 1_000, None, None),
        ("chembl_ki", ("smiles",), 1_000, None, None),
        ("hiv", ("smiles",), 1_000, 1_000, 1_000),
    ],
)
def test_real_files_are_prepared_whole(ready, file, columns, rows, groups, molecules):
    table = real_rows(file)[:rows]
    entities = tuple(Entity(c, "molecule", [row[c] for row in table]) for c in columns)
    labels = np.array([int(row["label"]) for row in table])
    names = tuple(map(str, range(labels.max() + 1)))
    data = ready(Toy(RawSamples(entities, labels, names)))
    assert len(data) == data.total_rows == rows
    assert data.unusable == ()
    texts = {row[c] for row in table for c in columns}
    assert len(data.graphs) == (molecules or len(texts))
    assert len(set(data.identity)) == (
        groups or len({tuple(row[c] for c in columns) for row in table})
    )


class _Raises(Toy):
    def read(self, path):
        return RawSamples((Entity("molecule", "molecule", ("C", "O")),), [0, 1], ("a", "b"))


@pytest.mark.parametrize(
    ("toy", "words"),
    [
        (
            Toy(replace(molecules("CCO", "C"), labels=np.array([0.5, 1.5]))),
            "whole numbers as labels of .*toy.csv, but got float64",
        ),
        (
            Toy(replace(molecules("CCO", "C"), labels=np.array([0.0, np.nan]))),
            "but got float64",
        ),
        (_Raises(None), r"toy.csv, but got TypeError in dataset.py, line \d+"),
    ],
)
def test_a_reader_that_gives_no_whole_numbers_or_raises_is_named(ready, toy, words):
    with pytest.raises(DataError, match=words):
        ready(toy)


@pytest.mark.fault(15)
def test_all_that_a_reader_and_the_featuriser_import_is_behind_the_cache(tmp_path, monkeypatch):
    """A cache that is reused after a helper of its reader changed shows old samples as new."""
    package = tmp_path / "readers"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "parse": "def index(value): return int(value)",
        "mine": "from readers.parse import index\nfrom bench.dataset import Dataset\n"
        "class Mine(Dataset):\n    def read(self, path): return index(path)",
    }.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    mine = importlib.import_module("readers.mine").Mine
    found = prepare_module._reader_sources("hiv", mine.__new__(mine))
    assert {"readers/mine.py", "readers/parse.py", "bench/datasets/_table.py"} <= found.keys()
    parts = ("adjacency", "atom_features", "bond_features", "conflicts", "environments",
             "featurise", "left_out", "molecules", "packed", "prepared_arrays")  # fmt: skip
    assert {
        f"bench/data/{part}.py" for part in parts
    } <= prepare_module._featuriser_sources().keys()


def test_fingerprints_are_made_once_and_kept_with_the_features(ready, monkeypatch):
    raw = molecules("CCO", "c1ccccc1", "CCO", "CC(C)C")
    made = []

    def counts(smiles, **settings):
        made.append(smiles)
        return morgan_counts(smiles, **settings)

    monkeypatch.setattr(morgan, "morgan_counts", counts)
    for _ in range(2):
        found = morgan.of_data(ready(Toy(raw)), 2, 64)
        for smiles in ("CC(C)C", "CCO", "c1ccccc1"):
            for part, expected in zip(
                found(smiles), morgan_counts(smiles, radius=2, bits=64), strict=True
            ):
                assert part.dtype == expected.dtype
                assert np.array_equal(part, expected)
    assert sorted(made) == ["CC(C)C", "CCO", "c1ccccc1"]
    for settings in ((1, 64), (2, 32)):
        morgan.of_data(ready(Toy(raw)), *settings)
    morgan.of_data(ready(Toy(raw), b"other bytes"), 2, 64)
    assert len(made) == 4 * 3


def test_a_molecule_that_is_spelled_as_the_data_does_not_has_its_fingerprint_too(ready):
    found = morgan.of_data(ready(Toy(molecules("CCO", "C"))), 2, 64)
    for smiles in ("OCC", "CCN"):
        expected = morgan_counts(smiles, radius=2, bits=64)
        assert all(map(np.array_equal, found(smiles), expected))
    with pytest.raises(DataError, match="usable SMILES"):
        found("no molecule")


def test_content_checksum_sees_inputs_labels_and_class_names():
    def checksum(values=("CCO", "C"), labels=(0, 1), names=("a", "b")):
        entity = Entity("molecule", "molecule", list(values))
        return RawSamples((entity,), np.array(labels), tuple(names)).content_sha256()

    assert checksum() == checksum()
    changed = [checksum(("CC", "OC")), checksum(labels=(1, 0)), checksum(names=("a", "c"))]
    assert len({checksum(), *changed}) == 4
