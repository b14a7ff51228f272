from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bench.errors import TrainingError
from bench.method import Context, Method, Stage
from bench.models.gcn import GCNOptions
from bench.models.network import build_network
from bench.options import Options
from bench.training import loop, selector
from bench.training.checkpoint import CheckpointFile
from bench.training.evaluation import EvaluationBatches, mean_cross_entropy, predict_logits
from bench.training.loop import EpochReport, train
from bench.training.settings import TrainingSettings
from bench.training.stages import stage_epochs
from tests.toy import toy_data, toy_split

COUNTS = (120, 60, 30)


def run(method_type=Method, *, epochs=4, seed=0, batch_size=16, counts=COUNTS, **kwargs):
    data = toy_data(counts)
    split = toy_split(data)
    network = build_network(data, {"molecule": ("gcn", GCNOptions(hidden=8, out=8))}, seed=seed)
    context = Context(data.labels[split.train], data.num_classes, epochs, seed)
    method = method_type(Options(), context)
    settings = TrainingSettings(epochs=epochs, batch_size=batch_size, learning_rate=0.01)
    collator = network.collator(data)
    result = train(network, method, collator, split, settings, seed=seed, **kwargs)
    logits = predict_logits(network, method, EvaluationBatches(collator, split.test))
    return result, network, method, logits, data.labels[split.test]


def test_learns_a_separable_set():
    result, _, _, logits, labels = run(epochs=10)
    assert result.best_valid_balanced_accuracy == 1
    assert (logits.argmax(1) == labels).all()
    assert result.history[-1].train_loss < result.history[0].train_loss


def test_same_seed_gives_the_same_run_and_another_seed_another():
    first, again, other = run(seed=3), run(seed=3), run(seed=4)
    assert np.array_equal(first[3], again[3])
    assert [r.train_loss for r in first[0].history] == [r.train_loss for r in again[0].history]
    assert not np.array_equal(first[3], other[3])


def test_global_random_state_is_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    np_before = np.random.get_state()[1].copy()  # noqa: NPY002
    run(epochs=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], np_before)  # noqa: NPY002


def test_no_other_device_is_seeded_by_a_run_on_the_cpu(monkeypatch):
    """`torch.manual_seed` keeps a call, with its stack, for each device that is not in use yet."""
    monkeypatch.setattr(torch, "manual_seed", None)
    run(epochs=1)


def test_order_of_samples_does_not_depend_on_earlier_draws():
    class Draws(Method):
        def begin_epoch(self, epoch, network):
            torch.rand(epoch)

        def training_step(self, network, batch):
            torch.rand(3, generator=self.context.generator)
            return super().training_step(network, batch)

    plain, drawing = run(Method), run(Draws)
    assert np.array_equal(plain[3], drawing[3])


def test_an_epochs_batches_reach_the_steps_as_the_method_prepared_them():
    seen = []

    class Prepares(Method):
        def prepare_epoch(self, epoch, batches):
            for number, batch in enumerate(batches):
                yield replace(batch, views=(epoch, number))

        def training_step(self, network, batch):
            seen.append(batch.views)
            return super().training_step(network, batch)

    run(Prepares, epochs=2, batch_size=40)
    assert seen == [(epoch, number) for epoch in (1, 2) for number in range(3)]


def test_network_ends_with_the_weights_of_the_best_epoch(monkeypatch):
    scores = iter([0.4, 0.9, 0.7, 0.9, 0.9])  # the last: after training
    monkeypatch.setattr(selector, "balanced_accuracy", lambda *_: next(scores))
    states = []

    class Recorder(Method):
        pass

    data = toy_data(COUNTS)
    split = toy_split(data)
    network = build_network(data, {"molecule": ("gcn", GCNOptions(hidden=8, out=8))}, seed=0)
    method = Recorder(Options(), Context(data.labels[split.train], 3, 4, 0))
    settings = TrainingSettings(epochs=4, batch_size=16)
    result = train(
        network, method, network.collator(data), split, settings, seed=0,
        on_epoch=lambda _: states.append({k: v.clone() for k, v in network.state_dict().items()}),
    )  # fmt: skip
    # The second and fourth epoch tie: the earlier one is kept.
    assert (result.best_epoch, result.best_valid_balanced_accuracy) == (2, 0.9)
    assert all(torch.equal(v, states[1][k]) for k, v in network.state_dict().items())


def test_epochs_before_a_method_allows_are_not_selected(monkeypatch):
    scores = iter([1.0, 0.2, 0.3, 0.3])
    monkeypatch.setattr(selector, "balanced_accuracy", lambda *_: next(scores))

    class Late(Method):
        def selectable(self, epoch):
            return epoch > 1

    assert run(Late, epochs=3)[0].best_epoch == 3


def test_no_selectable_epoch_is_an_error():
    class Never(Method):
        def selectable(self, epoch):
            return False

    with pytest.raises(TrainingError, match="selectable epoch"):
        run(Never, epochs=2)


@pytest.mark.fault(38)
def test_non_finite_loss_fails_with_epoch_and_step():
    """A loss that is not a number becomes a normal score."""

    class Breaks(Method):
        steps = 0

        def loss(self, logits, labels):
            self.steps += 1
            return super().loss(logits, labels) * (float("nan") if self.steps == 7 else 1)

    # 126 training samples in batches of 16 are 7 full steps.
    with pytest.raises(TrainingError, match="nan at epoch 1 step 7"):
        run(Breaks)


class TwoStages(Method):
    def stages(self):
        return (Stage("all", 0.5), Stage("head", 0.5, lambda network: network.head))

    def selectable(self, epoch):
        return epoch > 2

    def begin_stage(self, index, network):
        if index == 1:
            self.before = {k: v.clone() for k, v in network.encoders.state_dict().items()}
            self.head_before = network.head.classifier.weight.detach().clone()


def test_a_stage_trains_what_it_names_and_freezes_the_rest_to_the_bit():
    result, network, method, *_ = run(TwoStages, epochs=4)
    assert [report.stage for report in result.history] == ["all", "all", "head", "head"]
    after = network.encoders.state_dict()
    assert all(torch.equal(after[k], v) for k, v in method.before.items())
    assert not torch.equal(network.head.classifier.weight, method.head_before)


def test_every_stage_has_the_whole_schedule():
    rates = [report.learning_rate for report in run(TwoStages, epochs=4)[0].history]
    assert rates[:2] == rates[2:]
    assert rates[0] > rates[1]


def test_frozen_encoder_keeps_its_batch_statistics():
    seen = []

    class Watch(TwoStages):
        def begin_epoch(self, epoch, network):
            seen.append({k: v.clone() for k, v in network.encoders.state_dict().items()})

    run(Watch, epochs=5)
    assert all(torch.equal(seen[3][k], seen[4][k]) for k in seen[3])
    assert any(not torch.equal(seen[0][k], seen[1][k]) for k in seen[0])


@pytest.mark.parametrize(
    ("shares", "epochs", "expected"),
    [
        ((1.0,), 7, [7]),
        ((0.9, 0.1), 30, [27, 3]),
        ((0.9, 0.1), 2, [1, 1]),
        ((0.95, 0.05), 3, [2, 1]),
        ((0.1, 0.8, 0.1), 3, [1, 1, 1]),
        ((0.1,), 30, [3]),
        ((0.1,), 1, [1]),
        ((), 30, []),
    ],
)
def test_stages_share_the_epochs_and_each_gets_one(shares, epochs, expected):
    class Shares(Method):
        def stages(self):
            return tuple(Stage(str(i), share) for i, share in enumerate(shares))

    method = Shares(Options(), Context(np.array([0, 1]), 2, epochs, 0))
    assert [count for _, count in stage_epochs(method, epochs)] == expected


def test_shares_beyond_the_budget_and_too_few_epochs_are_errors():
    class Half(Method):
        def stages(self):
            return (Stage("a", 0.5), Stage("b", 0.6))

    method = Half(Options(), Context(np.array([0, 1]), 2, 1, 0))
    with pytest.raises(TrainingError, match="at most 1"):
        stage_epochs(method, 10)
    method = TwoStages(Options(), Context(np.array([0, 1]), 2, 1, 0))
    with pytest.raises(TrainingError, match="--epochs"):
        stage_epochs(method, 1)


def test_parameters_of_a_method_train_with_the_network():
    class Scaled(Method):
        def setup(self):
            self.scale = nn.Parameter(torch.ones(3))

        def adjust_logits(self, logits):
            return logits * self.scale

        def loss(self, logits, labels):
            return super().loss(logits * self.scale, labels)

    *_, method, _, _ = run(Scaled)
    assert not torch.equal(method.scale, torch.ones(3))


@pytest.mark.fault(32)
def test_last_incomplete_batch_is_left_out_and_a_small_set_is_one_batch():
    """Batch statistics of a last batch of one sample."""
    positions = np.arange(10)
    assert [len(batch) for batch in loop._batches(positions, 4)] == [4, 4]
    assert [len(batch) for batch in loop._batches(positions, 64)] == [10]


def test_trains_on_one_sample_a_batch():
    result, *_ = run(batch_size=1, epochs=1, counts=(8, 8))
    assert np.isfinite(result.history[0].train_loss)


def test_a_post_hoc_method_starts_from_a_finished_run_and_trains_nothing():
    first, trained, *_ = run(epochs=3)

    class Posthoc(Method):
        def stages(self):
            return ()

        def initialise(self, network):
            network.load_state_dict(trained.state_dict())

        def conclude(self, network):
            with torch.no_grad():
                network.head.classifier.bias[0] -= 1e6  # never predicts class 0

    result, network, *_ = run(Posthoc, seed=9)
    assert result.history == ()
    assert result.best_epoch == 0
    assert all(
        torch.equal(tensor, trained.encoders.state_dict()[name])
        for name, tensor in network.encoders.state_dict().items()
    )
    # The score belongs to what is stored: after the conclusion.
    assert result.best_valid_balanced_accuracy <= 2 / 3 < first.best_valid_balanced_accuracy


def test_what_a_method_reports_stands_in_the_history():
    class Reports(Method):
        def report(self):
            return {"weights": [1.0, 2.0]}

    history = run(Reports, epochs=2)[0].history
    assert [line.to_json()["method"] for line in history] == [{"weights": [1.0, 2.0]}] * 2


def test_dropout_draws_other_masks_in_each_epoch_and_the_same_in_each_run():
    masks = []

    class Drops(Method):
        def training_step(self, network, batch):
            if len(masks[-1]) < 64:
                masks[-1] += nn.functional.dropout(torch.ones(64)).tolist()
            return super().training_step(network, batch)

        def begin_epoch(self, epoch, network):
            masks.append([])

    run(Drops, epochs=3)
    run(Drops, epochs=3)
    assert masks[:3] == masks[3:]
    assert len({tuple(mask) for mask in masks}) == 3
    masks.clear()
    run(Drops, epochs=3, seed=1)
    assert len({tuple(mask) for mask in masks}) == 3


def test_what_a_method_had_frozen_is_frozen_where_a_run_goes_on(tmp_path):
    """Frozen when the stage began, which does not begin again."""
    trained, epochs = [], []

    class Freezes(Method):
        def setup(self):
            self.scale = nn.Parameter(torch.ones(1))

        def begin_stage(self, index, network):
            self.scale.requires_grad_(False)

        def begin_epoch(self, epoch, network):
            epochs.append(epoch)
            trained.append(self.scale.requires_grad)

        def loss(self, logits, labels):
            return super().loss(logits * self.scale, labels)

    class Stopped(Exception):  # noqa: N818
        pass

    def stop(report):
        raise Stopped

    file = CheckpointFile(tmp_path / "checkpoint.safetensors", every_seconds=0)
    with pytest.raises(Stopped):
        run(Freezes, epochs=3, checkpoint=file, on_epoch=stop)
    _, _, method, _, _ = run(Freezes, epochs=3, checkpoint=file)
    assert epochs == [1, 2, 3]  # it went on
    assert trained == [False] * 3
    assert method.scale.item() == 1


def test_history_has_the_cross_entropy_of_the_validation_logits():
    result, *_ = run(epochs=1)
    data = toy_data(COUNTS)
    labels = data.labels[toy_split(data).valid]
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(result.valid_logits).double(), torch.from_numpy(labels)
    )
    assert result.history[0].valid_loss == pytest.approx(float(expected), rel=1e-12)


def test_cross_entropy_of_extreme_logits_is_finite():
    logits = np.array([[1e30, -1e30], [0, 0]], dtype=np.float32)
    assert mean_cross_entropy(np.array([0, 1]), logits) == pytest.approx(np.log(2) / 2)


def test_reports_of_earlier_versions_have_no_validation_loss():
    old = {"epoch": 1, "stage": "all", "train_loss": 1.0, "learning_rate": 0.1}
    report = EpochReport(**old, valid_balanced_accuracy=0.5, seconds=1.0)
    assert report.valid_loss is None
