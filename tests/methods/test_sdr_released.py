import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from bench.conformance.trial import Case
from bench.methods import sdr_released
from bench.methods.contrastive.assignment import num_subclusters
from bench.methods.losses.subcluster import subcluster_loss
from bench.methods.losses.supcon import supcon_loss
from tests.methods.contrastive_trials import (
    LONG_TAIL,
    TWO_CLASSES,
    batch_of,
    ready,
    step_gradients,
    train_watched,
)
from tests.methods.trials import trial


def test_training_samples_are_those_of_the_control_with_class_balanced_sampling():
    released, control = (
        trial("sdr_released", LONG_TAIL),
        trial("class_balanced_sampling", LONG_TAIL),
    )
    for epoch in (1, 2):
        drawn = released.method.sample_epoch(epoch)
        assert np.array_equal(drawn, control.method.sample_epoch(epoch))
        assert np.bincount(released.method.context.labels[drawn]).tolist() == [34, 34, 34]


@pytest.mark.parametrize("counts", [(27779, 1010), (21902, 596), (60, 30, 12), (9, 4)])
def test_the_bootstrap_leaves_no_class_to_cut(counts):
    drawn = sum(counts) // len(counts)
    assert num_subclusters(drawn, max(drawn, 10), "floor") == 1


@pytest.mark.parametrize("warm", [True, False])
def test_loss_is_contrast_and_after_warm_up_cross_entropy_of_the_first_view(monkeypatch, warm):
    monkeypatch.setattr(sdr_released, "DROPPED_BONDS", (0.0, 0.0))
    found = ready("sdr_released", epoch=1 if warm else 3, warm_up=0.5)
    batch, method, network = batch_of(found), found.method, found.network
    loss = method.training_step(network, batch)
    embeddings = network.encode(batch)
    features = normalize(embeddings, dim=1).repeat(2, 1)
    if warm:
        expected = supcon_loss(features, batch.labels, temperature=0.1)
    else:
        expected = cross_entropy(
            network.head(embeddings), batch.labels, weight=method.omega.float()
        )
        expected = expected + subcluster_loss(
            features, batch.labels, batch.labels, tau1=0.1, tau2=0.1, beta=0.25, scale=1.428571
        )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_cross_entropy_reaches_the_encoder():
    found = []
    for weights in ([1.0, 1.0, 1.0], [5.0, 1.0, 1.0]):
        run = ready("sdr_released")
        run.method.omega.copy_(torch.tensor(weights))
        found.append(step_gradients(run))
    moved = [name for name in found[0] if not torch.equal(found[0][name], found[1][name])]
    assert any(name.startswith("encoders.") for name in moved)


def test_views_lose_bonds_but_no_atoms():
    data = ready("sdr_released")
    seen = []
    encode = data.network.encode
    data.network.encode = lambda batch: seen.append(batch) or encode(batch)
    batch = batch_of(data)
    data.method.training_step(data.network, batch)
    whole = batch.inputs["molecule"]
    assert len(seen) == 2
    for view in seen:
        assert view.inputs["molecule"].num_atoms == whole.num_atoms
        assert len(view.inputs["molecule"].neighbours) < len(whole.neighbours)


def test_weights_are_a_softmax_of_distances_in_the_bootstrap_and_equal_for_two_classes():
    found = ready("sdr_released")
    drawn = found.method.sample_epoch(1)
    features = normalize(found.method.context.view.embeddings(found.network), dim=1).double()[drawn]
    labels = found.method.context.labels[drawn]
    centres = torch.stack([features[labels == k].mean(0) for k in range(3)])
    distances = torch.cdist(centres, centres) + 9 * torch.eye(3)
    expected = torch.softmax(-distances.amin(1), 0)
    assert found.method.omega.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    two = ready("sdr_released", TWO_CLASSES)
    assert two.method.omega.tolist() == [0.5, 0.5]


def test_schedule_and_batch_are_the_released_ones_in_shares():
    found = trial("sdr_released", Case(counts=(10, 5), epochs=300))
    assert [epoch for epoch in range(1, 14) if found.method.selectable(epoch)] == [11, 12, 13]
    updated = []
    found.method._weight_classes = lambda network: updated.append(epoch)
    for epoch in range(1, 301):
        found.method.begin_epoch(epoch, found.network)
    assert updated == list(range(11, 301, 10))
    assert not found.method.contrastive


def test_history_holds_weights():
    lines = train_watched(trial("sdr_released", Case(epochs=3))).history
    assert all(sum(line.method["omega"]) == pytest.approx(1) for line in lines)
