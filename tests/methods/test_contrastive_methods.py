from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from bench.conformance.toy import toy_data
from bench.conformance.trial import Case
from bench.data.batch import ValueBatch
from bench.data.collate import Collator
from bench.methods.contrastive import method as method_module
from bench.methods.contrastive.method import augment
from bench.methods.losses.asymmetric import asymmetric_focal_contrastive_loss
from bench.methods.losses.balanced_softmax import balanced_softmax_loss, log_prior
from bench.methods.losses.bcl import balanced_contrastive_loss
from tests.methods.contrastive_trials import batch_of, ready
from tests.methods.trials import trained

JOINT = ["bcl", "acl", "fcl", "afcl"]


def asymmetric(gamma, eta):
    def contrast(method, network, features, labels):
        return asymmetric_focal_contrastive_loss(
            features, labels, gamma=gamma, eta=eta, temperature=0.1
        )

    return contrast


def balanced(method, network, features, labels):
    prototypes = normalize(method.prototypes(network.head.classifier.weight), dim=1)
    return 0.35 * balanced_contrastive_loss(features, labels, prototypes, temperature=0.1)


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("bcl", balanced),
        ("acl", asymmetric(0, 300)),
        ("fcl", asymmetric(10, 0)),
        ("afcl", asymmetric(10, 300)),
    ],
)
def test_loss_is_that_of_the_samples_and_the_weighted_contrast_of_their_views(name, contrast):
    found = ready(name, augmentation="none")
    batch, method, network = batch_of(found), found.method, found.network
    embeddings = network.encode(batch)
    features = method.project(embeddings).repeat(2, 1)
    logits = network.head(embeddings)
    if name == "bcl":
        prior = log_prior(torch.tensor([60, 30, 12]))
        expected = balanced_softmax_loss(logits, batch.labels, prior)
    else:
        expected = cross_entropy(logits, batch.labels)
    expected = expected + contrast(method, network, features, batch.labels)
    loss = method.training_step(network, batch)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", JOINT)
def test_weight_0_is_the_loss_of_the_samples_alone(name):
    found = ready(name, weight=0.0)
    batch = batch_of(found)
    expected = found.method.loss(found.network(batch), batch.labels)
    loss = found.method.training_step(found.network, batch)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("name", JOINT)
def test_learns_also_without_projection(name):
    found = trained(name, Case(counts=(60, 30, 15), epochs=10), projection="none")
    predicted = found.logits().argmax(axis=1)
    assert (predicted == found.data.labels[found.split.test]).mean() > 0.9


def test_prototypes_of_bcl_send_gradients_to_the_classifier():
    found = ready("bcl")
    features = torch.eye(128)[:4]
    contrast = found.method.contrast(found.network, features, torch.tensor([0, 1]))
    contrast.backward()
    assert found.network.head.classifier.weight.grad.abs().sum() > 0


def test_views_are_unit_vectors_of_two_different_variations():
    found = ready("bcl", ratio=0.5)
    features = found.method.project_views(found.network, batch_of(found))
    assert features.shape == (48, 128)
    assert torch.allclose(features.norm(dim=1), torch.ones(48), atol=1e-5)
    assert not torch.equal(features[:24], features[24:])


def test_random_augmentation_draws_both_kinds():
    found = ready("acl", ratio=0.4)
    batch = batch_of(found)
    sizes = set()
    for _ in range(12):
        view, _ = found.method.views(batch)
        sizes.add(len(view.inputs["molecule"].neighbours))
        assert view.inputs["molecule"].num_atoms < batch.inputs["molecule"].num_atoms
    # A piece that grows keeps the bonds of a path together; dropping atoms breaks it.
    assert len(sizes) > 1


def test_molecules_of_a_reaction_vary_independently():
    data = toy_data((40,), molecules=2, most_atoms=9)
    batch = Collator(data)(np.arange(40))
    assert batch.inputs["molecule"].num_graphs == 80
    generator = torch.Generator().manual_seed(0)
    view = augment(batch, "drop_atoms", generator, ratio=0.5, mask=0.1)
    sizes = view.inputs["molecule"].atom_offsets.diff()
    before = batch.inputs["molecule"].atom_offsets.diff()
    assert torch.equal(sizes, before - (0.5 * before).long())
    assert torch.equal(view.labels, batch.labels)
    assert torch.equal(view.positions, batch.positions)


@pytest.mark.parametrize("by_environment", [True, False])
def test_environments_of_views_are_found_where_they_are_read(by_environment):
    batch = Collator(toy_data((40,)), by_environment=by_environment)(np.arange(20))
    view = augment(batch, "drop_atoms", torch.Generator(), ratio=0.5, mask=0.1)
    assert (view.inputs["molecule"].environments is not None) is by_environment


@pytest.mark.parametrize("together", [False, True])
def test_fingerprints_of_views_are_masked(together):
    data = toy_data((40,), most_atoms=9)
    found = ready("bcl", mask=0.5)
    batch = Collator(data, fingerprint_bits=128)(np.arange(40))
    if together:
        (viewed,) = found.method.with_views(0, iter([batch]))
        views = viewed.views
    else:
        views = found.method.views(batch)
    full = batch.inputs["molecule"].fingerprints
    first, second = (view.inputs["molecule"].fingerprints for view in views)
    assert not torch.equal(first, second)
    for seen in (first, second):
        assert torch.equal(seen[seen != 0], full[seen != 0])
        assert 0.3 < (seen != 0).sum() / (full != 0).sum() < 0.7
    assert (full != 0).sum() > 100


def test_other_inputs_are_masked_and_none_leaves_the_batch_as_it_is():
    found = ready("bcl")
    batch = batch_of(found)
    proteins = ValueBatch(torch.ones(3, 343), torch.arange(24) % 3)
    batch = type(batch)({**batch.inputs, "protein": proteins}, batch.labels, batch.positions)
    generator = torch.Generator().manual_seed(0)
    view = augment(batch, "mask_atoms", generator, ratio=0.2, mask=0.1)
    assert 0 < (view.inputs["protein"].rows == 0).sum() < 3 * 343 / 5
    assert augment(batch, "none", generator, ratio=0.2, mask=0.1) is batch


def epoch_with_views(found, epoch=1, size=12):
    chosen = np.split(found.split.train[: 4 * size], 4)
    found.method.context.generator.manual_seed(0)
    return list(found.method.with_views(epoch, found.collator.epoch(chosen)))


def graphs_of(batch):
    return batch.inputs["molecule"]


def test_views_of_an_epoch_are_variations_of_its_batches_in_their_order():
    found = ready("bcl", ratio=0.4)
    batches = epoch_with_views(found)
    assert [b.positions.tolist() for b in batches] == [
        positions.tolist() for positions in np.split(found.split.train[:48], 4)
    ]
    for batch in batches:
        first, second = found.method.views(batch)
        sizes = graphs_of(batch).atom_offsets.diff()
        for view in (first, second):
            kept = graphs_of(view).atom_offsets.diff()
            assert torch.equal(kept, sizes - (0.4 * sizes).long())
            assert torch.equal(view.labels, batch.labels)
        assert not torch.equal(graphs_of(first).atom_types, graphs_of(second).atom_types)
        assert found.method.project_views(found.network, batch).shape == (24, 128)


def test_views_of_an_epoch_are_of_both_kinds_and_repeat():
    found = ready("bcl", ratio=0.4)
    names = []
    with pytest.MonkeyPatch.context() as patch:
        real = method_module.vary_together
        patch.setattr(
            method_module,
            "vary_together",
            lambda parts, named, *rest: names.append(named) or real(parts, named, *rest),
        )
        one, again, _ = (epoch_with_views(found, epoch) for epoch in (1, 1, 2))
    assert set(names[0]) == {"drop_atoms", "subgraph"}
    assert names[0] == names[1] != names[2]
    for a, b in zip(one, again, strict=True):
        for view, same in zip(a.views, b.views, strict=True):
            assert torch.equal(graphs_of(view).atom_types, graphs_of(same).atom_types)
            assert torch.equal(graphs_of(view).neighbours, graphs_of(same).neighbours)


def test_views_of_a_large_epoch_are_made_in_stretches(monkeypatch):
    found = ready("bcl", ratio=0.0)
    stretches = []
    real = method_module.vary_together
    monkeypatch.setattr(method_module, "_TOGETHER", 80)
    monkeypatch.setattr(
        method_module,
        "vary_together",
        lambda parts, *rest: stretches.append(len(parts)) or real(parts, *rest),
    )
    batches = epoch_with_views(found)
    assert len(batches) == 4
    assert stretches == [4, 4]
    for batch in batches:
        for view in batch.views:
            assert torch.equal(graphs_of(view).neighbours, graphs_of(batch).neighbours)


def test_entries_of_other_inputs_are_masked_in_the_views_of_an_epoch():
    found = ready("bcl")
    values = ValueBatch(torch.ones(3, 343), torch.arange(24) % 3)
    batch = batch_of(found)
    batch = type(batch)({"protein": values}, batch.labels, batch.positions)
    (varied,) = found.method.with_views(1, iter([batch]))
    first, second = (view.inputs["protein"].rows for view in varied.views)
    assert 0 < (first == 0).sum() < 3 * 343 / 5
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    ("device", "augmentation", "made"),
    [
        ("cpu", "random", False),
        ("meta", "random", True),
        ("meta", "mask_atoms", True),
        ("meta", "drop_bonds", False),
        ("meta", "none", False),
    ],
)
def test_views_of_an_epoch_are_made_before_it_off_the_cpu(device, augmentation, made):
    method = ready("bcl", augmentation=augmentation).method
    there = SimpleNamespace(device=torch.device(device))
    method.context = replace(method.context, generator=there)
    batches = iter([])
    assert (method.prepare_epoch(1, batches) is not batches) == made
