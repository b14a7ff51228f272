import numpy as np
import pytest
import torch
from pydantic import ValidationError

from bench.conformance.trial import Case
from bench.methods.decoupling import Decoupling
from bench.methods.lws import LearnableWeightScaling
from bench.training.stages import stage_epochs
from tests.methods.toy_run import on_counts
from tests.methods.trials import equal_states, trained, trial


def test_encoder_is_the_vanilla_one_to_the_bit_with_its_batch_statistics():
    case = Case(counts=(120, 60, 30), epochs=8)
    found = trained("decoupling", case, share=0.5)
    vanilla = trained("vanilla", case)
    assert equal_states(found.network.encoders, vanilla.network.encoders)
    assert any("running_mean" in name for name in found.network.encoders.state_dict())


def test_head_starts_anew_and_neither_from_the_first_stage_nor_from_its_start():
    found, fresh = trial("decoupling"), trial("vanilla")
    found.method.initialise(found.network)
    found.method.begin_stage(0, found.network)
    start = found.network.head.state_dict()
    vanilla = trained("vanilla").network.head.state_dict()
    for name, tensor in start.items():
        assert not torch.equal(tensor, vanilla[name])
        assert not torch.equal(tensor, fresh.network.head.state_dict()[name])
    again = trial("decoupling")
    again.method.begin_stage(0, again.network)
    assert equal_states(again.network.head, found.network.head)
    other = trial("decoupling", Case(seed=1))
    other.method.begin_stage(0, other.network)
    assert not equal_states(other.network.head, found.network.head)


def test_head_is_trained():
    found, start = trained("decoupling"), trial("decoupling")
    start.method.begin_stage(0, start.network)
    for name, tensor in found.network.head.state_dict().items():
        assert not torch.equal(tensor, start.network.head.state_dict()[name])


@pytest.mark.parametrize("method_type", [Decoupling, LearnableWeightScaling])
@pytest.mark.parametrize(("share", "epochs", "expected"), [(0.1, 30, 3), (0.1, 1, 1), (1.0, 7, 7)])
def test_one_stage_of_a_tenth_of_the_epochs(method_type, share, epochs, expected):
    method = on_counts(method_type, (9, 3), share=share)
    assert [count for _, count in stage_epochs(method, epochs)] == [expected]
    assert method_type.requires(method.options) == {"first_stage": "vanilla"}


@pytest.mark.parametrize("method_type", [Decoupling, LearnableWeightScaling])
def test_every_epoch_draws_all_classes_equally_often_and_afresh(method_type):
    method = on_counts(method_type, (100, 20, 6))
    first, second = method.sample_epoch(1), method.sample_epoch(2)
    assert np.bincount(method.context.labels[first]).tolist() == [42, 42, 42]
    assert not np.array_equal(np.sort(first), np.sort(second))
    assert not np.array_equal(first, np.sort(first))
    assert np.array_equal(first, on_counts(method_type, (100, 20, 6)).sample_epoch(1))


def test_learns_with_the_encoder_frozen():
    found = trained("decoupling", Case(counts=(120, 60, 30), epochs=8), share=1.0)
    predictions = found.logits().argmax(axis=1)
    assert (predictions == found.data.labels[found.split.test]).mean() > 0.9


def test_a_second_stage_needs_an_epoch():
    with pytest.raises(ValidationError):
        on_counts(Decoupling, (3, 2), share=0.0)


# ---------------------------------------------------------------- learnable weight scaling


def test_scales_of_1_predict_as_the_first_stage():
    found, vanilla = trial("lws"), trained("vanilla")
    found.method.initialise(found.network)
    assert np.array_equal(found.logits(), vanilla.logits())


def test_scales_train_and_the_network_does_not():
    found = trained("lws", share=1.0)
    assert equal_states(found.network, trained("vanilla").network)
    assert (found.method.scales != 1).all()
    assert list(found.method.state_dict()) == ["scales"]


def test_prediction_and_loss_include_the_scales_and_scale_the_bias_too():
    found = trial("lws")
    scales = torch.tensor([2.0, 0.5, -1.0])
    with torch.no_grad():
        found.method.scales.copy_(scales)
    logits = torch.tensor([[2.0, 1.0, -1.0]])
    assert found.method.adjust_logits(logits).tolist() == [[4.0, 0.5, 1.0]]
    # log(e^4 + e^0.5 + e^1) - 0.5
    assert found.method.loss(logits, torch.tensor([1])).item() == pytest.approx(3.576947, abs=5e-6)
    with torch.no_grad():
        head = found.network.head
        head.classifier.weight.mul_(scales[:, None])
        head.classifier.bias.mul_(scales)
    scaled = found.logits()
    with torch.no_grad():
        head.classifier.weight.div_(scales[:, None])
        head.classifier.bias.div_(scales)
        found.method.scales.fill_(1)
    assert not np.allclose(scaled, found.logits())
    with torch.no_grad():
        found.method.scales.copy_(scales**2)
    assert np.allclose(scaled, found.logits(), atol=1e-5)
