"""Rows that are left out: those without a label are free, of bad ones a file may have so many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data import prepared_arrays
from bench.data.checksums import sha256_of
from bench.data.left_out import FEW_BAD, facts, summary, too_many
from bench.data.prepare import prepare
from bench.data.prepared_arrays import build_arrays
from bench.dataset import Entity, RawSamples
from bench.datasets.csv_file import CsvFile, CsvOptions
from bench.errors import DataError

PATH = Path("my.csv")


def samples(smiles: list[str], unlabelled: set[int] = frozenset(), bad: set[int] = frozenset()):
    """Two classes in turn; rows of `bad` were given up by the reader."""
    labels = np.arange(len(smiles)) % 2
    unusable = dict.fromkeys(sorted(unlabelled), "no label") | dict.fromkeys(bad, "broken")
    labels[list(unusable)] = -1
    return RawSamples(
        (Entity("molecule", "molecule", smiles),),
        labels,
        ("a", "b"),
        unusable=unusable,
        unlabelled=frozenset(unlabelled),
    )


def chains(count: int) -> list[str]:
    return ["C" * (n + 1) for n in range(count)]


def test_rows_without_a_label_are_no_reason_to_refuse_and_are_not_parsed():
    smiles = [*chains(20), *["not a molecule"] * 80]
    made = build_arrays(samples(smiles, unlabelled=set(range(20, 100))), PATH, max_bad=0)
    assert made["rows"].tolist() == list(range(20))
    assert b"not a molecule" not in made["smiles_bytes"].tobytes()


@given(
    rows=st.integers(1, 2000),
    bad=st.integers(0, 60),
    unlabelled=st.integers(0, 2000),
    share=st.sampled_from([0, 0.01, 0.05, 1]),
)
def test_the_limit_is_a_share_of_the_rows_with_a_label_and_never_under_five(
    rows, bad, unlabelled, share
):
    allowed = 0 if share == 0 else max(FEW_BAD, share * rows)
    assert too_many(bad, rows, share) == (bad > allowed)
    raw = samples(["C"] * (rows + unlabelled), set(range(rows, rows + unlabelled)))
    counted = prepared_arrays._BadRows(raw, PATH, share)
    counted._rows = set(range(bad))
    if bad > allowed:
        with pytest.raises(DataError, match=f"of the {rows:,} rows with a label"):
            counted.refuse_too_many(whole=True)
    else:
        counted.refuse_too_many(whole=True)


def test_a_refusal_says_the_limit_the_option_and_the_first_rows_once():
    with pytest.raises(DataError) as caught:
        build_arrays(samples([*chains(30), *["C1CC"] * 6]), PATH)
    assert str(caught.value).startswith(
        "Expected at most 1% (or 5) of the 36 rows with a label in my.csv to be bad, but got 6. "
    )
    assert "--max-bad" in str(caught.value)
    assert "counted from 0 below the header:\n  row 30: molecule: unclosed ring" in str(
        caught.value
    )
    named = replace(samples([*chains(9), "C1CC"]), row_names=[f"id{n}" for n in range(10)])
    with pytest.raises(DataError, match=r"at most none of .*\n  row 9 \(id9\): molecule"):
        build_arrays(named, PATH, max_bad=0)


def test_what_needs_no_parsing_is_refused_before_any_molecule_is_parsed(monkeypatch):
    monkeypatch.setattr(prepared_arrays, "featurise", None)
    with pytest.raises(DataError, match="got at least 6"):
        build_arrays(samples(chains(30), bad=set(range(6))), PATH)
    with pytest.raises(DataError, match="got at least 6"):
        build_arrays(samples([*chains(30), *[" "] * 6]), PATH)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("jobs", [1, 2])
def test_parsing_ends_as_soon_as_there_are_too_many(monkeypatch, jobs):
    monkeypatch.setattr("bench.data.featurise.CHUNK", 10)
    monkeypatch.setattr(prepared_arrays, "CHUNK", 10)
    seen = []
    broken = [f"C1{'C' * n}" for n in range(1, 31)]  # sorts before the chains
    raw = samples([*chains(200), *broken])
    with pytest.raises(DataError, match=r"got at least 9\. "):
        build_arrays(raw, PATH, jobs=jobs, on_progress=lambda done, _: seen.append(done))
    assert not seen or max(seen) < 230


def test_a_row_with_two_bad_molecules_counts_once_and_one_bad_molecule_in_many_rows_in_each():
    raw = samples(chains(20))
    other = Entity("other", "molecule", ["C1CC"] * 5 + ["C"] * 15)
    first = Entity("molecule", "molecule", ["C1CCC"] * 5 + chains(15))
    made = build_arrays(replace(raw, entities=(first, other)), PATH)
    assert made["rows"].tolist() == list(range(5, 20))
    other = replace(other, values=["C1CC"] * 6 + ["C"] * 14)
    with pytest.raises(DataError, match=r"but got (at least )?6"):
        build_arrays(replace(raw, entities=(first, other)), PATH)


@pytest.mark.parametrize(
    ("smiles", "left"),
    [(["C", "C1CC", "CC", "C1CC"], "only class 'a'"), (["C1CC", "C1CC"], "nothing")],
)
def test_one_class_left_is_refused(smiles, left):
    with pytest.raises(DataError, match=f"at least two classes in my.csv, but .* {left} is left"):
        build_arrays(samples(smiles), PATH)


def test_a_cache_made_under_another_limit_is_held_to_the_one_asked_for(tmp_path):
    path = tmp_path / "my.csv"
    rows = [f"{'C' * n},{'ab'[n % 2]}" for n in range(1, 31)] + ["C1CC,a"] * 7 + ["C,"] * 40
    path.write_text("\n".join(["smiles,y", *rows]))

    def prepared(**limit):
        options = CsvOptions(path=str(path), smiles_columns=["smiles"], label_column="y", **limit)
        return prepare("csv", CsvFile(options), path, sha256_of(path), cache_dir=tmp_path / "cache")

    data = prepared(max_bad=0.2)
    assert len(data) == 30
    with pytest.raises(DataError, match=r"of the 37 rows with a label .* got 7"):
        prepared()
    assert prepared(max_bad=0.2).fingerprint == data.fingerprint
    assert facts(data.unusable) == {
        "unlabelled": 40, "bad": 7, "conflict": 0, "bad_rows": list(range(30, 37)),
    }  # fmt: skip
    assert summary(data.unusable) == (
        "40 without a label, 7 bad (counted from 0 below the header: 30, 31, 32, 33, 34, ...)"
    )
    assert summary([]) == ""
