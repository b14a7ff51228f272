import pytest
import torch

from bench.method import Method
from bench.methods.mixup import Mixup
from bench.methods.remix import Remix
from tests.methods.toy_run import on_counts, toy_run


def train_losses(method_type, **options):
    return [line.train_loss for line in toy_run(method_type, **options).train().history]


def test_without_alpha_it_is_vanilla():
    assert train_losses(Mixup, alpha=0.0) == pytest.approx(train_losses(Method), rel=1e-4)


def test_mixes_embeddings_of_one_batch_with_one_share(monkeypatch):
    run = toy_run(Mixup)
    run.network.eval()
    batch = run.batch(4)
    order = [2, 0, 3, 1]
    monkeypatch.setattr(
        "bench.methods.mixup.draw_mixing",
        lambda rng, alpha, batch_size: (0.3, torch.tensor(order).numpy()),
    )
    embeddings = run.network.encode(batch)
    expected = 0.0
    for i, j in enumerate(order):
        logits = run.network.head(0.3 * embeddings[i] + 0.7 * embeddings[j])
        log_p = logits.log_softmax(0)
        expected -= (0.3 * log_p[batch.labels[i]] + 0.7 * log_p[batch.labels[j]]).item() / 4
    assert run.method.training_step(run.network, batch).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method_type", [Mixup, Remix])
def test_draws_depend_on_seed_and_epoch_alone(method_type):
    def draws(epoch, seed=0, spent=0):
        method = toy_run(method_type, seed=seed).method
        method.rng.random(spent)
        method.begin_epoch(epoch, None)
        return method.rng.random(3).tolist()

    assert draws(2) == draws(2, spent=5)
    assert draws(2) != draws(3)
    assert draws(2) != draws(2, seed=1)


@pytest.mark.parametrize("method_type", [Mixup, Remix])
def test_shares_change_from_batch_to_batch(method_type):
    run = toy_run(method_type)
    run.network.eval()
    losses = {run.method.training_step(run.network, run.batch()).item() for _ in range(4)}
    assert len(losses) == 4


@pytest.mark.parametrize("method_type", [Mixup, Remix])
@pytest.mark.parametrize("size", [1, 2])
def test_takes_batches_of_one_and_two(method_type, size):
    run = toy_run(method_type)
    loss = run.method.training_step(run.network, run.batch(size))
    loss.backward()
    assert torch.isfinite(loss)


@pytest.mark.parametrize("method_type", [Mixup, Remix])
def test_learns(method_type):
    run = toy_run(method_type, epochs=10)
    assert run.train().best_valid_balanced_accuracy > 0.9


def test_remix_without_tau_is_mixup():
    assert train_losses(Remix, tau=0.0, epochs=2) == train_losses(Mixup, epochs=2)


def test_remix_labels_lean_to_the_smaller_class():
    method = on_counts(Remix, (100, 20, 5))
    labels, partners = torch.tensor([0, 0, 1, 2, 1]), torch.tensor([1, 0, 0, 0, 2])
    assert method.label_shares(0.3, labels, partners).tolist() == [0, 0.3, 0.3, 0.3, 0]
    assert method.label_shares(0.7, labels, partners).tolist() == [0.7, 0.7, 1, 1, 0.7]


def test_remix_trains_otherwise_than_mixup():
    counts = (120, 15, 15)
    remix, mixup = (train_losses(cls, counts=counts, epochs=1) for cls in (Remix, Mixup))
    assert abs(remix[0] - mixup[0]) > 1e-3
