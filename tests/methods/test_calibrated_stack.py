import numpy as np
import pytest
from scipy.special import log_softmax

from bench.conformance.trial import Case
from bench.errors import UsageError
from bench.methods._stacking import fit_stacking
from bench.methods.calibrated_stack import CalibratedStack
from bench.spec import check_options, parse_spec
from tests.methods.trials import trained

CASE = Case(counts=(200, 60, 30), noise=0.3)


def options_of(text):
    return check_options(CalibratedStack.options_type, parse_spec(text), "method")


def test_it_is_the_stacking_of_the_mean_network_and_the_forest_on_validation():
    stack = trained("calibrated_stack", CASE, networks="balanced_softmax+cb")
    members = [trained(name, CASE) for name in ("balanced_softmax", "cb", "ecfp_forest")]

    def classifiers(part):
        first, second, forest = (m.logits(getattr(stack.split, part)) for m in members)
        log_probabilities = log_softmax(np.stack([first, second]).astype(float), axis=2)
        return [log_probabilities.mean(axis=0), forest]

    expected = fit_stacking(classifiers("valid"), stack.data.labels[stack.split.valid])
    np.testing.assert_array_equal(stack.logits(), expected.logits(classifiers("test")))
    assert stack.ensemble.report()["weights"] == expected.weights.tolist()


def test_one_member_is_moved_by_biases_alone_up_to_its_scale():
    stack = trained("calibrated_stack", CASE, networks="vanilla", forest=False)
    report = stack.ensemble.report()
    log_probabilities = log_softmax(trained("vanilla", CASE).logits().astype(float), axis=1)
    expected = report["weights"][0] * log_probabilities + report["biases"]
    np.testing.assert_allclose(stack.logits(), expected)


def test_without_calibration_it_is_the_mean_of_log_probabilities():
    stack = trained("calibrated_stack", CASE, networks="vanilla", calibrate=False)
    assert stack.ensemble.report() == {"weights": [0.5, 0.5], "biases": [0, 0, 0]}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("calibrated_stack[networks=cb]", ["cb", "ecfp_forest"]),
        ("calibrated_stack[networks=cb+ib,forest=false]", ["cb", "ib"]),
        ('calibrated_stack[networks=""]', ["ecfp_forest"]),
    ],
)
def test_members_are_runs_that_are_required(text, names):
    assert CalibratedStack.requires(options_of(text)) == dict(zip(names, names, strict=True))


@pytest.mark.parametrize("networks", ["cb+cb", "cb+", "+", "cb+ecfp_forest"])
def test_networks_that_are_no_list_of_different_ones_are_refused(networks):
    with pytest.raises(UsageError, match="networks"):
        options_of(f"calibrated_stack[networks={networks}]")


def test_nothing_to_stack_is_refused():
    with pytest.raises(UsageError, match="neither"):
        options_of('calibrated_stack[networks="",forest=false]')
