"""The folder of a run as a model."""

import shutil

import numpy as np
import pytest

from bench.dataset import Entity
from bench.errors import ModelError
from bench.inference.model import load_model
from bench.sweep.store import Store
from tests.inference.conftest import StoredRuns


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LTDD_CACHE_DIR", str(folder / "cache"))
        yield StoredRuns(folder, ["calibrated_stack", "ecfp_forest"])


@pytest.fixture
def copied(runs, tmp_path):
    """The results folder, to be changed."""
    shutil.copytree(runs.store.root, tmp_path / "results")
    return lambda method: tmp_path / "results" / "runs" / runs.folder(method).name


def entities(runs):
    return [Entity("smiles", "molecule", runs.smiles("test"))]


def test_the_card_says_what_the_record_does(runs):
    card = load_model(runs.folder("balanced_softmax")).card
    record = runs.store.read(runs.folder("balanced_softmax").name)
    assert card.job_id == record["job_id"]
    assert card.data == "own"
    assert card.class_names == ("common", "rare")
    assert list(card.train_counts) == record["data"]["train_counts"]
    assert card.epoch == record["selection"]["epoch"]
    assert card.valid["balanced_accuracy"] == record["selection"]["valid_balanced_accuracy"]
    assert np.exp(card.implied_log_prior) == pytest.approx([0.5, 0.5])


def test_similarity_comes_from_the_data_set(runs):
    model = load_model(runs.folder("ecfp_forest"))
    train = [Entity("smiles", "molecule", runs.smiles("train"))]
    assert (model.nearest_similarity(train) == 1).all()
    found = load_model(runs.folder("calibrated_stack")).nearest_similarity(entities(runs))
    assert np.array_equal(found, model.nearest_similarity(entities(runs)))
    assert found.min() < 1


def forget_plans(results):
    """So that nothing says where the file of the data set is."""
    (results / "plan.json").unlink()
    shutil.rmtree(results / "plans")


def test_without_the_data_set_it_predicts_without_similarity(runs, copied, caplog):
    results = copied("ecfp_forest").parent.parent
    forget_plans(results)
    for name in ("ecfp_forest", "balanced_softmax", "calibrated_stack"):
        caplog.clear()
        model = load_model(copied(name))
        assert "data set" in caplog.text
        assert model.nearest_similarity(entities(runs)) is None
        assert model.predict(entities(runs)).logits == pytest.approx(
            runs.logits(name), rel=1e-3, abs=1e-4
        )
    again = load_model(copied("balanced_softmax"), data_dir=runs.csv.parent)
    found = again.predict(entities(runs)).logits
    assert found.tobytes() == runs.logits("balanced_softmax").tobytes()


def test_a_data_set_that_has_changed_is_not_taken(runs, copied, tmp_path):
    results = copied("ecfp_forest").parent.parent
    forget_plans(results)
    lines = runs.csv.read_text().splitlines()
    (tmp_path / "own.csv").write_text("\n".join(lines[:-1]) + "\n")
    model = load_model(copied("ecfp_forest"), data_dir=tmp_path)
    assert model.nearest_similarity(entities(runs)) is None


def test_a_damaged_run_is_refused(copied):
    path = copied("balanced_softmax") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match="checksum"):
        load_model(copied("balanced_softmax"))


def test_a_run_whose_model_was_not_kept_is_refused(copied):
    folder = copied("ecfp_forest")
    assert Store(folder.parent.parent).forget_model(folder.name)
    with pytest.raises(ModelError, match="keep-models"):
        load_model(copied("ecfp_forest"))
    with pytest.raises(ModelError, match="keep-models"):
        load_model(copied("calibrated_stack"))


def test_an_ensemble_without_a_member_is_refused(copied):
    shutil.rmtree(copied("ecfp_forest"))
    with pytest.raises(ModelError, match=copied("ecfp_forest").name):
        load_model(copied("calibrated_stack"))


def test_a_run_of_before_objects_were_kept_is_refused(runs, copied):
    store, job_id = Store(copied("ecfp_forest").parent.parent), copied("ecfp_forest").name
    record = store.read(job_id)
    files = {name: sha for name, sha in record["files"].items() if name != "model.skops"}
    store.renew({**record, "files": files})
    (copied("ecfp_forest") / "model.skops").unlink()
    assert store.examine(job_id)[1] is None
    with pytest.raises(ModelError, match="earlier version"):
        load_model(copied("ecfp_forest"))


def test_a_record_without_inputs_needs_its_data_set(runs, copied):
    folder = copied("balanced_softmax")
    store, job_id = Store(folder.parent.parent), folder.name
    record = store.read(job_id)
    data = {k: v for k, v in record["data"].items() if k not in ("inputs", "categories")}
    store.renew({**record, "data": data})
    assert load_model(copied("balanced_softmax")).card.inputs[0].name == "smiles"
    forget_plans(store.root)
    with pytest.raises(ModelError, match="before records had them"):
        load_model(copied("balanced_softmax"))
