"""A run that was stopped goes on from its last checkpoint and ends as if it had not been."""

import json
from functools import cache, partial

import pytest
import torch

from bench.conformance.resume import first_difference, stop_and_go_on
from bench.conformance.trial import Case, FinishedRuns, NetworkTrial
from bench.method import METHODS, Method, Stage
from bench.methods._posthoc import PostHoc
from bench.models.gcn import GCNOptions
from bench.options import Options
from bench.training.checkpoint import CheckpointFile
from bench.training.run import run
from bench.training.settings import TrainingSettings
from tests.methods.trials import trial
from tests.toy import toy_data, toy_split

CASE = Case(epochs=6, batch_size=32)
# Second stages take all epochs here, so that these methods, too, train six.
OPTIONS = {"decoupling": {"share": 1.0}, "lws": {"share": 1.0}}
# Warm-up is epochs 1 to 3.
LATE = {"warm_up": 0.5}


def trains_in_epochs(cls):
    """An estimator is fitted as a whole, and an ensemble or a post-hoc method trains nothing."""
    return issubclass(cls, Method) and cls.stages is not PostHoc.stages


IN_EPOCHS = [entry.name for entry in METHODS if trains_in_epochs(entry.cls)]


@cache
def maker(name, *options):
    """Begins a run; the same object for the same run."""
    return partial(trial, name, CASE, **dict(options))


@cache
def unstopped(make):
    """The whole run, trained once for all stops."""
    whole = make()
    return whole, whole.train()


def difference(make, stops):
    return first_difference(unstopped(make), stop_and_go_on(make, stops))


@pytest.mark.fault(7)
@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vanilla", {}),  # the first stage of decoupling
        ("decoupling", {"share": 1.0}),
        ("lws", {"share": 1.0}),
        ("sdr", LATE),
        ("sdr_la", {**LATE, "dynamic": False}),
        ("sdr_released", LATE),
        ("ib", {}),
        ("ldam_drw", {"start": 0.5}),
    ],
)
def test_stops_before_at_and_after_a_change_of_what_is_trained(name, options, stop):
    """A stop beside the end of warm-up, or within a second stage."""
    assert difference(maker(name, *options.items()), [stop]) is None


class NewHead(Method):
    """Both stages in one run; the second begins with a new head and its own optimiser."""

    def stages(self):
        return (Stage("all", 0.5), Stage("head", 0.5, lambda network: network.head))

    def begin_stage(self, index, network):
        if index == 1:
            network.head.reset(7)

    def selectable(self, epoch):
        return epoch > 3


def new_head():
    return NetworkTrial(NewHead, Options(), CASE, FinishedRuns())


@pytest.mark.fault(7)
@pytest.mark.parametrize("stops", [[1], [2], [3], [4], [5], [6], range(1, 7)])
def test_a_second_stage_begins_once_wherever_the_stop(stops):
    """The head of the second stage is made again a second time, or its optimiser is."""
    assert difference(new_head, stops) is None


class StoppedError(Exception):
    pass


@pytest.mark.fault(7)
def test_a_stored_result_of_a_stopped_run_is_that_of_one_never_stopped(tmp_path):
    """Figures, predictions or time of the record lose what was before the stop."""
    data = toy_data((120, 60, 30))
    settings = {
        "method_name": "sdr_joint",
        "method_options": METHODS.get("sdr_joint").cls.options_type(),
        "backbones": {"molecule": ("gcn", GCNOptions(hidden=8, out=8))},
        "training": TrainingSettings(epochs=6, batch_size=16),
        "seed": 3,
        "device": torch.device("cpu"),
    }

    def stop(report):
        if report.epoch == 3:
            raise StoppedError

    whole = run(data, toy_split(data), **settings)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(StoppedError):
        run(data, toy_split(data), **settings, on_epoch=stop, checkpoint=CheckpointFile(path, 0))
    seen = []
    resumed = run(
        data, toy_split(data), **settings,
        on_epoch=seen.append, checkpoint=CheckpointFile(path, 0),
    )  # fmt: skip
    assert [report.epoch for report in seen] == [4, 5, 6]
    assert comparable(whole.figures) == comparable(resumed.figures)
    for name in ("predictions", "weights"):
        one, other = getattr(whole, name), getattr(resumed, name)
        assert one.keys() == other.keys()
        assert all((one[key] == other[key]).all() for key in one)
    before = sum(row["seconds"] for row in resumed.figures["history"])
    assert resumed.figures["time"]["seconds"] >= before


def comparable(figures):
    """The figures without times, as text."""
    history = [{**row, "seconds": 0} for row in figures["history"]]
    return json.dumps({**figures, "history": history, "time": None}, sort_keys=True)
