"""Measures on data that takes no time; what they measure is not looked at, but what they cover."""

from __future__ import annotations

import time

import pytest

import bench.methods.contrastive.method as contrastive_method
import bench.methods.sdr as sdr
from bench.backbone import BACKBONES
from bench.errors import UsageError
from bench.perf.backends.available import available_peer
from bench.perf.effort import FULL, QUICK, Effort
from bench.perf.measures import whole_jobs as jobs
from bench.perf.measures.contrastive import contrastive
from bench.perf.measures.device import (
    DEVICE,
    HOST,
    UnequalLossesError,
    host_and_device,
    require_equal_losses,
)
from bench.perf.measures.encoders import ENCODERS, encoder_epochs
from bench.perf.measures.shares import Laps, shares
from bench.perf.method_run import MethodSteps, begin_run
from bench.perf.results import OURS, Comparison, Remark, Row, WholeJob
from bench.perf.workload import Workload
from bench.seeds import derive_seed
from bench.split import Split
from bench.training.settings import TrainingSettings
from tests.toy import toy_data, toy_split

BATCH = 16


class ToyWorkload(Workload):
    @property
    def split(self) -> Split:
        return toy_split(self.prepared)


@pytest.fixture
def workload(monkeypatch) -> Workload:
    """Small made-up molecules, which every data set now is."""
    toy = ToyWorkload("toy", None, None, toy_data((60, 30)))
    monkeypatch.setattr(Workload, "open", lambda name, data_dir: toy)
    return toy


@pytest.fixture
def effort() -> Effort:
    return Effort(
        rounds=2,
        steps=1,
        long_rounds=1,
        epoch_rounds=1,
        contrastive=FULL.contrastive,
        molecules=1,
        evaluated=None,
        job_seconds=0.1,
    )


def test_epochs_of_all_contrastive_methods_are_set_against_vanilla(workload, effort):
    found = contrastive("toy", effort, None)
    assert [each.second[0] for each in found] == ["sdr, after warm-up", "bcl", "acl", "fcl", "afcl"]
    assert {each.first[0] for each in found} == {"vanilla"}
    assert len({each.first[1] for each in found}) == 1
    assert {each.unit for each in found} == {"s"}
    assert set(QUICK.contrastive) <= set(FULL.contrastive)


def test_epochs_of_sdr_cluster_as_often_as_in_a_run_of_usual_length(workload, effort, monkeypatch):
    calls = []
    plain = sdr.subclusters
    monkeypatch.setattr(sdr, "subclusters", lambda *a, **k: calls.append(1) or plain(*a, **k))
    contrastive("toy", effort, None)
    epochs = 2
    run = begin_run(workload, "sdr[warm_up=0]")  # of 30 epochs
    usual = [epoch for epoch in range(1, 31) if run.method._updates(epoch)]
    assert len(calls) / epochs == len(usual) / 30


def test_parts_of_a_step_cover_views_environments_and_contrast(workload, effort):
    plain = contrastive_method.compress
    started = time.perf_counter()
    found = shares("toy", BATCH, effort, None)
    whole = time.perf_counter() - started
    assert contrastive_method.compress is plain
    assert set(found.methods["vanilla"]) == {"batch", "forward", "backward", "optimiser"}
    assert list(found.methods["sdr"]) == [
        "batch", "views", "environments of views", "forward", "contrast", "backward", "optimiser",
    ]  # fmt: skip
    parts = [part.median for parts in found.methods.values() for part in parts.values()]
    assert all(part > 0 for part in parts)
    assert sum(parts) < whole


def test_time_of_an_inner_part_is_not_that_of_the_outer_one(monkeypatch):
    now = 0.0

    def pass_time(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    laps = Laps()
    inner = laps.of("inner", pass_time)

    def outer() -> None:
        pass_time(1)
        inner(10)
        pass_time(100)

    timed = laps.of("outer", outer)
    timed()
    pass_time(1000)
    timed()
    assert laps.seconds == {"outer": 202, "inner": 20}


def test_every_encoder_is_measured_beside_gcn_and_its_peer(workload, effort):
    found = [f for name in ENCODERS for f in encoder_epochs("toy", name, BATCH, effort, None)]
    rows = [each for each in found if isinstance(each, Row)]
    assert [row.what for row in rows] == [f"epoch of {name} (steps only)" for name in ENCODERS]
    assert {row.batch_size for row in rows} == {BATCH}
    ratios = [each for each in found if isinstance(each, Comparison)]
    assert [each.first[0] for each in ratios] == ["gcn"] * len(ENCODERS)
    assert [each.second[0] for each in ratios] == list(ENCODERS)
    for name, row, ratio in zip(ENCODERS, rows, ratios, strict=True):
        assert row.spreads[OURS] == ratio.second[1]
        peer = None if name == "attentivefp" else available_peer(name.partition("[")[0])
        assert set(row.spreads) == {OURS, *([peer.title] if peer else [])}
    known = {entry.name for entry in BACKBONES if entry.cls.entity == "molecule"}
    assert known - {"gcn", "gcn_dgl"} == {name.partition("[")[0] for name in ENCODERS}


def test_batches_of_encoders_larger_than_the_training_part_are_refused(workload, effort):
    with pytest.raises(UsageError, match="Expected --batch-sizes of at most"):
        encoder_epochs("toy", "gin", 10_000, effort, None)


def test_host_and_device_are_measured_alike(workload, effort):
    # The processor in the device's place, so that all but memory has run.
    rows = host_and_device("toy", [BATCH, 2 * BATCH], "cpu", effort, None)
    assert [row.batch_size for row in rows] == 4 * [BATCH] + 4 * [2 * BATCH]
    assert [row.what for row in rows[:4]] == [
        "batch, laid out and moved", "training step", "training step of sdr",
        "samples, epoch with validation",
    ]  # fmt: skip
    assert all(list(row.spreads) == [DEVICE, HOST] for row in rows)
    assert [row.unit for row in rows[:4]] == ["ms", "ms", "ms", "1/s"]


@pytest.mark.parametrize("loss", [0.51, float("nan")])
def test_other_losses_on_the_device_are_refused(loss):
    require_equal_losses([0.7, 0.5], [0.7, 0.5005])
    with pytest.raises(UnequalLossesError, match=r"Expected the loss 0\.5 of step 2 .* but got"):
        require_equal_losses([0.7, loss], [0.7, 0.5])


@pytest.mark.parametrize("method", ["vanilla", "bcl"])
def test_a_step_is_that_of_the_training_loop(workload, method):
    everyone = len(workload.split.train)
    looped = begin_run(workload, method, TrainingSettings(epochs=1, batch_size=everyone))
    run = begin_run(workload, method)
    # As the loop does before each epoch, so that views are drawn alike.
    run.method.context.generator.manual_seed(derive_seed(0, "method", "1"))
    steps = MethodSteps(run)
    order = workload.split.train[run.method.sample_epoch(1)]
    first, second = (float(steps.train_on(steps.batch(order))) for _ in range(2))
    assert looped.fit().history[0].train_loss == pytest.approx(first, rel=1e-6)
    assert second < first


PROGRAM = """
import sys
from pathlib import Path

preset, out = (sys.argv[sys.argv.index(option) + 1] for option in ("--preset", "--out"))
if "--dry-run" in sys.argv:
    assert sys.argv[sys.argv.index("--jobs") + 1] == "1"
    held = len(list(Path(out, "runs").glob("*")))
    print("306 runs\\nTime: about 2 hours, from", f"  {preset}: {held} runs", "  a rule", sep="\\n")
elif CODE:
    print("ready")
    sys.exit(CODE)
else:
    from bench.perf.synthetic_runs import write_runs

    write_runs(Path(out), 40, 3, 30)
    print("ready", "1/40 is done", sep="\\n")
"""


@pytest.fixture
def program(monkeypatch, tmp_path, workload):
    """Puts a program that trains nothing, and ends with a code, in the place of the benchmark."""

    def put(code: int) -> None:
        path = tmp_path / "program.py"
        path.write_text(PROGRAM.replace("CODE", str(code)))
        monkeypatch.setattr(jobs, "_PROGRAM", path)
        monkeypatch.setenv("PYTHONPATH", str(jobs.Path(jobs.bench.__file__).parents[1]))

    return put


def test_a_whole_job_is_timed_and_the_papers_estimated_in_core_hours(program, capsys):
    program(0)
    job, empty, after = jobs.whole_jobs(None)
    assert isinstance(job, WholeJob)
    assert (job.what, job.runs, job.run_seconds) == ("preset quick", 40, 40.0)
    assert job.seconds > 0
    assert "1/40 is done" in capsys.readouterr().err
    said = "Preset paper on one core, as --dry-run says in"
    assert empty == Remark(f"{said} an empty folder: about 2 hours, from paper: 0 runs; a rule.")
    assert after == Remark(f"{said} that job's folder: about 2 hours, from paper: 40 runs; a rule.")


def test_a_whole_job_that_fails_is_no_measurement(program):
    program(3)
    with pytest.raises(jobs.FailedCommandError, match=r"but got 3\. It ended with:\nready"):
        list(jobs.whole_jobs(None))


def test_what_runs_do_not_take_is_told_for_each():
    job = WholeJob("", seconds=100.0, side_by_side=2, runs=10, run_seconds=150.0)
    assert job.beyond_runs == 5.0
