import numpy as np
import pytest
import torch

from bench.conformance.trial import Case
from bench.methods.contrastive.distances import class_distances, inverse_shares
from bench.methods.losses.cross_entropy import weighted_cross_entropy
from bench.methods.losses.subcluster import subcluster_loss
from bench.methods.losses.supcon import supcon_loss
from tests.methods.contrastive_trials import (
    TWO_CLASSES,
    batch_of,
    ready,
    step_gradients,
    train_watched,
)
from tests.methods.trials import trained, trial


def test_warm_up_is_supervised_contrast_alone_and_after_it_both_losses_act():
    for epoch, warm in ((1, True), (2, False)):
        found = ready("sdr", epoch=epoch, warm_up=0.25, augmentation="none")
        method, network, batch = found.method, found.network, batch_of(found)
        # The classifier sees features without gradient, from a pass of its own.
        loss = method.training_step(network, batch)
        embeddings = network.encode(batch)
        features = method.project(embeddings).repeat(2, 1)
        expected = supcon_loss(features, batch.labels, temperature=0.1)
        if not warm:
            clusters = method.subcluster_of[batch.positions]
            expected = subcluster_loss(
                features, batch.labels, clusters, tau1=0.1, tau2=0.1, beta=0.25
            )
            expected = expected + weighted_cross_entropy(
                network.head(embeddings), batch.labels, method.omega, reduction="plain"
            )
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_cross_entropy_does_not_reach_the_encoder():
    found = {}
    for scale in (1, 10):
        run = ready("sdr")
        run.method.omega *= scale
        found[scale] = step_gradients(run)
    for name, one in found[1].items():
        assert one.any()
        if name.startswith("head."):
            assert torch.allclose(found[10][name], 10 * one, rtol=1e-4, atol=1e-8)
        else:
            assert torch.equal(found[10][name], one)


def test_cross_entropy_reaches_the_encoder_in_the_joint_form():
    without, with_it = (step_gradients(ready("sdr_joint", ce_weight=w)) for w in (0.0, 1.0))
    changed = [name for name in without if not torch.equal(without[name], with_it[name])]
    assert any(name.startswith("encoders.") for name in changed)


def test_classifier_is_untouched_in_warm_up_and_trains_after_it():
    found = trial("sdr", Case(epochs=4), warm_up=0.5)
    heads = [found.network.head.classifier.weight.detach().clone()]
    train_watched(
        found,
        on_epoch=lambda _: heads.append(found.network.head.classifier.weight.detach().clone()),
    )
    assert torch.equal(heads[0], heads[1])
    assert torch.equal(heads[0], heads[2])
    assert not torch.equal(heads[2], heads[3])


def test_joint_form_trains_its_classifier_with_unit_weights_in_warm_up():
    found = ready("sdr_joint", epoch=1, warm_up=0.5)
    assert found.method.omega.tolist() == [1, 1, 1]
    assert step_gradients(found)["head.classifier.weight"].any()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 10 epochs: a share of 0.05 is less than one, so clusters are new in every epoch.
        ({}, [2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ({"update_interval": 0.3}, [2, 5, 8]),
        ({"update_interval": 0.3, "warm_up": 0.0}, [1, 4, 7, 10]),
        ({"update_interval": 1.0, "warm_up": 0.55}, [6]),
        ({"dynamic": False}, [2]),
    ],
)
def test_clusters_are_new_right_after_warm_up_and_at_intervals(options, expected):
    found = trial("sdr", Case(counts=(10, 5), epochs=10), **options)
    found.method.initialise(found.network)
    updated = []
    found.method._update = lambda epoch, network: updated.append(epoch)
    for epoch in range(1, 11):
        found.method.begin_epoch(epoch, found.network)
    assert updated == expected
    assert next(e for e in range(1, 11) if found.method.selectable(e)) == expected[0]


def test_the_papers_length_gives_20_epochs_of_warm_up_and_intervals_of_10():
    found = trial("sdr", Case(counts=(10, 5), epochs=200))
    updates = [epoch for epoch in range(1, 201) if found.method._updates(epoch)]
    assert updates == list(range(21, 201, 10))


def test_subclusters_follow_the_samples_of_a_batch():
    found = ready("sdr", delta=5)
    method, labels = found.method, found.data.labels
    counts = np.bincount(labels[found.split.train])
    assert counts.tolist() == [60, 30, 12]
    clusters = method.subcluster_of[torch.tensor(found.split.train)]
    owners = {
        int(c): set(labels[found.split.train][(clusters == c).numpy()]) for c in clusters.unique()
    }
    assert all(len(classes) == 1 for classes in owners.values())
    # 60 / 12 and 30 / 12 rounded up, and the tail in one piece.
    assert [sum(classes == {k} for classes in owners.values()) for k in range(3)] == [5, 3, 1]
    assert torch.bincount(clusters).max() <= 12
    assert (method.subcluster_of[torch.tensor(found.split.valid[:3])] == -1).all()
    rows = method.subcluster_of[batch_of(found).positions]
    assert torch.equal(rows, clusters[:24])


def test_delta_and_rounding_set_the_number_of_subclusters():
    for options, expected in (
        ({"delta": 40}, 2 + 1 + 1),
        ({"delta": 40, "rounding": "floor"}, 3),
        ({"delta": 1000}, 3),
    ):
        assert ready("sdr", **options).method.report()["subclusters"] == expected


@pytest.mark.parametrize("space", ["projection", "encoder"])
def test_weights_come_from_the_whole_training_part_in_evaluation_mode(space):
    found = ready("sdr", reweighting="class", space=space)
    embeddings = found.method.context.view.embeddings(found.network, "train")
    with torch.no_grad():
        features = found.method.project(embeddings) if space == "projection" else embeddings
    labels = torch.from_numpy(found.method.context.labels)
    expected = 3 * inverse_shares(class_distances(features.double(), labels, labels))
    assert torch.allclose(found.method.omega.double(), expected, rtol=1e-5)


@pytest.mark.parametrize("reweighting", ["none", "class", "subcluster", "both"])
def test_weights_have_a_mean_of_1(reweighting):
    omega = ready("sdr", reweighting=reweighting).method.omega
    assert omega.mean().item() == pytest.approx(1)
    assert (omega == 1).all() == (reweighting == "none")


def test_two_classes_are_not_reweighted_unless_distances_are_averaged():
    assert ready("sdr", TWO_CLASSES).method.omega.tolist() == [1, 1]
    assert ready("sdr", TWO_CLASSES, agg="mean").method.omega.tolist() != [1, 1]


def test_history_holds_weights_and_only_epochs_after_warm_up_are_selected():
    found = trial("sdr", Case(epochs=5), warm_up=0.4)
    result = train_watched(found)
    assert result.best_epoch > 2
    weights = [line.method["omega"] for line in result.history]
    assert weights[0] == weights[1] == [1, 1, 1]
    assert weights[2] != [1, 1, 1]
    assert sum(weights[2]) == pytest.approx(3)
    assert [line.method["subclusters"] > 0 for line in result.history] == [False] * 2 + [True] * 3


def test_static_clusters_and_weights_stay():
    lines = train_watched(trial("sdr", Case(epochs=5), warm_up=0.2, dynamic=False)).history
    weights = [line.method["omega"] for line in lines]
    assert weights[1] == weights[2] == weights[3] == weights[4] != weights[0]


@pytest.mark.parametrize("form", ["two_views", "literal"])
def test_first_view_is_the_sample_itself_in_the_literal_form(form):
    found = ready("sdr", view_form=form, ratio=0.5)
    batch = batch_of(found)
    first, second = found.method.views(batch)
    atoms = batch.inputs["molecule"].num_atoms
    assert (first is batch) == (form == "literal")
    assert second.inputs["molecule"].num_atoms < atoms
    assert torch.isfinite(found.method.training_step(found.network, batch))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sdr", {"projection": "none", "warm_up": 0.0}),
        ("sdr", {"augmentation": "drop_bonds", "rounding": "floor", "agg": "mean"}),
        ("sdr_joint", {"augmentation": "perturb_bonds", "view_form": "literal"}),
        ("sdr_la", {"augmentation": "mask_atoms", "space": "encoder", "reweighting": "class"}),
    ],
)
def test_learns_with_other_options(name, options):
    found = trained(name, Case(counts=(60, 30, 15), epochs=12), **options)
    predicted = found.logits().argmax(axis=1)
    assert (predicted == found.data.labels[found.split.test]).mean() > 0.9


def test_projection_starts_from_the_seed_and_leaves_global_state():
    before = torch.random.get_rng_state()
    weights = [ready("sdr", Case(seed=seed)).method.projection[0].weight for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(before, torch.random.get_rng_state())


def test_logit_adjusted_form_shifts_only_the_loss():
    joint, adjusted = (ready(name, augmentation="none") for name in ("sdr_joint", "sdr_la"))
    logits, labels = torch.zeros(3, 3), torch.tensor([0, 1, 2])
    prior = torch.tensor([60, 30, 12]) / 102
    omega = adjusted.method.omega
    assert adjusted.method.loss(logits, labels).item() == pytest.approx(
        -(omega * prior.log()).mean().item(), rel=1e-6
    )
    assert joint.method.loss(logits, labels).item() == pytest.approx(np.log(3), rel=1e-6)
    assert torch.equal(adjusted.method.adjust_logits(logits), logits)
