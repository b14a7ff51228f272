import numpy as np
import pytest

from bench.conformance.trial import Case
from bench.errors import UsageError
from bench.method import METHODS
from bench.spec import check_options, parse_spec
from methods.calibrated_stack import CalibratedStack
from methods.losses.stacking import fit_stacking
from tests.methods.trials import trained

CASE = Case(counts=(200, 60, 30), noise=0.3)


def options_of(text):
    return check_options(CalibratedStack.options_type, parse_spec(text), "method")


def test_it_is_the_stacking_of_its_members_on_validation():
    stack = trained("calibrated_stack", CASE)
    network, forest = (trained(name, CASE) for name in ("balanced_softmax", "ecfp_forest"))
    valid = [member.logits(stack.split.valid) for member in (network, forest)]
    expected = fit_stacking(valid, stack.data.labels[stack.split.valid])
    np.testing.assert_array_equal(
        stack.logits(), expected.logits([network.logits(), forest.logits()])
    )
    assert stack.ensemble.report()["weights"] == expected.weights.tolist()


def test_without_calibration_it_is_the_mean_of_log_probabilities():
    stack = trained("calibrated_stack", CASE, members="vanilla+cb", calibrate=False)
    assert stack.ensemble.report() == {"weights": [0.5, 0.5], "biases": [0, 0, 0]}


def test_members_are_runs_that_are_required():
    cls = METHODS.get("calibrated_stack").cls
    assert cls.requires(options_of("calibrated_stack")) == {
        "balanced_softmax": "balanced_softmax",
        "ecfp_forest": "ecfp_forest",
    }
    assert cls.requires(options_of("calibrated_stack[members=cb]")) == {"cb": "cb"}


@pytest.mark.parametrize("members", ["cb+cb", "", "cb+", "+"])
def test_members_that_are_empty_or_twice_are_refused(members):
    with pytest.raises(UsageError, match="members"):
        options_of(f"calibrated_stack[members={members}]")
