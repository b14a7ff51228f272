import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from bench.conformance.trial import Case
from bench.methods.losses.ldam import cosine_similarities
from bench.methods.losses.spcl import prototype_contrastive_loss
from bench.methods.ncm import class_means
from bench.methods.spcl import difficulties, keep_probabilities
from tests.losses.test_spcl_loss import ANCHORS, LABELS, PRESENT, PROTOTYPES
from tests.methods.contrastive_trials import LONG_TAIL, batch_of, ready
from tests.methods.trials import labels, trained, trial


def test_worked_numbers_of_the_difficulty():
    found = difficulties(ANCHORS, LABELS, PROTOTYPES, PRESENT)
    assert found.tolist() == pytest.approx([0.009812, 0.218156], abs=5.1e-7)
    # A class without a centre has no distance.
    absent = difficulties(ANCHORS, LABELS, PROTOTYPES, torch.tensor([True, False, True]))
    assert (absent > found).all()


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(1, [1, 0.75, 0.5, 0.25, 0]), (6, [0.5] * 5), (10, [0.1, 0.3, 0.5, 0.7, 0.9])],
)
def test_worked_numbers_of_the_curriculum(epoch, expected):
    assert keep_probabilities(np.arange(5), epoch, 10) == pytest.approx(expected)


def test_an_epoch_visits_half_of_the_samples_and_halfway_all_alike():
    ranks = np.random.default_rng(0).permutation(7)
    for epochs in (1, 4, 9):
        for epoch in range(1, epochs + 1):
            found = keep_probabilities(ranks, epoch, epochs)
            assert found.sum() == pytest.approx(3.5)
            assert ((found >= -1e-12) & (found <= 1 + 1e-12)).all()
    assert keep_probabilities(ranks, 5 + 1, 10) == pytest.approx(np.full(7, 0.5))
    assert keep_probabilities(np.zeros(1), 1, 3).tolist() == [1]


def test_ranks_are_by_difficulty_at_the_start_of_the_epoch():
    found = ready("spcl")
    view, method = found.method.context.view, found.method
    embeddings, of = view.embeddings(found.network), view.labels("train")
    centres = class_means(embeddings, of, 3)
    hardness = difficulties(embeddings, of, centres, torch.ones(3, dtype=torch.bool))
    assert (hardness[method.ranks.argsort()].diff() >= 0).all()
    # Nothing is in the queue yet.
    assert torch.equal(method.prototypes, centres)


def test_easy_samples_come_first_and_hard_ones_last():
    found = trial("spcl", Case(counts=(300, 200, 100), epochs=10))
    found.method.initialise(found.network)
    ranks = found.method.ranks.numpy()
    means, sizes = [], []
    for epoch in (1, 6, 10):
        visited = found.method.sample_epoch(epoch)
        assert len(set(visited.tolist())) == len(visited)
        means.append(ranks[visited].mean() / len(ranks))
        sizes.append(len(visited) / len(ranks))
    assert means == pytest.approx([1 / 3, 1 / 2, 0.63], abs=0.05)
    assert sizes == pytest.approx([0.5] * 3, abs=0.08)


def test_an_epoch_is_never_empty():
    found = trial("spcl", Case(counts=(5, 5), epochs=200))
    found.method.initialise(found.network)
    assert all(len(found.method.sample_epoch(epoch)) for epoch in range(1, 201))


def test_the_contrast_trains_the_encoder_and_cross_entropy_the_head():
    found = ready("spcl", floor=0.0)
    batch, method, network = batch_of(found), found.method, found.network
    embeddings, prototypes = network.encode(batch), method.prototypes.clone()
    contrast = prototype_contrastive_loss(
        embeddings, batch.labels, prototypes, method.present, temperature=0.1, floor=0.0
    )
    expected = contrast + cross_entropy(network.head(embeddings), batch.labels)
    loss = method.training_step(network, batch)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    encoder = list(network.encoders.parameters())
    alone = torch.autograd.grad(contrast, encoder, allow_unused=True)
    for parameter, gradient in zip(encoder, alone, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-6)


def test_prototypes_are_means_of_the_latest_embeddings_and_else_of_the_class():
    found = ready("spcl", queue=4)
    batch, method = batch_of(found), found.method
    centres = method.prototypes.clone()
    batch = found.collator(found.split.train[labels(found, "train") != 2][:24])
    with torch.no_grad():
        embeddings = found.network.encode(batch)
        method.training_step(found.network, batch)
    for k in range(2):
        expected = embeddings[batch.labels == k][-4:].mean(dim=0)
        assert torch.allclose(method.prototypes[k], expected, atol=1e-6)
    assert torch.equal(method.prototypes[2], centres[2])


def test_may_predict_the_nearest_prototype():
    case = Case(counts=(60, 30, 15), epochs=10, train_counts=((2, 0),))
    found = trained("spcl", case, predict="prototype")
    batch = found.collator(found.split.test)
    found.network.eval()
    with torch.no_grad():
        logits = found.method.predict(found.network, batch)
        cosines = cosine_similarities(found.network.encode(batch), found.method.prototypes)
    assert torch.allclose(logits[:, :2], (1 + cosines[:, :2]) / 0.2, atol=1e-5)
    assert (logits.argmax(dim=1) != 2).all()
    of = labels(found, "test")
    assert (logits.argmax(dim=1).numpy() == of)[of != 2].mean() > 0.8
    assert len(found.method.queue.embeddings) == 0


def test_absent_classes_are_never_predicted_where_all_others_are_opposite():
    found = ready("spcl", LONG_TAIL, predict="prototype")
    found.method.present[1] = False
    batch = batch_of(found, size=1)
    embedding = found.network.eval().encode(batch)
    found.method.prototypes.copy_(-embedding.expand(3, -1))
    logits = found.method.predict(found.network, batch)
    assert logits.argmin() == 1
    assert torch.isfinite(logits).all()
