"""One final model of all samples."""

import numpy as np
import pytest

from bench.dataset import Entity, RawSamples
from bench.errors import DataError, ModelError, UsageError
from bench.inference.fit import split_for_fit
from bench.inference.model import fit_model, load_model
from bench.method import METHODS, Estimator, register_method
from bench.training.settings import TrainingSettings
from tests.inference.conftest import molecules

BRIEF = TrainingSettings(epochs=2, batch_size=32)
PROTEINS = ("MKTAYIAKQRQISFVKSHFSRQ", "GAVLIPFMW", "MSTNPKPQRKTKRNTNRRPQDVKFPGG")


def raw(count=60, **more):
    """Two molecules, a protein and a category a sample; three classes."""
    smiles = molecules(2 * count)
    rows = range(count)
    entities = (
        Entity("first", "molecule", smiles[:count]),
        Entity("second", "molecule", smiles[count:]),
        Entity("target", "protein", [PROTEINS[n % 3] for n in rows]),
        Entity("assay", "category", [f"assay {n % 4}" for n in rows]),
    )
    labels = np.array([0 if n % 2 else 1 if n % 3 else 2 for n in rows], np.int64)
    return RawSamples(entities, labels, ("a", "b", "c"), **more)


def fit(method, samples=None, **more):
    return fit_model(samples or raw(), name="own", method=method, training=BRIEF, **more)


@pytest.mark.parametrize("method", ["calibrated_stack", "decoupling", "dive", "ncm", "sdr"])
def test_what_a_method_builds_on_is_trained_first(method, tmp_path):
    samples = raw()
    heard = []
    model = fit(method, samples, on_epoch=lambda name, report: heard.append((name, report.epoch)))
    needed = {
        "calibrated_stack": ["balanced_softmax"], "decoupling": ["vanilla", "decoupling"],
        "dive": ["balanced_softmax", "dive"], "ncm": ["vanilla"], "sdr": ["sdr"],
    }[method]  # fmt: skip
    assert list(dict.fromkeys(name for name, _ in heard)) == needed
    assert list(model.members) == (
        ["balanced_softmax", "ecfp_forest"] if method == "calibrated_stack" else []
    )
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    found, expected = again.predict(samples.entities), model.predict(samples.entities)
    assert not np.isnan(expected.logits).any()
    assert found.logits.tobytes() == expected.logits.tobytes()
    assert again.nearest_similarity(samples.entities).shape == (60,)


def test_the_same_seed_gives_the_same_model():
    models = [fit("balanced_softmax", seed=seed) for seed in (1, 1, 2)]
    first, second, other = (model.predict(raw().entities).logits for model in models)
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_the_number_of_processes_changes_nothing():
    model = fit("vanilla")
    one, two = (model.predict(raw().entities, jobs=jobs).logits for jobs in (1, 2))
    assert one.tobytes() == two.tobytes()


def test_a_share_of_each_class_is_held_back():
    labels = np.repeat([0, 1, 2, 3], [40, 10, 2, 1])
    split = split_for_fit(labels, 0.1, seed=0)
    assert np.bincount(labels[split.valid], minlength=4).tolist() == [4, 1, 1, 0]
    assert np.bincount(labels[split.train], minlength=4).tolist() == [36, 9, 1, 1]
    assert not np.array_equal(split.valid, split_for_fit(labels, 0.1, seed=1).valid)
    half = split_for_fit(labels, 0.99, seed=0)
    assert np.bincount(labels[half.train], minlength=4).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(UsageError, match="share"):
        split_for_fit(np.array([0, 0, 1, 1]), share, seed=0)


def test_classes_of_one_sample_alone_are_refused():
    with pytest.raises(UsageError, match="every class has one"):
        split_for_fit(np.array([0, 1]), 0.5, seed=0)


def test_rows_that_cannot_be_read_are_left_out():
    samples = raw()
    first = list(samples.entities[0].values)
    first[0] = "C1CC"
    broken = RawSamples(
        (Entity("first", "molecule", first), *samples.entities[1:]),
        samples.labels,
        samples.class_names,
    )
    model = fit("vanilla", broken)
    assert sum(model.card.train_counts) + sum(model.card.valid_counts) == 59
    with pytest.raises(DataError, match="at most"):
        fit("vanilla", broken, max_bad=0)


@pytest.mark.parametrize("method", ["vanilla", "ecfp_forest"])
def test_a_category_that_did_not_occur_is_a_problem_of_its_row(method):
    samples = raw()
    model = fit(method, samples)
    assays = ["assay 1", "assay 7", "assay 2"]
    asked = [Entity(e.name, e.kind, e.values[:3]) for e in samples.entities[:3]]
    found = model.predict([*asked, Entity("assay", "category", assays)])
    assert [problem is None for problem in found.problems] == [True, False, True]
    assert "'assay 7' did not occur" in found.problems[1]


def test_options_and_backbones_are_in_the_card():
    model = fit("cb", options={"beta": 0.9}, backbones={"molecule": "gcn[hidden=16]"})
    card = model.card
    assert card.method.label == "cb[beta=0.9]"
    assert card.method.options["beta"] == 0.9
    assert card.backbones["molecule"].options["hidden"] == 16
    assert set(card.backbones) == {"molecule", "protein", "category"}
    assert card.training == BRIEF.model_dump()


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"options": {"betta": 1}}, "did you mean beta"),
        ({"options": {"beta": 2}}, "beta"),
        ({"backbones": {"molecule": "category"}}, "encodes a category"),
        ({"backbones": {"molecule": "gnc"}}, "gcn"),
    ],
)
def test_what_does_not_exist_is_refused(more, match):
    with pytest.raises(UsageError, match=match):
        fit("cb", **more)


def test_an_unknown_method_is_refused():
    with pytest.raises(UsageError, match="vanilla"):
        fit("vanila")


def test_a_method_that_keeps_no_model_is_refused(monkeypatch):
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))

    @register_method("forgetful", title="Forgetful", group="extension", reference="none")
    class Forgetful(Estimator):
        def fit(self, train, valid):
            pass

        def logits(self, samples):
            return np.zeros((len(samples.entities[0].values), self.context.num_classes))

    with pytest.raises(ModelError, match="'forgetful' has no state"):
        fit("forgetful")


def test_global_threads_are_as_before():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        fit("vanilla").predict(raw().entities)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
