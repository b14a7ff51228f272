"""Models are written whole, and read without trust."""

import hashlib
import json
import pickle

import numpy as np
import pytest
from torch.nn.functional import cross_entropy

from bench import files
from bench.dataset import Entity, RawSamples
from bench.errors import ModelError, UsageError
from bench.inference import folder as folders
from bench.inference.model import fit_model, load_model
from bench.method import METHODS
from bench.training.settings import TrainingSettings
from tests.inference.conftest import molecules

BRIEF = TrainingSettings(epochs=1, batch_size=32)


def raw(count=60):
    smiles = molecules(count)
    labels = np.array([n % 3 == 0 for n in range(count)], np.int64)
    return RawSamples((Entity("smiles", "molecule", smiles),), labels, ("no", "yes"))


@pytest.fixture(scope="module")
def fitted():
    return {
        name: fit_model(raw(), name="own", method=name, training=BRIEF)
        for name in ("vanilla", "ecfp_forest")
    }


@pytest.fixture
def saved(fitted, tmp_path):
    fitted["vanilla"].save(tmp_path / "model")
    return tmp_path / "model"


def asked(*smiles):
    return [Entity("any name", "molecule", list(smiles))]


def card_of(folder):
    return json.loads((folder / "card.json").read_text())


def rewrite(folder, **changes):
    """The card with these changes, and a checksum that fits them."""
    document = folders._sealed({**card_of(folder), **changes})
    (folder / "card.json").write_text(json.dumps(document))


@pytest.mark.parametrize("method", ["vanilla", "ecfp_forest"])
def test_what_is_saved_is_loaded(fitted, tmp_path, method):
    model = fitted[method]
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    entities = asked(*molecules(40, seed=1))
    assert again.card == model.card
    assert again.predict(entities).logits.tobytes() == model.predict(entities).logits.tobytes()
    assert np.array_equal(
        again.nearest_similarity(entities), model.nearest_similarity(entities), equal_nan=True
    )


def test_the_card_says_what_the_model_is(fitted):
    card = fitted["vanilla"].card
    assert [tuple(vars(input_).values()) for input_ in card.inputs] == [("smiles", "molecule")]
    assert (card.data, card.class_names, card.method.name) == ("own", ("no", "yes"), "vanilla")
    assert (card.train_counts, card.valid_counts) == ((36, 18), (4, 2))
    assert np.exp(card.implied_log_prior) == pytest.approx([2 / 3, 1 / 3])
    assert 0 <= card.valid["balanced_accuracy"] <= 1
    assert {"python", "torch", "rdkit"} <= card.versions.keys()


def test_nothing_is_written_over(fitted, saved):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    with pytest.raises(ModelError, match="already"):
        fitted["ecfp_forest"].save(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_a_folder_that_cannot_be_finished_is_not_there(fitted, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders, "write_new", full)
    with pytest.raises(ModelError, match="No space left"):
        fitted["vanilla"].save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["card.json", "model.safetensors", "training.safetensors"])
def test_a_damaged_file_is_refused(saved, name):
    path = saved / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"checksum|damaged"):
        load_model(saved)


@pytest.mark.parametrize("name", ["card.json", "model.safetensors", "training.safetensors"])
def test_a_missing_file_is_refused(saved, name):
    (saved / name).unlink()
    with pytest.raises(ModelError, match=f"there is no {name}"):
        load_model(saved)


def test_no_model_at_all_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("no folder")
    for name in ("empty", "file", "nowhere"):
        with pytest.raises(ModelError, match=r"no card\.json"):
            load_model(tmp_path / name)


def test_another_format_is_refused(saved):
    rewrite(saved, format=3)
    with pytest.raises(ModelError, match="format 1 or 2"):
        load_model(saved)


def test_the_first_format_is_read(fitted, saved):
    rewrite(saved, format=1, sources={}, valid_share=None)
    assert load_model(saved).card.class_names == fitted["vanilla"].card.class_names


def test_other_code_and_other_packages_are_named(fitted, saved, caplog):
    load_model(saved)
    assert not caplog.records
    card = fitted["vanilla"].card
    rewrite(
        saved,
        sources={**card.sources, "bench/methods/vanilla.py": "0" * 16},
        versions={**card.versions, "rdkit": "1.2.3", "torch": "2.13.0+another_build"},
    )
    load_model(saved)
    text = caplog.text
    assert "bench/methods/vanilla.py has changed, rdkit was 1.2.3" in text
    assert "torch" not in text or not card.versions["torch"].startswith("2.13.0")


def test_another_major_version_is_refused_and_another_minor_one_is_not(saved):
    major, _, rest = card_of(saved)["bench"].partition(".")
    rewrite(saved, bench=f"{major}.999.0")
    load_model(saved)
    rewrite(saved, bench=f"{int(major) + 1}.{rest}")
    with pytest.raises(ModelError, match=f"version {int(major) + 1}"):
        load_model(saved)


def test_a_field_that_is_not_known_is_refused(saved):
    rewrite(saved, weather="fine")
    with pytest.raises(ModelError, match="weather"):
        load_model(saved)


@pytest.mark.parametrize("counts", [[5], [-5, 3], [10**13, 3], [1, 1, 1]])
@pytest.mark.parametrize("part", ["train_counts", "valid_counts"])
def test_counts_that_are_not_of_the_classes_are_refused(saved, part, counts):
    rewrite(saved, **{part: counts})
    with pytest.raises(ModelError, match=r"expected counts of samples in 2 classes"):
        load_model(saved)


def test_another_version_of_the_method_is_refused(saved):
    rewrite(saved, method={**card_of(saved)["method"], "version": 99})
    with pytest.raises(ModelError, match="version 99"):
        load_model(saved)


def test_weights_of_another_shape_are_refused(saved):
    card = card_of(saved)
    counts = [1, 1, 1]
    rewrite(saved, class_names=["a", "b", "c"], train_counts=counts, valid_counts=counts)
    assert card["class_names"] == ["no", "yes"]
    with pytest.raises(ModelError, match="size mismatch"):
        load_model(saved)


def test_a_buffer_of_another_shape_is_refused(saved):
    from safetensors.numpy import load, save

    arrays = load((saved / "model.safetensors").read_bytes())
    [name] = [name for name in arrays if name.endswith("layers.0.norm.running_mean")]
    _replaced(saved, "model.safetensors", save({**arrays, name: arrays[name][:1]}))
    with pytest.raises(ModelError, match=r"running_mean of shape \(64,\)"):
        load_model(saved)


@pytest.mark.parametrize("change", [lambda f: f[:, :1], lambda f: f.view(np.uint32), np.ravel])
def test_fingerprints_of_another_shape_are_refused(saved, change):
    from safetensors.numpy import load, save

    arrays = load((saved / "training.safetensors").read_bytes())
    changed = np.ascontiguousarray(change(arrays["fingerprints"]))
    _replaced(saved, "training.safetensors", save({**arrays, "fingerprints": changed}))
    model = load_model(saved)
    with pytest.raises(ModelError, match="fingerprints"):
        model.nearest_similarity(asked("CCO"))


def test_a_file_too_large_is_not_read(saved, monkeypatch):
    monkeypatch.setattr(folders, "MOST_ARRAYS", 100)
    with pytest.raises(ModelError, match="expected at most 100"):
        load_model(saved)


def test_a_link_is_not_followed(saved, tmp_path):
    (saved / "model.safetensors").rename(tmp_path / "elsewhere")
    (saved / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="no regular file"):
        load_model(saved)


class _Trap:
    """Unpickled, it would raise something else."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


def _replaced(folder, name, data):
    (folder / name).write_bytes(data)
    files_ = {**card_of(folder)["files"], name: hashlib.sha256(data).hexdigest()}
    rewrite(folder, files=files_)


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors"])
def test_a_pickle_is_never_opened(saved, name):
    _replaced(saved, name, pickle.dumps(_Trap()))
    with pytest.raises(ModelError, match="is no model"):
        load_model(saved)


def test_objects_of_other_types_are_never_made(fitted, tmp_path):
    from skops.io import dumps

    fitted["ecfp_forest"].save(tmp_path / "model")
    _replaced(tmp_path / "model", "model.skops", dumps({"forest": _Trap()}))
    with pytest.raises(ModelError, match=r"not trusted|no model"):
        load_model(tmp_path / "model")
    _replaced(tmp_path / "model", "model.skops", pickle.dumps(_Trap()))
    with pytest.raises(ModelError, match="no model"):
        load_model(tmp_path / "model")


def test_the_state_of_another_method_is_refused(fitted, tmp_path):
    from skops.io import dumps

    fitted["ecfp_forest"].save(tmp_path / "model")
    _replaced(tmp_path / "model", "model.skops", dumps({"tau": np.array(1.0)}))
    with pytest.raises(ModelError, match="to fit the method 'ecfp_forest'"):
        load_model(tmp_path / "model")


def test_another_number_or_kind_of_inputs_is_refused(fitted):
    molecule, protein = asked("CCO")[0], Entity("target", "protein", ["MKV"])
    for entities in ([molecule, molecule], [molecule, protein], [protein], []):
        with pytest.raises(ModelError, match=r"smiles \(molecule\)"):
            fitted["vanilla"].predict(entities)


def test_files_are_readable_by_whom_the_umask_lets_read_them(saved):
    modes = {path.stat().st_mode & 0o777 for path in saved.iterdir()}
    probe = saved.parent / "probe"
    files.write_new(probe, b"")
    assert modes == {probe.stat().st_mode & 0o777}


@pytest.mark.parametrize("method", ["vanilla", "ecfp_forest"])
def test_rows_that_cannot_be_read_keep_their_places(fitted, method):
    good = molecules(3, seed=2)
    found = fitted[method].predict(asked(good[0], "C1CC", "", good[1], "not one", good[2]))
    readable = [problem is None for problem in found.problems]
    assert readable == [True, False, False, True, False, True]
    assert np.isfinite(found.logits).all(axis=1).tolist() == readable
    assert "any name" in found.problems[1]
    alone = fitted[method].predict(asked(*good))
    assert np.array_equal(found.logits[[0, 3, 5]], alone.logits)


def test_all_rows_bad_and_no_rows(fitted):
    for method in fitted.values():
        found = method.predict(asked("C1CC", ""))
        assert np.isnan(found.logits).all()
        assert None not in found.problems
        assert method.predict(asked()).logits.shape == (0, 2)
        assert np.isnan(method.nearest_similarity(asked("C1CC"))).all()


def test_similarity_to_the_training_molecules(fitted):
    model = fitted["vanilla"]
    found = model.nearest_similarity(asked(*molecules(60), "[Na+]", "C1CC"))
    # Nine of ten were trained on.
    assert (found[:60] == 1).sum() >= 54
    assert found[60] < 0.5
    assert np.isnan(found[61])


def test_probabilities_by_the_rule_of_bayes(fitted):
    model = fitted["vanilla"]  # its logits are a posterior under shares of 2/3 and 1/3
    logits = np.array([[0.0, 0.0], [np.nan, np.nan], [np.log(3), 0.0]])
    as_is = model.probabilities(logits)
    assert as_is[0] == pytest.approx([0.5, 0.5])
    assert as_is[2] == pytest.approx([0.75, 0.25])
    assert np.isnan(as_is[1]).all()
    assert model.probabilities(logits, "train") == pytest.approx(as_is, nan_ok=True)
    # 0.75 / (2/3) to 0.25 / (1/3): 1.125 to 0.75.
    assert model.probabilities(logits, "equal")[2] == pytest.approx([0.6, 0.4])
    # Times 1 and 3: 1.125 to 2.25.
    assert model.probabilities(logits, np.array([1.0, 3.0]))[2] == pytest.approx([1 / 3, 2 / 3])
    assert model.probabilities(logits, np.array([1.0, 0.0]))[0] == pytest.approx([1, 0])


@pytest.mark.parametrize("prior", ["flat", np.ones(3), np.array([1, -1]), np.zeros(2)])
def test_no_prior_is_refused(fitted, prior):
    with pytest.raises(UsageError, match="prior"):
        fitted["vanilla"].probabilities(np.zeros((1, 2)), prior)


@pytest.mark.parametrize("size", [1e308, 5e-324])
def test_shares_count_up_to_a_factor_however_large(fitted, size):
    model, logits = fitted["vanilla"], np.array([[0.5, 1.0]])
    found = model.probabilities(logits, np.array([size, size]))
    assert np.array_equal(found, model.probabilities(logits, "equal"))


@pytest.fixture
def registered(monkeypatch):
    """Registers a method under `name` for the test."""
    METHODS.discover()
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))

    def register(name, cls):
        METHODS.add(name, cls, title=name, group="extension", reference="none", version=1)
        return fit_model(raw(), name="own", method=name, training=BRIEF).card.implied_log_prior

    return register


class _OtherLoss(METHODS.get("balanced_softmax").cls):
    """Plain cross-entropy, of which the prior of the class that it derives from is not true."""

    def loss(self, logits, labels):
        return cross_entropy(logits, labels)


class _OtherSteps(METHODS.get("balanced_softmax").cls):
    """The same loss another way."""

    def training_step(self, network, batch):
        return self.loss(network(batch), batch.labels)


def test_a_prior_is_not_inherited_by_what_trains_otherwise(registered):
    assert registered("other_loss", _OtherLoss) is None
    assert registered("other_steps", _OtherSteps) == pytest.approx(np.log([0.5, 0.5]))


def test_a_prior_cannot_be_changed_where_none_is_known():
    model = fit_model(raw(), name="own", method="focal", training=BRIEF)
    assert model.card.implied_log_prior is None
    assert model.probabilities(np.zeros((1, 2))) == pytest.approx(0.5)
    with pytest.raises(UsageError, match="'focal' is none"):
        model.probabilities(np.zeros((1, 2)), "equal")
