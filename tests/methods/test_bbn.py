import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from bench.methods.bbn import BilateralBranch, branch_share, mixed_logits
from tests.methods.toy_run import on_counts, toy_run


def started(**kwargs):
    run = toy_run(BilateralBranch, **kwargs)
    run.method.initialise(run.network)
    return run


@pytest.mark.parametrize(("epoch", "share"), [(1, 1.0), (101, 0.75), (200, 0.009975)])
def test_worked_shares_over_200_epochs(epoch, share):
    assert branch_share(epoch, 200) == pytest.approx(share, abs=5e-7)


def test_mixed_logits_are_twice_the_concatenated_features_through_one_layer():
    rng = np.random.default_rng(0)
    f_c, f_r = rng.normal(size=(2, 5)), rng.normal(size=(2, 5))
    weight = rng.normal(size=(10, 3))
    expected = 2 * np.concatenate([0.3 * f_c, 0.7 * f_r], axis=1) @ weight
    found = mixed_logits(torch.tensor(f_c @ weight[:5]), torch.tensor(f_r @ weight[5:]), 0.3)
    assert found.numpy() == pytest.approx(expected)


@pytest.mark.parametrize("share", [1.0, 0.75, 0.1])
def test_loss_of_pairs_by_hand(share):
    run = started()
    run.network.eval()
    run.method.share = share
    batch = run.batch(8)
    expected = 0.0
    for c, r in ((0, 1), (2, 3), (4, 5), (6, 7)):
        one = run.collator(run.split.train[[c]]), run.collator(run.split.train[[r]])
        logits = 2 * share * run.network(one[0]) + 2 * (1 - share) * run.method.second_head(
            run.network.encode(one[1])
        )
        expected += share * cross_entropy(logits, one[0].labels).item() / 4
        expected += (1 - share) * cross_entropy(logits, one[1].labels).item() / 4
    found = run.method.training_step(run.network, batch).item()
    assert found == pytest.approx(expected, rel=1e-4)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_samples_keep_their_branch_whatever_the_batches(sizes):
    method = on_counts(BilateralBranch, (30, 10))
    start = 0
    for size in sizes:
        uniform, tail = method._pairs(size)
        pairs = (size - start % 2) // 2
        if pairs:
            assert ((uniform + start) % 2 == 0).all()
            assert torch.equal(tail, uniform + 1)
            assert len(uniform) == pairs
            assert tail[-1] < size
        start += size


def test_a_new_epoch_begins_with_a_uniform_sample():
    run = started()
    run.method.training_step(run.network, run.batch(5))
    run.method.sample_epoch(2)
    assert run.method._pairs(4)[0].tolist() == [0, 2]


def test_second_head_learns_nothing_at_first_and_then_more_than_the_first():
    run = started(epochs=10)
    norms = []
    for epoch in (1, 10):
        run.method.begin_epoch(epoch, run.network)
        run.network.zero_grad(set_to_none=True)
        run.method.zero_grad(set_to_none=True)
        run.method.training_step(run.network, run.batch()).backward()
        heads = (run.network.head, run.method.second_head)
        norms.append([None if (g := h.classifier.weight.grad) is None else g.norm() for h in heads])
    assert norms[0][0] > 0
    assert norms[0][1] is None  # and so weight decay leaves it alone
    assert norms[1][1] > norms[1][0] > 0


def test_second_head_has_a_start_of_its_own_and_is_saved_with_the_method():
    run = started()
    first, second = run.network.head.state_dict(), run.method.second_head.state_dict()
    assert all(not torch.equal(first[name], second[name]) for name in first)
    assert {f"second_head.{name}" for name in first} == set(run.method.state_dict())
    other = started(seed=1).method.second_head.state_dict()
    assert not torch.equal(second["classifier.weight"], other["classifier.weight"])


def test_predicts_with_both_heads_in_equal_shares_whatever_the_epoch():
    run = started()
    run.network.eval()
    batch = run.batch(6)
    embeddings = run.network.encode(batch)
    expected = run.network.head(embeddings) + run.method.second_head(embeddings)
    run.method.share = 0.1
    assert torch.allclose(run.method.predict(run.network, batch), expected)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_small_batches_stay_finite(size):
    run = started()
    run.method.share = 0.5
    run.method.training_step(run.network, run.batch(size)).backward()
    for parameter in run.method.parameters():
        assert torch.isfinite(parameter.grad).all()


def test_learns():
    run = toy_run(BilateralBranch, epochs=8)
    assert run.train().best_valid_balanced_accuracy > 0.9
