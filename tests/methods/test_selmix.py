from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.conformance.trial import Case
from bench.method import METHODS
from bench.methods._pairs import pair_places
from bench.methods.losses.selmix import mixing_gains, pair_shares, recall_slopes
from bench.methods.selmix import SelMix, draw_pairs
from tests.methods.trials import labels, trial


def started(case=None, **options):
    found = trial("selmix", case or Case(), **options)
    found.method.initialise(found.network)
    return found


def test_starts_from_the_weights_of_balanced_softmax_or_vanilla():
    requires, options_type = SelMix.requires, SelMix.options_type
    assert requires(options_type()) == {"first_stage": "balanced_softmax"}
    assert requires(options_type(first_stage="vanilla")) == {"first_stage": "vanilla"}
    found = started()
    expected = found.method.context.runs["first_stage"].network_state
    assert all(torch.equal(v, expected[k]) for k, v in found.network.state_dict().items())


def pairs_by_hand(found, options, excluded=()):
    """From predictions and embeddings of the validation set, a class after another."""
    view, network = found.method.context.view, found.network
    hidden = network.head.hidden(view.embeddings(network, "valid")).detach().double()
    predicted = network.head.classifier(hidden.float()).argmax(dim=1).numpy()
    true, classes = labels(found, "valid"), found.data.num_classes
    recalls = np.zeros((classes, classes))
    means = torch.zeros(classes, hidden.shape[1], dtype=torch.float64)
    for k in range(classes):
        if (true == k).any():
            recalls[k] = np.bincount(predicted[true == k], minlength=classes) / (true == k).sum()
            means[k] = hidden[torch.from_numpy(true == k)].mean(dim=0)
    layer = network.head.classifier
    gains = mixing_gains(
        recall_slopes(torch.from_numpy(recalls)), means, layer.weight.detach().double(),
        layer.bias.detach().double(), least=options.least,
    )  # fmt: skip
    possible = torch.tensor([k not in excluded for k in range(classes)])
    size = (means**2).sum(dim=1).mean()
    return pair_shares(gains / size, possible, temperature=options.temperature)


def miss_half_of(found, label):
    """Raise the logit of class 0 until half of another class is taken for it."""
    view, network = found.method.context.view, found.network
    logits = view.logits(network, "valid")[view.labels("valid") == label]
    with torch.no_grad():
        network.head.classifier.bias[0] += (logits[:, label] - logits[:, 0]).median()


def test_pairs_follow_validation_and_are_averaged_over_epochs():
    found = started(Case(counts=(60, 30, 15)))
    expected = torch.full((3, 3), 1 / 9, dtype=torch.float64)
    assert torch.equal(found.method.pairs, expected)
    for epoch, label in ((1, 1), (2, 2), (3, 1)):
        miss_half_of(found, label)
        found.method.begin_epoch(epoch, found.network)
        own = pairs_by_hand(found, found.method.options)
        assert own.std() > 0
        expected = (epoch * expected + own) / (epoch + 1)
        assert torch.allclose(found.method.pairs, expected, atol=1e-6)
        assert found.method.pairs.sum().item() == pytest.approx(1)


def test_no_class_is_left_out_where_another_one_alone_gains():
    found = started(Case(counts=(60, 30)))
    miss_half_of(found, 1)
    found.method.begin_epoch(1, found.network)
    assert pairs_by_hand(found, found.method.options)[0].tolist() == [0, 0]
    assert found.method.pairs.sum(dim=1).tolist() == pytest.approx([0.25, 0.75])


def test_features_that_are_all_zero_leave_pairs_alike():
    found = started()
    with torch.no_grad():
        for parameter in found.network.head.layers[-1].parameters():
            parameter.zero_()
    found.method.begin_epoch(1, found.network)
    assert torch.allclose(found.method.pairs, torch.full_like(found.method.pairs, 1 / 9))


def test_a_class_that_cannot_be_drawn_is_in_no_pair():
    found = started(Case(counts=(60, 30, 15), train_counts=((1, 0),)))
    found.method.begin_epoch(1, found.network)
    assert not found.method.pairs[1].any()
    assert not found.method.pairs[:, 1].any()
    own = pairs_by_hand(found, found.method.options, excluded=[1])
    expected = (
        own
        + (own * 0).index_put(
            (torch.tensor([0, 0, 2, 2]), torch.tensor([0, 2, 0, 2])), torch.tensor(0.25).double()
        )
    ) / 2
    assert torch.allclose(found.method.pairs, expected, atol=1e-6)


class ViewWithout:
    """Without the validation samples of one class."""

    def __init__(self, view, label):
        self._view, self._keep = view, view.labels("valid") != label
        self.asked = []

    def embeddings(self, network, part="train"):
        self.asked.append(part)
        found = self._view.embeddings(network, part)
        return found[self._keep] if part == "valid" else found

    def labels(self, part):
        found = self._view.labels(part)
        return found[self._keep] if part == "valid" else found


@pytest.mark.parametrize("trained", [True, False])
def test_a_class_absent_from_validation(trained):
    """Its mean is that of training and its recall that of guessing; or nothing is known of it."""
    case = Case(counts=(60, 30, 15), train_counts=() if trained else ((2, 0),))
    found = started(case)
    view = ViewWithout(found.method.context.view, 2)
    found.method.context = replace(found.method.context, data_view=view)
    found.method.begin_epoch(1, found.network)
    assert view.asked == (["valid", "train"] if trained else ["valid"])
    # Guessing is bad enough for pairs to gain from it.
    assert found.method.pairs[2].any().item() == trained
    assert found.method.pairs.sum().item() == pytest.approx(1)


def test_each_epoch_visits_pairs_of_their_classes():
    found = started()
    pairs = torch.zeros_like(found.method.pairs)
    pairs[0, 2] = 1
    found.method.pairs.copy_(pairs)
    order = found.method.sample_epoch(1)
    own = found.method.context.labels
    assert len(order) == 2 * len(own)
    assert (own[order[::2]] == 0).all()
    assert (own[order[1::2]] == 2).all()
    assert not np.array_equal(order, found.method.sample_epoch(2))


@given(st.integers(0, 10**6))
def test_pairs_are_drawn_by_their_shares_and_uniformly_in_their_class(seed):
    own = np.array([2, 0, 2, 0, 0, 2] * 500)
    shares = np.array([[0.5, 0, 0.25], [0, 0, 0], [0.25, 0, 0]])
    drawn = draw_pairs(own, shares, np.random.default_rng(seed))
    assert drawn.shape == (3000, 2)
    cells, counts = np.unique(own[drawn], axis=0, return_counts=True)
    assert cells.tolist() == [[0, 0], [0, 2], [2, 0]]
    # Six standard deviations.
    assert counts / 3000 == pytest.approx([0.5, 0.25, 0.25], abs=6 * 0.5 / 3000**0.5)
    assert len(np.unique(drawn)) > 1000


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_loss_of_mixtures_by_hand(size):
    found = started()
    method, network = found.method, found.network
    method.begin_epoch(2, network)
    network.eval()
    batch = found.collator(found.split.train[:size])
    loss = method.training_step(network, batch)
    pairs = [(0, 0)] if size == 1 else [(i, i + 1) for i in range(0, size - 1, 2)]
    drawn = method.context.rng("shares", 2).uniform(0.6, 1, size=(len(pairs), 1))
    hidden = network.head.hidden(network.encode(batch))
    expected = 0.0
    for share, (i, j) in zip(drawn[:, 0].tolist(), pairs, strict=True):
        logits = network.head.classifier(share * hidden[i] + (1 - share) * hidden[j])
        expected += cross_entropy(logits, batch.labels[i]).item() / len(pairs)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_whatever_the_batches_only_drawn_pairs_are_mixed(sizes):
    drawn = np.arange(2 * sum(sizes)).reshape(-1, 2)
    order, start = drawn.reshape(-1), 0
    for size in sizes:
        first, second = (order[start : start + size][p.numpy()] for p in pair_places(size, start))
        mixed = {(i, j) for i, j in zip(first, second, strict=True) if i != j}
        assert mixed <= set(map(tuple, drawn.tolist()))
        start += size


def test_without_mixing_it_is_cross_entropy_of_the_first_samples():
    found = started(least=1.0)
    found.method.begin_epoch(1, found.network)
    found.network.eval()
    batch = found.collator(found.split.train[:8])
    loss = found.method.training_step(found.network, batch)
    expected = cross_entropy(found.network(batch)[::2], batch.labels[::2])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_tunes_the_whole_network_for_a_part_of_the_epochs():
    found = trial("selmix", Case(epochs=10))
    result = found.train()
    assert len(result.history) == 3
    start = found.method.context.runs["first_stage"].network_state
    assert all(not torch.equal(value, start[name])
               for name, value in found.network.named_parameters())  # fmt: skip


def test_says_that_validation_decides():
    assert "validation set decide" in " ".join(METHODS.get("selmix").cls.__doc__.split())
