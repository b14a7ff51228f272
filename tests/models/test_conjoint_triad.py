from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.models.conjoint_triad import (
    CLASSES,
    ConjointTriad,
    ConjointTriadOptions,
    conjoint_triads,
)
from tests.real_data import real_file


def reference(sequence: str) -> list[float]:
    number = {letter: place for place, letters in enumerate(CLASSES) for letter in letters}
    counts = dict.fromkeys(np.ndindex(7, 7, 7), 0)
    for a, b, c in zip(sequence, sequence[1:], sequence[2:], strict=False):
        if a in number and b in number and c in number:
            counts[number[a], number[b], number[c]] += 1
    smallest, largest = min(counts.values()), max(counts.values())
    return [(count - smallest) / largest if largest else 0.0 for count in counts.values()]


def test_the_classes_cover_the_twenty_amino_acids_once():
    assert sorted("".join(CLASSES)) == sorted("ACDEFGHIKLMNPQRSTVWY")


def test_a_sequence_worked_by_hand():
    # Triads (0, 0, 0) twice for "AAAA", then (0, 0, 6) once.
    triads = conjoint_triads("AAAAC")
    assert triads[0] == 1
    assert triads[6] == 0.5
    assert np.count_nonzero(triads) == 2


@given(st.text("ACDEFGHIKLMNPQRSTVWYXBZU*-", max_size=60))
def test_triads_equal_a_plain_count(sequence):
    np.testing.assert_allclose(conjoint_triads(sequence), reference(sequence), rtol=1e-6)


def test_the_smallest_count_is_taken_off():
    letters = [letters[0] for letters in CLASSES]
    everything = "".join(a + b + c for a in letters for b in letters for c in letters)
    triads = conjoint_triads(everything)
    assert triads.min() == 0
    np.testing.assert_allclose(triads, reference(everything), rtol=1e-6)


@pytest.mark.parametrize("sequence", ["", "A", "AA", "XXXX", "AXAXA", "äöü"])
def test_a_sequence_without_a_triad_gives_zeros(sequence):
    assert not conjoint_triads(sequence).any()


def test_case_does_not_matter():
    assert np.array_equal(conjoint_triads("mktayiak"), conjoint_triads("MKTAYIAK"))


def test_descriptors_become_embeddings_of_64():
    encoder = ConjointTriad(ConjointTriadOptions())
    rows = encoder.tokenise(["MKTAYIAK", "GAVLIPFMW"])
    assert rows.shape == (2, 343)
    assert rows.dtype == np.float32
    assert encoder(torch.from_numpy(rows)).shape == (2, encoder.out_features) == (2, 64)


def test_real_sequences_lie_between_0_and_1_and_differ():
    with gzip.open(real_file("chembl_ki.csv.gz"), "rt") as file:
        sequences = sorted({row["sequence"] for row in csv.DictReader(file)} - {""})
    rows = ConjointTriad(ConjointTriadOptions()).tokenise(sequences)
    assert rows.min() == 0
    assert (rows.max(axis=1) <= 1).all()
    assert len(np.unique(rows, axis=0)) == len(sequences) > 1
