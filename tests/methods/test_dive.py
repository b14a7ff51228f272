from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy

from bench.conformance.trial import Case
from bench.method import METHODS
from bench.methods.dive import Dive, Teacher
from tests.methods.toy_run import on_counts
from tests.methods.trials import equal_states, trained, trial

STUDENT = torch.tensor([[2.0, 1.0, -1.0]], dtype=torch.float64)
TEACHER = torch.tensor([[1.5, 0.5, -0.5]], dtype=torch.float64)


def loss_of_one_sample(**options):
    method = on_counts(Dive, (100, 20, 5), **options)
    method.teacher = SimpleNamespace(logits=lambda batch: TEACHER)
    batch = SimpleNamespace(labels=torch.tensor([0]))
    return method.training_step(lambda batch: STUDENT, batch).item()


@pytest.mark.parametrize(
    ("power", "base", "expected"),
    [
        (1.0, "balanced_softmax", 0.070701),
        (1.0, "cross_entropy", 0.208552),
        (0.5, "balanced_softmax", 0.178039),
        (0.5, "cross_entropy", 0.315889),
    ],
)
def test_worked_totals(power, base, expected):
    assert loss_of_one_sample(power=power, base=base) == pytest.approx(expected, abs=5e-7)


def test_defaults_are_those_of_the_paper():
    assert loss_of_one_sample() == loss_of_one_sample(
        temperature=2.0, power=0.5, alpha=0.5, base="balanced_softmax"
    )


def test_alpha_0_is_the_base_loss_alone():
    target = torch.tensor([0])
    plain = cross_entropy(STUDENT, target).item()
    assert loss_of_one_sample(alpha=0.0, base="cross_entropy") == pytest.approx(plain)
    assert loss_of_one_sample(alpha=0.0) == pytest.approx(0.073311, abs=5e-7)


def test_teacher_is_the_finished_balanced_softmax_run():
    found, teacher = trial("dive"), trained("balanced_softmax")
    found.method.initialise(found.network)
    batch = found.collator(found.split.test)
    teacher.network.eval()
    # Without gradients, as the teacher: products then add in another order.
    with torch.no_grad():
        assert torch.equal(found.method.teacher.logits(batch), teacher.network(batch))
    assert METHODS.get("dive").cls.requires(found.method.options) == {"teacher": "balanced_softmax"}


def test_student_starts_afresh_and_shares_nothing_with_the_teacher():
    found, fresh = trial("dive"), trial("vanilla")
    found.method.initialise(found.network)
    assert equal_states(found.network, fresh.network)
    teacher = found.method.teacher.network
    own = {tensor.data_ptr() for tensor in found.network.state_dict().values()}
    assert own.isdisjoint(tensor.data_ptr() for tensor in teacher.state_dict().values())


def test_teacher_is_the_same_after_training_and_in_evaluation_mode():
    found = trained("dive")
    teacher = found.method.teacher.network
    expected = trained("balanced_softmax").network
    assert equal_states(teacher, expected)
    assert not equal_states(found.network, expected)
    found.method.train()
    assert not any(module.training for module in teacher.modules())


def test_teacher_is_neither_trained_nor_saved_with_the_method():
    found = trained("dive")
    assert list(found.method.state_dict()) == ["log_priors"]
    assert list(found.method.parameters()) == []
    batch = found.collator(found.split.train[:8])
    found.method.training_step(found.network.requires_grad_(True), batch).backward()
    assert all(p.grad is None for p in found.method.teacher.network.parameters())


def test_teacher_takes_the_precision_of_the_student():
    network = trial("dive").network.double()
    teacher = Teacher(network, trained("balanced_softmax").network.state_dict())
    assert {p.dtype for p in teacher.network.parameters()} == {torch.float64}


def test_learns():
    found = trained("dive", Case(counts=(120, 60, 30), epochs=20))
    predictions = found.logits().argmax(axis=1)
    assert (predictions == found.data.labels[found.split.test]).mean() > 0.9
