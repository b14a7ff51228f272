"""The prior taken off whatever a finished run predicts with."""

import numpy as np
import pytest

from bench.conformance.trial import Case
from bench.errors import UsageError
from bench.method import METHODS
from bench.methods._posthoc import PRIOR_POWERS, posthoc_log_prior
from bench.metrics import balanced_accuracy
from bench.spec import check_options, parse_spec
from bench.sweep.plan import method_part
from tests.methods.trials import labels, trained

EARLY = Case(counts=(120, 40, 20), epochs=2)


def test_of_vanilla_it_is_vanilla_tuned_to_the_bit():
    found, tuned = trained("posthoc", EARLY, method="vanilla"), trained("vanilla_tuned", EARLY)
    assert found.ensemble.report() == tuned.method.report()
    assert found.ensemble.report()["tau"] > 0
    assert np.array_equal(found.logits(), tuned.logits())


# With state or ways of predicting of their own, and one without a network.
@pytest.mark.parametrize("name", ["bbn", "lws", "ldam_drw", "ncm", "vanilla_tuned", "ecfp_forest"])
def test_it_moves_what_the_method_predicts_with(name):
    found, member = trained("posthoc", EARLY, method=name), trained(name, EARLY)
    log_priors = posthoc_log_prior(found.ensemble.context.class_counts).numpy()
    tau = found.ensemble.report()["tau"]
    expected = member.logits() - tau * log_priors
    assert found.logits() == pytest.approx(expected, abs=1e-5)

    def score(power):
        valid = member.logits(member.split.valid).astype(float) - power * log_priors
        return balanced_accuracy(labels(found, "valid"), valid.argmax(axis=1), 3)

    assert score(tau) == max(map(score, PRIOR_POWERS))


def test_a_method_keeps_its_options_and_its_encoder():
    part = method_part(parse_spec("posthoc[method=cb[beta=0.99,base=focal]]"), {})
    assert part.label == "posthoc[method=cb[beta=0.99,base=focal]]"
    [member] = part.requires.values()
    assert (member.name, member.options.beta, member.options.base) == ("cb", 0.99, "focal")
    part = method_part(parse_spec("posthoc[method=vanilla[backbone=dmpnn]]"), {})
    assert part.requires["first_stage"].backbone.name == "dmpnn"
    # Shared options hold for the member as for its own row: both are one run.
    part = method_part(parse_spec("posthoc[method=cb]"), {"cb": {"beta": 0.9}})
    assert part.requires["first_stage"].options.beta == 0.9


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("posthoc[method=vanila]", r"posthoc\[method=vanila\]: Expected .* vanilla"),
        ("posthoc[method=cb[bta=0.9]]", "did you mean beta"),
        ("posthoc[method=posthoc]", "posthoc > posthoc comes back to itself. Name another"),
        ('posthoc[method=""]', "method"),
    ],
)
def test_a_method_that_is_none_is_refused_in_a_line(text, words):
    with pytest.raises(UsageError, match=words):
        method_part(parse_spec(text), {})


def test_an_absent_class_is_that_of_a_single_sample():
    case = Case(counts=(60, 30, 15), train_counts=((1, 0),))
    found, member = trained("posthoc", case), trained("vanilla", case)
    counts = np.maximum(found.ensemble.context.class_counts.numpy(), 1)
    moved = member.logits() - found.ensemble.report()["tau"] * np.log(counts / counts.sum())
    assert found.logits() == pytest.approx(moved, abs=1e-5)


def test_its_default_is_vanilla():
    cls = METHODS.get("posthoc").cls
    options = check_options(cls.options_type, parse_spec("posthoc"), "method")
    assert cls.requires(options) == {"first_stage": "vanilla"}
