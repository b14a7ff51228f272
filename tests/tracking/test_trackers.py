import csv
from types import SimpleNamespace

import pytest

from bench.errors import UnavailableError, UnknownNameError
from bench.sweep.worker import Outcome
from bench.tracking import listener
from bench.tracking.csv_file import COLUMNS
from bench.tracking.listener import TRACKERS, Listener, Listeners, Run, Tracker, require_trackers
from bench.training.loop import EpochReport

JOB = "a" * 20
RUNS = {JOB: Run(JOB, "toy · random · CB, seed 0", "toy", "random", "cb,x", 0, {"epochs": 3})}
RECORD = {"metrics": {"accuracy": 0.5, "auroc": None}, "selection": {"epoch": 2}}


def report(epoch, loss=1.0):
    return EpochReport(epoch, "all", loss, 0.1, 0.5, 1.0, valid_loss=0.7)


def tell(name, out, epochs, *, ended=True):
    """One attempt of the run, as a process of its own would tell it."""
    listeners = Listeners(Listener(), [name], out, RUNS)
    listeners.started(JOB)
    for epoch in epochs:
        listeners.epoch(JOB, report(epoch, loss=float(epoch)))
    if ended:
        listeners.finished(Outcome(JOB), RECORD)
    listeners.close()


def rows(out):
    with (out / "epochs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_an_epoch_once_after_a_resumed_run(tmp_path):
    tell("csv", tmp_path, [1, 2, 3], ended=False)
    tell("csv", tmp_path, [3, 4])
    found = rows(tmp_path)
    assert [row["epoch"] for row in found] == ["1", "2", "3", "4"]
    assert tuple(found[0]) == COLUMNS
    assert found[0]["method"] == "cb,x"
    assert float(found[0]["valid_loss"]) == 0.7


def test_csv_drops_half_a_line_and_leaves_the_table_of_someone_else(tmp_path, caplog):
    tell("csv", tmp_path, [1])
    with (tmp_path / "epochs.csv").open("a") as file:
        file.write(f"{JOB},cb")
    tell("csv", tmp_path, [2])
    assert [row["epoch"] for row in rows(tmp_path)] == ["1", "2"]
    (tmp_path / "epochs.csv").write_text("a,b\n1,2\n")
    tell("csv", tmp_path, [1, 2])
    assert (tmp_path / "epochs.csv").read_text() == "a,b\n1,2\n"
    assert caplog.text.count("not a table of epochs") == 1


def test_csv_follows_no_link(tmp_path, caplog):
    (tmp_path / "epochs.csv").symlink_to(tmp_path / "elsewhere")
    tell("csv", tmp_path, [1])
    assert not (tmp_path / "elsewhere").exists()
    assert "tracker csv is left out" in caplog.text


def test_tensorboard_shows_each_epoch_once_after_a_resumed_run(tmp_path):
    module = "tensorboard.backend.event_processing.event_accumulator"
    events = pytest.importorskip(module)
    tell("tensorboard", tmp_path, [1, 2, 3], ended=False)
    tell("tensorboard", tmp_path, [3, 4])
    [folder] = (tmp_path / "tensorboard").iterdir()
    found = events.EventAccumulator(str(folder)).Reload()
    assert [(event.step, event.value) for event in found.Scalars("loss/train")] == [
        (1, 1.0),
        (2, 2.0),
        (3, 3.0),
        (4, 4.0),
    ]
    assert found.Scalars("loss/valid")[0].value == pytest.approx(0.7)
    assert found.Scalars("test/accuracy")[0].value == 0.5


def test_mlflow_has_one_run_with_each_epoch_once_after_a_resumed_run(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tell("mlflow", tmp_path, [1, 2, 3], ended=False)
    tell("mlflow", tmp_path, [3, 4])
    client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("ltdd-bench").experiment_id
    [run] = client.search_runs([experiment])
    assert run.info.status == "FINISHED"
    assert run.data.params == {"epochs": "3"}
    assert run.data.tags["job_id"] == JOB
    assert run.data.metrics["test_accuracy"] == 0.5
    steps = [m.step for m in client.get_metric_history(run.info.run_id, "train_loss")]
    assert steps == [1, 2, 3, 4]


def test_mlflow_has_a_run_that_tells_of_no_epoch(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tell("mlflow", tmp_path, [])
    client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
    [run] = client.search_runs([client.get_experiment_by_name("ltdd-bench").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"test_accuracy": 0.5}


def test_a_tracker_that_raises_is_named_once_and_the_others_hear_on(tmp_path, monkeypatch, caplog):
    heard = []

    class Raises(Tracker):
        def epoch(self, job_id, report):
            raise RuntimeError("no room")

    class First(Listener):
        def epoch(self, job_id, report):
            heard.append(report.epoch)

    monkeypatch.setitem(TRACKERS._entries, "raises", SimpleNamespace(cls=Raises))
    TRACKERS.discover()
    listeners = Listeners(First(), ["raises", "csv"], tmp_path, RUNS)
    for epoch in (1, 2):
        listeners.epoch(JOB, report(epoch))
    listeners.close()
    assert heard == [1, 2]
    assert len(rows(tmp_path)) == 2
    assert caplog.text.count("tracker raises is left out") == 1


def test_a_tracker_that_is_unknown_or_lacks_its_package_is_refused(monkeypatch):
    with pytest.raises(UnknownNameError, match="did you mean 'tensorboard'"):
        require_trackers(["tensorbord"])
    monkeypatch.setattr(listener, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="pip install tensorboard"):
        require_trackers(["tensorboard"])
