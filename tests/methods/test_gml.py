import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.methods.gml import queue_sizes
from bench.methods.losses.balanced_softmax import balanced_softmax_loss, log_prior
from bench.methods.losses.gml import class_contrastive_loss
from tests.methods.contrastive_trials import batch_of, ready, train_watched
from tests.methods.trials import trial


def test_worked_number_of_the_slots():
    assert queue_sizes(np.array([100, 20, 5]), queue=16, base=2).tolist() == [10, 4, 2]


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=8).filter(any),
    st.integers(1, 300),
    st.integers(1, 5),
)
def test_every_class_has_its_base_and_the_slots_add_up(counts, queue, base):
    found = queue_sizes(np.array(counts), queue=queue, base=base)
    assert (found >= base).all()
    assert found.sum() == max(min(queue, sum(counts)), base * len(counts))


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_loss_is_balanced_softmax_and_the_weighted_contrasts_with_the_queue(weight):
    found = ready("gml", augmentation="none", weight=weight)
    batch, method, network = batch_of(found), found.method, found.network
    prior = log_prior(torch.tensor([60, 30, 12]))
    expected = balanced_softmax_loss(network.head(network.encode(batch)), batch.labels, prior)
    features = method.project(network.encode(batch))
    cosines, itself = features @ features.T / 0.1, torch.eye(24, dtype=torch.bool)
    for candidates in (torch.ones_like(itself), ~itself):
        # All of the batch is in the queue, and nothing else.
        expected = expected + weight * class_contrastive_loss(
            cosines, batch.labels, batch.labels, prior, candidates
        )
    assert all(method.queue._sizes[k] >= (batch.labels == k).sum() for k in range(3))
    loss = method.training_step(network, batch)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_own_key_counts_for_the_encoder_alone():
    found = ready("gml")
    batch = batch_of(found, size=1)
    found.method.training_step(found.network, batch).backward()
    # One sample and its own key: nothing to contrast for the temperature.
    assert found.method.log_warmth.grad.item() == 0
    found.network.zero_grad()
    batch = batch_of(found)
    found.method.training_step(found.network, batch).backward()
    assert found.method.log_warmth.grad.item() != 0
    assert all(p.grad.abs().sum() > 0 for p in found.method.projection.parameters())


def test_temperature_moves_nothing_but_itself():
    found = ready("gml")
    batch = batch_of(found)
    queries = torch.randn(24, 128, requires_grad=True)
    found.method.queue.push(torch.randn(24, 8), batch.labels, batch.positions)
    gradients = []
    for warmth in (0.0, 1.0):
        found.method.log_warmth.data.fill_(warmth)
        loss = found.method.contrast(queries, batch)
        gradients.append(torch.autograd.grad(loss, [queries, found.method.log_warmth]))
        assert gradients[-1][1] != 0
    # Keys, too, have a gradient through the projection of today.
    loss = found.method.contrast(queries.detach(), batch)
    (gradient,) = torch.autograd.grad(loss, [found.method.projection[0].weight])
    assert gradient.abs().sum() > 0
    # tau as a number gives the queries the same gradient.
    found.method.log_warmth.requires_grad_(False)
    (again,) = torch.autograd.grad(found.method.contrast(queries, batch), [queries])
    assert torch.allclose(again, gradients[1][0])


def test_what_is_kept_of_a_run_has_no_queue():
    found = trial("gml")
    result = train_watched(found)
    assert all(report.method["temperature"] > 0 for report in result.history)
    assert len(found.method.queue.embeddings) == 0
