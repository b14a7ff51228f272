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


def test_without_a_gpu_its_part_says_so(perf, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, out, err = perf("--gpu")
    assert code == 2
    assert out == ""
    assert err.endswith(
        "Error: Expected a CUDA device for --gpu, but torch finds none. Leave --gpu out, or run "
        "it where there is one, with a torch build for CUDA.\n"
    )


@pytest.mark.parametrize("option", ["--threads=2", "--whole-jobs"])
def test_options_of_the_processors_part_are_refused_beside_a_gpus(perf, option):
    code, _, err = perf("--gpu", option)
    assert code == 2
    assert f"Expected --gpu without {option.partition('=')[0]}, which says nothing" in err


@pytest.mark.parametrize("option", ["--threads=2", "--whole-jobs", "--gpu"])
def test_options_of_other_parts_are_refused_beside_encoders(perf, option):
    code, _, err = perf("--encoders", option)
    assert code == 2
    assert f"Expected --encoders without {option.partition('=')[0]}, which says nothing" in err


@pytest.mark.gpu
def test_the_quick_benchmark_measures_a_gpu(perf):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    if not any((folder / "hiv.csv.gz").is_file() for _, folder in search_folders(None)):
        pytest.skip("hiv.csv.gz is in no data folder")
    code, out, err = perf("--gpu", "--quick", "--markdown")
    assert code == 0, err
    for what in ("batch", "training step", "samples", "peak memory", "two jobs at once"):
        assert f"| {what}" in out


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
    assert "| part of a step" in out
    assert "| whole job" not in out
    assert "training step" in err
