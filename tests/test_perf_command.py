from __future__ import annotations

import os
import sys

import pytest
import torch

from bench.data.folders import search_folders
from bench.perf.__main__ import main
from bench.perf.fresh_process import in_fresh_process


@pytest.fixture
def perf(monkeypatch, capsys, tmp_path):
    """Runs the command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("LTDD_CACHE_DIR", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["perf", *arguments])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize("text", ["0", "one", "1,,2", ""])
def test_threads_that_are_no_numbers_are_refused(perf, text):
    code, _, err = perf(f"--threads={text}", "--quick", "--datasets", "absent")
    assert code == 2
    assert f"Expected whole numbers from 1 in --threads, but got {text!r}" in err


def test_an_unknown_data_set_is_refused(perf):
    code, _, err = perf("--quick", "--datasets", "hvi")
    assert code == 2
    assert "'hiv'" in err


def test_a_data_set_with_proteins_is_refused(perf):
    if not any((folder / "davis.csv.gz").is_file() for _, folder in search_folders(None)):
        pytest.skip("davis.csv.gz is in no data folder")
    code, _, err = perf("--quick", "--datasets", "davis")
    assert code == 2
    assert "protein" in err


def test_a_fresh_process_has_the_threads_it_is_given(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert in_fresh_process(1, torch.get_num_threads) == 1
    assert in_fresh_process(2, os.getenv, "OMP_NUM_THREADS") == "2"
    assert os.environ["OMP_NUM_THREADS"] == "3"


@pytest.mark.slow
def test_the_quick_benchmark_measures_everything(perf):
    if not any((folder / "hiv.csv.gz").is_file() for _, folder in search_folders(None)):
        pytest.skip("hiv.csv.gz is in no data folder")
    code, out, err = perf("--quick", "--markdown")
    assert code == 0, err
    for what in ("featurising", "opening", "batch", "training step", "epoch", "evaluation"):
        assert f"| {what}" in out
    for what in ("cached features", "two jobs at once", "contrastive epoch"):
        assert f"| {what}" in out
    assert "training step" in err
