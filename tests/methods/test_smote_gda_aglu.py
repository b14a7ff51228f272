"""Rows that depend on embeddings of the vanilla run, and the one with learned activations."""

import copy

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import normalize

from bench.conformance.trial import Case
from bench.methods.losses.gaussian_discriminant import gaussian_discriminant
from bench.methods.smote import SMOTE
from tests.methods.toy_run import on_counts
from tests.methods.trials import equal_states, labels, trained, trial, with_run

EARLY = Case(counts=(120, 40, 20), epochs=2)


# ---------------------------------------------------------------- SMOTE


def begun(case=EARLY, **options):
    found = trial("smote", case, **options)
    found.method.initialise(found.network)
    found.method.begin_stage(0, found.network)
    found.method.begin_epoch(1, found.network)
    return found


def inputs_of_the_head(found, batch, monkeypatch):
    seen = []
    monkeypatch.setattr(found.network.head, "forward", lambda x: seen.append(x) or x[:, :3])
    found.method.training_step(found.network, batch)
    return seen[0]


def test_the_encoder_is_the_vanilla_one_and_the_head_starts_as_in_decoupling():
    found, other = trained("smote", EARLY), trial("decoupling", EARLY)
    assert equal_states(found.network.encoders, trained("vanilla", EARLY).network.encoders)
    other.method.initialise(other.network)
    other.method.begin_stage(0, other.network)
    assert equal_states(begun().network.head, other.network.head)
    assert np.array_equal(found.method.sample_epoch(1), other.method.sample_epoch(1))


def test_without_a_step_towards_a_neighbour_it_is_decoupling(monkeypatch):
    monkeypatch.setattr("bench.methods.smote.interpolated", lambda x, partners, shares: x)
    found, other = trained("smote", EARLY), trained("decoupling", EARLY)
    assert found.logits() == pytest.approx(other.logits(), abs=1e-4)


def test_synthetic_samples_lie_between_neighbours_of_their_class(monkeypatch):
    found = begun(Case(counts=(600, 60, 60)), neighbours=3)
    rows = np.flatnonzero(labels(found, "train") == 1).repeat(40)
    batch = found.collator(found.split.train[rows])
    found.method.context.generator.manual_seed(0)
    mixed = inputs_of_the_head(found, batch, monkeypatch)
    embeddings = found.method.embeddings
    partners = found.method.partners[rows]
    assert (labels(found, "train")[partners.numpy()] == 1).all()
    step, ways = mixed - embeddings[rows], embeddings[partners] - embeddings[rows][:, None]
    moved = step.norm(dim=1) > 0
    # 36 : 360 samples: nine of ten are synthetic; some neighbours are equal samples.
    apart = (ways.norm(dim=2) > 0).all(dim=1)
    assert 0.85 < moved[apart].double().mean() < 0.95
    share = step.norm(dim=1, keepdim=True) / ways.norm(dim=2)
    off = (step[:, None] - share[:, :, None] * ways).norm(dim=2)
    near = off.nan_to_num(torch.inf).argmin(dim=1)
    assert off[apart, near[apart]].max() < 1e-4
    taken = share[apart & moved, near[apart & moved]]
    assert taken.max() < 1 + 1e-5
    assert taken.mean() == pytest.approx(0.5, abs=0.05)
    assert (near[apart & moved].bincount(minlength=3) > 0.2 * len(taken)).all()


def test_the_largest_class_is_never_mixed(monkeypatch):
    found = begun()
    rows = np.flatnonzero(labels(found, "train") == 0)
    batch = found.collator(found.split.train[rows])
    mixed = inputs_of_the_head(found, batch, monkeypatch)
    assert torch.equal(mixed, found.method.embeddings[rows])


def test_a_class_of_one_repeats_its_sample_and_one_of_three_has_two_neighbours(monkeypatch):
    found = begun(Case(counts=(60, 30, 30), train_counts=((1, 1), (2, 3))))
    [row] = np.flatnonzero(labels(found, "train") == 1)
    batch = found.collator(found.split.train[[row] * 50])
    mixed = inputs_of_the_head(found, batch, monkeypatch)
    assert torch.equal(mixed, found.method.embeddings[row].expand_as(mixed))
    assert found.method.partner_counts.tolist() == [5, 0, 2]


def test_embeddings_are_those_of_the_encoder_at_their_positions():
    found = begun()
    train = found.split.train
    with torch.no_grad():
        expected = found.network.eval().encode(found.collator(train[[7, 3]]))
    rows = found.method.rows[torch.from_numpy(train[[7, 3]])]
    assert rows.tolist() == [7, 3]
    torch.testing.assert_close(found.method.embeddings[rows], expected)


def test_neither_embeddings_nor_neighbours_are_part_of_the_state():
    assert begun().method.state_dict() == {}


@pytest.mark.parametrize("wrong", [{"neighbours": 0}, {"share": 0.0}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        on_counts(SMOTE, (3, 2), **wrong)


# ---------------------------------------------------------------- Gaussian discriminant


@pytest.mark.parametrize("covariance", ["pooled", "balanced"])
def test_gda_is_the_discriminant_of_unit_embeddings(covariance):
    found, vanilla = trained("gda", EARLY, covariance=covariance), trained("vanilla", EARLY)
    embeddings = {}
    with torch.no_grad():
        for part in ("train", "test"):
            batch = vanilla.collator(getattr(vanilla.split, part))
            embeddings[part] = normalize(vanilla.network.eval().encode(batch).double())
    target = torch.from_numpy(labels(found, "train"))
    weights, biases = gaussian_discriminant(embeddings["train"], target, 3, covariance)
    expected = embeddings["test"] @ weights.T + biases
    assert found.method.stages() == ()
    np.testing.assert_allclose(found.logits(), expected, rtol=1e-3, atol=1e-3)


def test_gda_never_predicts_a_class_without_training_samples():
    found = trained("gda", Case(counts=(60, 30, 15), train_counts=((1, 0),)))
    logits = found.logits()
    assert logits[:, 1] == pytest.approx(np.delete(logits, 1, axis=1).min(axis=1) - 100, rel=1e-4)


def test_gda_stays_finite_where_all_embeddings_are_equal():
    found = trial("gda", EARLY)
    network = copy.deepcopy(trained("vanilla", EARLY).network)
    with torch.no_grad():
        for parameter in network.encoders.parameters():
            parameter.zero_()
    run = with_run(found, "first_stage", network)
    run.train()
    assert np.isfinite(run.logits()).all()


# ---------------------------------------------------------------- AGLU


def test_aglu_has_a_shape_and_a_slope_for_each_layer_and_the_gate():
    found = trial("aglu")
    found.method.initialise(found.network)
    shapes, slopes = found.method.shapes, found.method.slopes
    assert len(shapes) == len(slopes) == len(found.network.head.layers) + 1
    assert ((shapes >= 0) & (shapes <= 1)).all()
    assert ((slopes[:-1] >= 0.8) & (slopes[:-1] <= 1.2)).all()
    assert -1 <= slopes[-1] <= 0
    again = trial("aglu")
    again.method.initialise(again.network)
    assert equal_states(found.method, again.method)
    other = trial("aglu", Case(seed=1))
    other.method.initialise(other.network)
    assert not torch.equal(other.method.shapes, shapes)


def test_aglu_of_steep_slopes_and_an_open_gate_is_the_network_less_its_prior():
    found = trial("aglu")
    found.method.initialise(found.network)
    with torch.no_grad():
        found.method.slopes.fill_(1e6)
        for layer in (found.method.gate[0], found.method.gate[2]):
            layer.weight.zero_()
            layer.bias.fill_(1)
        network = found.network.eval()
        expected = network(found.collator(found.split.test))
    counts = np.bincount(labels(found, "train"))
    expected = expected.numpy() + np.log(counts.sum() / counts)
    assert found.logits() == pytest.approx(expected, abs=1e-4)


def test_aglu_predicts_by_the_adjustment_and_does_not_train_by_it():
    found = trial("aglu", adjust="rel")
    counts = np.bincount(labels(found, "train"))
    expected = np.log((counts.sum() - counts) / counts)
    assert found.method.adjustment.tolist() == pytest.approx(expected)
    logits, target = torch.tensor([[2.0, 1.0, -1.0]]), torch.tensor([0])
    assert found.method.loss(logits, target).item() == pytest.approx(0.349012, abs=5e-7)
    adjusted = found.method.adjust_logits(logits) - logits
    assert adjusted[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_aglu_keeps_shapes_that_have_become_negative_usable():
    found = trained("aglu")
    with torch.no_grad():
        found.method.shapes.fill_(-1)
    assert np.isfinite(found.logits()).all()


def test_aglu_learns():
    found = trained("aglu", Case(counts=(120, 60, 30), epochs=12))
    start = trial("aglu", Case(counts=(120, 60, 30), epochs=12))
    start.method.initialise(start.network)
    assert (found.method.shapes != start.method.shapes).all()
    assert (found.method.slopes != start.method.slopes).all()
    predictions = found.logits().argmax(axis=1)
    assert (predictions == found.data.labels[found.split.test]).mean() > 0.9
