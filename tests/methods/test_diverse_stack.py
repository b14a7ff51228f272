import pytest

from bench.conformance.trial import Case
from bench.errors import UsageError
from bench.methods._stacking import fit_stacking
from bench.methods.diverse_stack import DiverseStack
from bench.spec import check_options, parse_spec
from tests.methods.trials import trained

CASE = Case(counts=(200, 60, 30), noise=0.3)


def options_of(text):
    return check_options(DiverseStack.options_type, parse_spec(text), "method")


def test_it_is_the_stacking_of_its_members_on_validation_with_one_power_of_the_prior():
    stack = trained("diverse_stack", CASE, members="balanced_softmax+ecfp_forest")
    members = [trained(name, CASE) for name in ("balanced_softmax", "ecfp_forest")]

    def classifiers(part):
        return [member.logits(getattr(stack.split, part)) for member in members]

    valid = stack.data.labels[stack.split.valid]
    log_prior = stack.ensemble.context.log_counts.numpy()
    expected = fit_stacking(classifiers("valid"), valid, log_prior)
    assert (stack.logits() == expected.logits(classifiers("test"))).all()


def test_members_are_runs_that_are_required_each_with_its_encoder():
    options = options_of('diverse_stack[members="cb[beta=0.9,backbone=gin]+cb+gbdt"]')
    names = ["cb[beta=0.9,backbone=gin]", "cb", "gbdt"]
    assert DiverseStack.requires(options) == dict(zip(names, names, strict=True))


@pytest.mark.parametrize("members", ["cb+cb", "", "+"])
def test_members_that_are_no_list_of_different_ones_are_refused(members):
    with pytest.raises(UsageError, match="expected different methods"):
        options_of(f'diverse_stack[members="{members}"]')
