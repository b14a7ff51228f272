"""A file of progress is used when it is whole and of this run, and is never in the way."""

import json
import logging
import os
from dataclasses import replace

import pytest
import torch

from bench.conformance.resume import stop_and_go_on
from bench.conformance.trial import Case
from bench.training.checkpoint import CheckpointFile, Progress
from bench.training.clock import Clock
from bench.training.state import Snapshot
from tests.methods.trials import trial

IDENTITY = {"seed": 1, "settings": {"epochs": 4}}
PROGRESS = Progress(
    state={
        "network.weight": torch.arange(6.0).reshape(2, 3).T,  # not contiguous
        "method.count": torch.tensor(3),
        "method.known": torch.tensor([True, False]),
        "method.none": torch.zeros(0, 4),
        "method.half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "method.double": torch.tensor([0.1], dtype=torch.float64),
    },
    frozen=["scale"],
    optimiser={"0.step": torch.tensor(7.0), "0.exp_avg": torch.ones(2)},
    best=Snapshot(0.1 + 0.2, 2, {"network.weight": torch.zeros(2)}),
    history=[{"epoch": 1, "train_loss": 1 / 3, "learning_rate": float("inf")}],
    spent={"started": "2026-01-01T00:00:00+00:00", "seconds": 12.5, "cpu_seconds": 11.0},
)


@pytest.fixture
def file(tmp_path):
    return CheckpointFile(tmp_path / "checkpoints" / "run.safetensors", every_seconds=0)


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def test_what_was_written_is_read_to_the_bit(file):
    file.write(PROGRESS, IDENTITY)
    found = file.load(IDENTITY)
    assert same(found.state, PROGRESS.state)
    assert same(found.optimiser, PROGRESS.optimiser)
    assert same(found.best.state, PROGRESS.best.state)
    assert (found.best.score, found.best.epoch) == (0.1 + 0.2, 2)
    assert (found.frozen, found.history) == (PROGRESS.frozen, PROGRESS.history)
    assert found.spent == PROGRESS.spent
    assert CheckpointFile(file.path).load(IDENTITY).best is not None


def test_what_other_code_has_begun_is_not_gone_on_with(tmp_path, caplog):
    """Half of a run by the old code and half by the new one would be neither."""
    path = tmp_path / "run.safetensors"
    CheckpointFile(path, code={"methods/cb.py": "1"}).write(PROGRESS, IDENTITY)
    assert CheckpointFile(path, code={"methods/cb.py": "1"}).load(IDENTITY) is not None
    assert CheckpointFile(path, code={"methods/cb.py": "2"}).load(IDENTITY) is None
    assert "differs in: code" in caplog.text
    assert not path.exists()


def test_without_a_best_epoch_and_without_a_file(file, caplog):
    assert file.load(IDENTITY) is None
    file.write(replace(PROGRESS, best=None), IDENTITY)
    assert file.load(IDENTITY).best is None
    assert caplog.records == []


def refused(file, caplog):
    """Whether the file is named in one warning and is gone."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        found = file.load(IDENTITY)
    assert found is None
    assert not file.path.exists()
    [record] = caplog.records
    assert str(file.path) in record.getMessage()
    return record.getMessage()


def test_every_flipped_bit_and_every_truncation_is_found(file, caplog):
    file.write(PROGRESS, IDENTITY)
    whole = file.path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        broken = bytearray(whole)
        broken[place] ^= 0x40
        file.path.write_bytes(broken)
        refused(file, caplog)
    for tenths in range(10):
        file.path.write_bytes(whole[: len(whole) * tenths // 10])
        refused(file, caplog)


def test_files_of_other_things_are_refused(file, caplog):
    file.path.parent.mkdir()
    for content in (b"", b"<html>", b"\x80\x04\x95" + b"x" * 100, os.urandom(5000)):
        file.path.write_bytes(content)
        refused(file, caplog)


def test_progress_of_another_run_is_refused_and_says_in_what_it_differs(file, caplog):
    file.write(PROGRESS, {**IDENTITY, "seed": 2})
    assert "differs in: seed" in refused(file, caplog)
    file.write(PROGRESS, {"seed": 1})
    assert "differs in: settings" in refused(file, caplog)


def test_nothing_is_written_before_its_time(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    file = CheckpointFile(tmp_path / "run.safetensors", every_seconds=30)
    now[0] = 129.0
    assert not file.due()
    now[0] = 130.0
    assert file.due()
    file.write(PROGRESS, IDENTITY)
    assert not file.due()
    now[0] = 160.0
    assert file.due()


def test_a_write_that_fails_is_a_warning_and_leaves_the_last_file(file, caplog, monkeypatch):
    file.write(PROGRESS, IDENTITY)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    file.write(replace(PROGRESS, frozen=["other"]), IDENTITY)
    assert "No space left" in caplog.text
    assert file.load(IDENTITY).frozen == ["scale"]
    assert os.listdir(file.path.parent) == [file.path.name]


def test_removing_takes_this_file_alone(file):
    file.write(PROGRESS, IDENTITY)
    folder = file.path.parent
    (folder / "other.safetensors").write_bytes(b"another run's")
    file.remove()
    file.remove()
    assert os.listdir(folder) == ["other.safetensors"]


def test_time_before_a_stop_counts():
    clock = Clock()
    clock.add({"started": "2026-01-01T00:00:00+00:00", "seconds": 1000.0, "cpu_seconds": 500.0})
    spent = clock.spent()
    assert spent["started"] == "2026-01-01T00:00:00+00:00"
    assert spent["seconds"] >= 1000
    assert spent["cpu_seconds"] >= 500
    json.dumps(spent)


def test_a_run_of_another_seed_starts_anew(tmp_path, caplog):
    def train(seed):
        found = trial("vanilla", Case(seed=seed))
        epochs = []
        found.train(
            checkpoint=CheckpointFile(tmp_path / "run.safetensors", every_seconds=0),
            on_epoch=lambda report: epochs.append(report.epoch),
        )
        return epochs

    assert train(0) == [1, 2, 3, 4, 5]
    assert train(0) == []  # all epochs are done, only the conclusion is left
    assert caplog.records == []
    assert train(1) == [1, 2, 3, 4, 5]
    assert "differs in: seed" in caplog.text


def test_a_run_whose_optimiser_kept_another_state_starts_anew(tmp_path, caplog, monkeypatch):
    def train():
        epochs = []
        trial("vanilla").train(
            checkpoint=CheckpointFile(tmp_path / "run.safetensors", every_seconds=0),
            on_epoch=lambda report: epochs.append(report.epoch),
        )
        return epochs

    with monkeypatch.context() as patch:
        patch.setattr("bench.training.loop.FORMAT", 0)
        assert train() == [1, 2, 3, 4, 5]
    assert train() == [1, 2, 3, 4, 5]
    assert "differs in: format of the optimiser's state" in caplog.text


def test_without_stops_a_checkpoint_changes_nothing():
    plain = trial("vanilla")
    plain.train()
    watched, _ = stop_and_go_on(lambda: trial("vanilla"), stops=())
    assert all(torch.equal(watched.state()[name], t) for name, t in plain.state().items())
