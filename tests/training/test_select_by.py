"""The validation figure that chooses the epoch: what obeys it, what it changes and what not."""

import numpy as np
import pytest
import torch

from bench.compliance.identity import job_id_of
from bench.config import resolve
from bench.errors import DataError, TrainingError, UnknownNameError
from bench.inference.fit import fit_model
from bench.method import Context, Method, Stage
from bench.metrics import log_loss
from bench.metrics.evaluation import FIGURES, figure_named
from bench.metrics.selection import validation_score
from bench.models.gcn import GCNOptions
from bench.models.network import build_network
from bench.options import Options
from bench.report.tables.search import validation_of
from bench.sweep.fingerprint import sources_of_job
from bench.sweep.retention import models_to_forget
from bench.training import selector
from bench.training.checkpoint import CheckpointFile
from bench.training.kinds import begin
from bench.training.loop import train
from bench.training.run import run
from bench.training.score import score
from bench.training.settings import TrainingSettings
from tests.inference.test_fit_model import raw
from tests.report.report_records import make_job, make_record
from tests.sweep.test_plan import _jobs
from tests.toy import toy_data, toy_split
from tests.training.test_estimator_epochs import Loops

DATA = toy_data((60, 40, 20))
SPLIT = toy_split(DATA)
LABELS = DATA.labels[SPLIT.valid]
COUNTS = DATA.class_counts(SPLIT.train)


class Planned(Method):
    """Says at each epoch what it was told to, whatever the network does."""

    plan: list[np.ndarray]

    def setup(self):
        self.register_buffer("epoch", torch.zeros(1))

    def begin_epoch(self, epoch, network):
        self.epoch.fill_(epoch)

    def predict(self, network, batch):
        # Batches of validation come in order; of 24 samples there is one.
        return torch.from_numpy(self.plan[int(self.epoch) - 1]).float()


def logits(recalls, sure=4.0):
    """Of each class a share of its samples right, the others called the next class."""
    found = LABELS.copy()
    for k, recall in enumerate(recalls):
        own = np.flatnonzero(k == LABELS)
        found[own[round(recall * len(own)) :]] = (k + 1) % 3
    return sure * np.eye(3)[found]


# By balanced accuracy the second is best, by accuracy the first, by log loss the third.
PLAN = [logits((1, 1, 0)), logits((0.5, 1, 1)), logits((1, 0.5, 0.5), sure=0.1)]


def trained(select_by, plan=PLAN, cls=Planned, **more):
    network = build_network(DATA, {"molecule": ("gcn", GCNOptions(hidden=8, out=8))}, seed=0)
    named = type("Named", (cls,), {"plan": plan})
    settings = TrainingSettings(epochs=len(plan), batch_size=64, select_by=select_by)
    method = named(Options(), Context(DATA.labels[SPLIT.train], 3, len(plan), 0))
    return train(network, method, network.collator(DATA), SPLIT, settings, seed=0, **more)


def best_of(name, plan=PLAN):
    values = [figure_named(name, LABELS, one.astype(np.float32), COUNTS) for one in plan]
    return 1 + int(np.argmin(values) if name == "log_loss" else np.argmax(values))


@pytest.mark.parametrize("name", ["balanced_accuracy", "accuracy", "mcc", "log_loss", "g_mean"])
def test_the_epoch_that_is_best_by_a_figure_is_chosen(name):
    result = trained(name)
    assert result.best_epoch == best_of(name)
    assert len({best_of("accuracy"), best_of("balanced_accuracy"), best_of("log_loss")}) > 1
    if name == "balanced_accuracy":
        assert result.valid_figure is None
        assert "valid_figure" not in result.history[0].to_json()
    else:
        value = figure_named(name, LABELS, result.valid_logits, COUNTS)
        assert result.valid_figure == result.history[result.best_epoch - 1].valid_figure == value
        assert result.history[0].to_json()["valid_figure"] is not None


def test_lower_is_better_for_log_loss():
    plan = [logits((1, 1, 1), sure=0.1), logits((1, 1, 1)), logits((1, 1, 1), sure=1.0)]
    result = trained("log_loss", plan)
    assert result.best_epoch == 2
    assert result.valid_figure == pytest.approx(log_loss(LABELS, plan[1]))


def test_an_epoch_in_which_it_is_undefined_is_not_chosen():
    """The rare class is never predicted at first."""
    plan = [logits((1, 0, 0)), logits((1, 1, 0.5)), logits((0, 1, 0))]
    plan[0][:, 2] = plan[2][:, 2] = -9
    result = trained("precision_rare", plan)
    assert result.best_epoch == 2
    assert result.history[0].valid_figure is None
    with pytest.raises(TrainingError, match=r"precision_rare is defined .* is in none"):
        trained("precision_rare", plan[:1])


def test_epochs_that_a_method_refuses_stay_refused():
    class Late(Planned):
        def selectable(self, epoch):
            return epoch > 1

    assert trained("accuracy", cls=Late).best_epoch > 1


def test_two_stages_are_chosen_over_as_one():
    class Two(Planned):
        def stages(self):
            return (Stage("first", 0.7), Stage("second", 0.3))

    assert trained("log_loss", cls=Two).best_epoch == best_of("log_loss")
    assert trained("accuracy", cls=Two).best_epoch == best_of("accuracy")


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("name", ["accuracy", "log_loss"])
def test_a_run_that_was_stopped_goes_on_by_the_same_figure(tmp_path, name):
    file = CheckpointFile(tmp_path / "run", every_seconds=0)

    def stop(report):
        if report.epoch == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        trained(name, checkpoint=file, on_epoch=stop)
    seen = []
    again = trained(name, checkpoint=file, on_epoch=lambda report: seen.append(report.epoch))
    assert seen == [3]
    assert again.best_epoch == trained(name).best_epoch
    assert [one.valid_figure for one in again.history] == [
        one.valid_figure for one in trained(name).history
    ]


def test_progress_by_another_figure_is_not_gone_on_with(tmp_path, caplog):
    file = CheckpointFile(tmp_path / "run", every_seconds=0)
    trained("accuracy", checkpoint=file)
    seen = []
    trained("mcc", checkpoint=file, on_epoch=lambda report: seen.append(report.epoch))
    assert seen == [1, 2, 3]
    assert "training settings" in caplog.text


class TestWhatIsRefused:
    def test_an_unknown_figure_with_the_list(self):
        with pytest.raises(
            UnknownNameError, match=r"did you mean 'g_mean'.*Known: accuracy, auroc"
        ):
            resolve("quick", {"training.select_by": "gmean"})
        with pytest.raises(UnknownNameError, match="Known: accuracy"):
            trained("samples")

    def test_a_figure_of_two_classes_on_three(self):
        with pytest.raises(DataError, match="validation set on which bedroc is defined"):
            trained("bedroc")

    def test_before_an_estimator_is_fitted(self):
        with pytest.raises(DataError, match="recall_many"):
            begin(
                DATA, SPLIT, Loops, Options(), backbones={}, seed=0, runs={},
                training=TrainingSettings(select_by="recall_many"), device=torch.device("cpu"),
            )  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_choose_where_it_is_defined(name):
    labels, counts = np.array([0, 0, 1, 1, 2]), np.array([300, 50, 5])
    if name in ("bedroc", "enrichment_1pct"):
        labels, counts = labels[:4], counts[:2]
    perfect = np.eye(len(counts))[labels] * 9
    selects = selector.Selector(name, labels, counts)
    assert selects.judge(perfect).score >= selects.judge(-perfect).score


class TestIdentity:
    def test_the_usual_choice_changes_no_id(self):
        settings = TrainingSettings()
        assert "select_by" not in settings.model_dump(mode="json")
        assert TrainingSettings(select_by="balanced_accuracy") == settings
        [job], [same] = (
            _jobs(methods=["vanilla"], splits=["random"], **more)
            for more in ({}, {"training.select_by": "balanced_accuracy"})
        )
        assert job.job_id == same.job_id

    def test_another_one_is_another_run_by_more_code(self):
        [job], [other] = (
            _jobs(methods=["vanilla"], splits=["random"], **more)
            for more in ({}, {"training.select_by": "mcc"})
        )
        assert job.job_id != other.job_id
        assert other.job_id == job_id_of(other.to_json(), other.content_sha256)
        scores = {"bench/metrics/evaluation.py", "bench/metrics/imbalance.py"}
        assert not scores & sources_of_job(job).keys()
        assert scores <= sources_of_job(other).keys()


def test_a_record_says_what_chose_and_search_and_retention_obey():
    done = run(
        DATA, SPLIT, method_name="vanilla", method_options=Options(), seed=0,
        backbones={"molecule": ("gcn", GCNOptions(hidden=8, out=8))}, device=torch.device("cpu"),
        training=TrainingSettings(epochs=2, batch_size=64, select_by="log_loss"),
    )  # fmt: skip
    figures = score(done, DATA, SPLIT).figures
    selection, history = figures["selection"], figures["history"]
    assert selection["rule"] == "best validation log loss"
    assert selection["by"] == "log_loss"
    assert selection["value"] == min(one["valid_figure"] for one in history)
    assert validation_score(selection) == -selection["value"]
    found = validation_of({**make_record(make_job()), **figures})
    assert (found.by, found.score) == ("log_loss", -100 * selection["value"])
    assert found.curve.tolist() == [-100 * one["valid_figure"] for one in history]
    jobs = _jobs(methods=["vanilla"], splits=["random"], seeds=[0, 1])
    records = [
        {"job_id": job.job_id, "job": {"requires": {}},
         "selection": {"valid_balanced_accuracy": 0.5, "by": "log_loss", "value": value}}
        for job, value in zip(jobs, (0.7, 0.2), strict=True)
    ]  # fmt: skip
    assert models_to_forget(jobs, records, "best") == [jobs[0].job_id]


def test_an_estimator_tells_the_figure_and_has_nothing_to_choose():
    told = []
    begun = begin(
        DATA, SPLIT, Constant, Options(), backbones={}, seed=0, runs={},
        training=TrainingSettings(epochs=1, select_by="log_loss"), device=torch.device("cpu"),
    )  # fmt: skip
    result = begun.fit(on_epoch=told.append)
    assert (result.best_epoch, result.valid_figure) == (0, pytest.approx(np.log(3)))
    assert told[0].valid_figure == pytest.approx(np.log(3))


class Constant(Loops):
    def fit(self, train, valid):
        self.context.on_epoch(
            1, train_loss=1.0, learning_rate=0.1, valid_logits=np.zeros((len(LABELS), 3))
        )

    def logits(self, samples):
        return np.zeros((len(samples.entities[0].values), 3))


def test_a_final_model_is_chosen_by_it_and_its_card_says_so():
    training = TrainingSettings(epochs=2, batch_size=32, select_by="log_loss")
    card = fit_model(raw(), name="own", method="vanilla", training=training).card
    assert card.training["select_by"] == "log_loss"
    assert set(card.valid) == {"balanced_accuracy", "log_loss"}
    assert card.valid["log_loss"] > 0
