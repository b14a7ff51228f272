from __future__ import annotations

import sys

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

from bench.data import featurise as featurise_module
from bench.data import similarity
from bench.data.featurise import fingerprints
from bench.data.packed import PackedTexts
from bench.data.prepared import EntityIndex
from bench.data.similarity import (
    places_in_words,
    sample_fingerprints,
    sample_similarities,
    similarity_in_words,
    similarity_to_training,
)
from bench.data.similarity_figure import similarity_figure
from bench.errors import DataError, UnavailableError
from bench.spec import parse_spec
from bench.split import SPLITS, Split
from bench.sweep.plan import Part
from bench.sweep.splits import molecules_counted
from tests.toy import toy_data

SMILES = [
    *(f"{'C' * n}O" for n in range(1, 12)),
    *(f"c1ccc({'C' * n}N)cc1" for n in range(1, 12)),
    "C", "*", "[Na+].[Cl-]", "[H][H]", "CC(=O)Oc1ccccc1C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
]  # fmt: skip
SPLIT = Split(np.arange(0, 28, 2), np.array([1]), np.arange(3, 28, 2))


def small(**fields):
    """Prepared data of two molecules a sample; the last is the one that counts."""
    data = toy_data((14, 14), molecules=2)
    texts = PackedTexts.of([*data.smiles[:28], *SMILES])
    return type(data)(**{**vars(data), "smiles": texts, **fields})


def test_similarity_is_rdkits_own():
    rdkit = [GetMorganGenerator(radius=2, fpSize=2048).GetFingerprint(Chem.MolFromSmiles(text))
             for text in SMILES]  # fmt: skip
    known = [rdkit[n] for n in SPLIT.train]
    expected = [max(DataStructs.BulkTanimotoSimilarity(rdkit[n], known)) for n in SPLIT.test]
    found = similarity_to_training(fingerprints(SMILES), SPLIT)
    np.testing.assert_array_equal(found, expected)


def test_an_equal_molecule_in_training_is_all_alike_and_a_stranger_is_not():
    texts = ["CCO", "OCC", "c1ccccc1", "[CH3:1]CO", "[Xe]"]
    split = Split(np.array([0]), np.array([2]), np.array([1, 3, 4]))
    found = similarity_to_training(fingerprints(texts), split)
    assert found.tolist() == [1, 1, 0]


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_bits_are_counted_whatever_their_number(share):
    rng = np.random.default_rng(0)
    dense = np.packbits(rng.random((20, 2048)) < share, axis=1).view(np.uint64)
    split = Split(np.arange(10), np.array([10]), np.arange(11, 20))
    known, asked = dense[split.train], dense[split.test, None]
    common = np.bitwise_count(known & asked).sum(-1, dtype=np.int64)
    either = np.bitwise_count(known | asked).sum(-1, dtype=np.int64)
    expected = (common / np.maximum(either, 1)).max(1)
    np.testing.assert_array_equal(similarity_to_training(dense, split), expected)


def test_blocks_and_processes_do_not_change_the_result(monkeypatch):
    whole = similarity_to_training(fingerprints(SMILES), SPLIT)
    monkeypatch.setattr(similarity, "_BLOCK", 3)
    monkeypatch.setattr(featurise_module, "CHUNK", 5)
    seen: list[tuple[int, int]] = []
    parts = similarity_to_training(
        fingerprints(SMILES, jobs=2), SPLIT, on_progress=lambda *step: seen.append(step)
    )
    np.testing.assert_array_equal(parts, whole)
    assert seen == [(3, 8), (6, 8), (8, 8)]  # long chains have one fingerprint


def test_the_last_molecule_of_a_sample_counts_and_is_read_once(tmp_path):
    seen: list[tuple[int, int]] = []

    def bits():
        return sample_fingerprints(
            small(), cache_dir=tmp_path, on_progress=lambda *step: seen.append(step)
        )

    np.testing.assert_array_equal(bits(), fingerprints(SMILES))
    np.testing.assert_array_equal(bits(), fingerprints(SMILES))
    assert seen == [(28, 28)]


def test_of_two_molecules_those_count_that_the_split_is_about(tmp_path):
    data = small()
    first, last = (fingerprints([data.smiles[g] for g in e.index]) for e in data.entities)

    def part(text):
        spec = parse_spec(text)
        return Part(spec.name, text, SPLITS.get(spec.name).cls.options_type(**spec.options), {})

    def nearest(asked, known):  # each pair of numbers, in plain sets
        bits = [np.flatnonzero(np.unpackbits(row.view(np.uint8))) for row in (*asked, *known)]
        sets = [set(one.tolist()) for one in bits]
        return [
            max(len(a & b) / max(len(a | b), 1) for b in sets[len(asked) :])
            for a in sets[: len(asked)]
        ]

    def both(own):
        return np.concatenate([first[own], last[own]])

    one, other = (entity.name for entity in data.entities)
    of_first = nearest(first[SPLIT.test], first[SPLIT.train])
    of_last = nearest(last[SPLIT.test], last[SPLIT.train])
    of_both = np.reshape(nearest(both(SPLIT.test), both(SPLIT.train)), (2, -1)).max(axis=0)
    expected = {
        "random": ((-1,), of_last, other),
        "cold_drug[molecules=first]": ((0,), of_first, one),
        "cold_drug[molecules=second]": ((1,), of_last, other),
        "cold_drug": ((0, 1), of_both, f"the nearest of {one}, {other}"),
    }
    for text, (places, values, words) in expected.items():
        assert molecules_counted(part(text), data) == places
        found = sample_similarities(data, SPLIT, places, cache_dir=tmp_path)
        np.testing.assert_array_equal(found, values)
        assert places_in_words(data, places) == words
        assert f"test molecules ({words}) are" in similarity_in_words(found, words)
    single = small(entities=data.entities[:1])
    assert molecules_counted(part("cold_drug"), single) == (0,)
    assert places_in_words(single, (0,)) == ""


def test_samples_without_a_molecule_have_no_fingerprint(tmp_path):
    entity = EntityIndex("target", "protein", np.zeros(28, np.int32))
    with pytest.raises(DataError, match="Expected a molecule in the samples of toy"):
        sample_fingerprints(small(entities=(entity,)), cache_dir=tmp_path)


def test_the_figure_is_drawn_the_same_each_time_whatever_the_names():
    values = {"random, seed 0": np.array([0.2, 0.5, 1.0]), "$\\odd_$ <name>": np.array([1.0])}
    files = similarity_figure("a $b$ & <c>", values)
    assert files.keys() == {".png", ".svg"}
    assert files[".png"].startswith(b"\x89PNG")
    assert b"</svg>" in files[".svg"]
    assert files == similarity_figure("a $b$ & <c>", values)


@pytest.mark.fault(59)
def test_a_missing_package_is_named_with_the_line_to_type(monkeypatch):
    """A missing package ends in a traceback."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UnavailableError, match="Run: pip install matplotlib"):
        similarity_figure("toy", {"random": np.ones(1)})
