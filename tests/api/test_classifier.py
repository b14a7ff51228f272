"""LongTailClassifier in scikit-learn's hands: types of input, searches, pickles, bad SMILES."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import bench
from bench import LongTailClassifier
from bench.errors import ArgumentError, BenchWarning, ModelError, UsageError
from tests.commands.conftest import ALCOHOLS, AMINES

SMILES = ALCOHOLS[:24] + AMINES[:12]
CLASSES = ["alcohol"] * 24 + ["amine"] * 12


def quick(method="balanced_softmax", **more):
    if method == "ecfp_forest":
        more = {"options": {"trees": 30}, **more}
    return LongTailClassifier(method, **{"epochs": 3, "batch_size": 16, **more})


@pytest.fixture(scope="module")
def fitted():
    return quick().fit(SMILES, CLASSES)


def _column(values):
    return np.array(values)[:, None]


def _frame(values):
    return pd.DataFrame({"s": values})


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series, _column, _frame])
def test_molecules_come_in_any_container(fitted, kind):
    model = quick().fit(kind(SMILES), kind(CLASSES) if kind in (list, pd.Series) else CLASSES)
    assert np.array_equal(model.predict_proba(kind(SMILES)), fitted.predict_proba(SMILES))
    assert model.n_features_in_ == 1
    assert hasattr(model, "feature_names_in_") is isinstance(kind(SMILES), pd.DataFrame)


@pytest.mark.parametrize(
    "classes",
    [[0, 1], [5, -3], ["x", "y"], [True, False], [1.0, 2.0], np.array(["b", "a"], object)],
    ids=["ints", "any ints", "text", "bools", "floats", "objects"],
)
def test_classes_keep_their_type(classes, tmp_path):
    y = np.array([classes[0]] * 24 + [classes[1]] * 12)
    model = quick("ecfp_forest").fit(SMILES, y)
    assert model.classes_.tolist() == sorted(classes)
    predicted = model.predict(SMILES)
    assert predicted.dtype == model.classes_.dtype
    assert (predicted == y).mean() > 0.8
    again = LongTailClassifier.load(model.save(tmp_path / "model"))
    assert np.array_equal(again.predict(SMILES), predicted)
    assert again.predict(SMILES).dtype == predicted.dtype


@pytest.mark.parametrize(
    "classes", [[True, False], [3, 1], [np.int64(2), np.int64(7)]], ids=["bools", "ints", "NumPy's"]
)
def test_numbers_among_objects_are_classes_as_they_are(classes):
    y = np.array([classes[0]] * 24 + [classes[1]] * 12, dtype=object)
    model = quick("ecfp_forest").fit(SMILES, y)
    assert model.classes_.tolist() == sorted(classes)
    assert model.classes_.dtype == np.array(classes).dtype


@pytest.mark.parametrize(
    ("y", "names"),
    [
        ([1] * 24 + ["1"] * 12, r"1 \(number\) and '1' \(text\)"),
        (np.array([1] * 24 + ["x"] * 12, object), r"1 \(number\) and 'x' \(text\)"),
        ([True] * 24 + [2] * 12, r"True \(truth value\) and 2 \(number\)"),
        (np.array(["2020-01-01"] * 24 + ["2021-01-01"] * 12, "datetime64[ns]"), "datetime64"),
        ([b"a"] * 24 + [b"b"] * 12, r"b'a' \(bytes\)"),
        (pd.Series([None, *CLASSES[1:]], dtype="string"), "row 0 has no class"),
    ],
    ids=["number and text", "objects", "bool and int", "times", "bytes", "NA"],
)
def test_classes_that_would_come_back_as_others_are_refused(y, names):
    with pytest.raises(ArgumentError, match=names):
        quick("ecfp_forest").fit(SMILES, y)


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"backbone": {"molecules": "gcn"}}, "molecules"),
        ({"backbone": None}, "backbone="),
        ({"options": "x"}, "options"),
        ({"valid_share": None}, "valid_share="),
        ({"device": "tpu"}, "tpu"),
        ({"random_state": 1.5}, "random_state"),
    ],
    ids=lambda one: str(one),
)
def test_a_parameter_of_the_wrong_kind_is_refused_in_a_sentence(wrong, names):
    with pytest.raises((ArgumentError, UsageError), match=names):
        quick(**wrong).fit(SMILES, CLASSES)


def test_a_prior_of_words_is_refused(fitted):
    model = pickle.loads(pickle.dumps(fitted)).set_params(prior=["a", "b"])
    with pytest.raises(ArgumentError, match="a share of each class"):
        model.predict(SMILES)


def test_options_are_numbers_of_numpy_and_jobs_more_than_cores():
    model = quick("ecfp_forest", options={"trees": np.int64(7)}, n_jobs=-1000)
    assert model.fit(SMILES, CLASSES).model_.card.method.options["trees"] == 7
    assert len(model.predict(SMILES)) == 36


def test_pandas_na_is_a_missing_molecule():
    column = pd.Series([pd.NA, *SMILES[1:]], dtype="string")
    with pytest.raises(ArgumentError, match=r"row 0 \(smiles: the text is empty\)"):
        quick("ecfp_forest").fit(column, CLASSES)


def test_probabilities_scores_and_classes_agree(fitted):
    probabilities = fitted.predict_proba(SMILES)
    assert probabilities.shape == (36, 2)
    assert probabilities.dtype == np.float64
    assert np.allclose(probabilities.sum(axis=1), 1)
    place = probabilities.argmax(axis=1)
    assert np.array_equal(fitted.predict(SMILES), fitted.classes_[place])
    assert np.array_equal(fitted.decision_function(SMILES) > 0, place == 1)
    three = quick("ecfp_forest").fit(
        [*SMILES, *["c1ccccc1", "Cc1ccccc1"] * 3], [*CLASSES, *"zzzzzz"]
    )
    assert three.decision_function(SMILES).shape == (36, 3)


def test_a_seed_repeats_bit_for_bit_and_another_does_not(fitted):
    again = clone(fitted).fit(SMILES, CLASSES)
    assert np.array_equal(again.predict_proba(SMILES), fitted.predict_proba(SMILES))
    other = clone(fitted).set_params(random_state=1).fit(SMILES, CLASSES)
    assert not np.array_equal(other.predict_proba(SMILES), fitted.predict_proba(SMILES))
    drawn = [
        quick(random_state=np.random.RandomState(3)).fit(SMILES, CLASSES).predict_proba(SMILES)
        for _ in range(2)
    ]
    assert np.array_equal(*drawn)


KEPT = ("balanced_softmax", "ecfp_forest", "calibrated_stack")
# Predicts by each model of each folder, after it was saved and after it was pickled.
ELSEWHERE = """
import pickle, sys
import numpy as np, pandas as pd, bench
frame = pd.DataFrame({"mol": sys.argv[1].split()})
for folder in sys.argv[2:]:
    loaded = bench.LongTailClassifier.load(folder + "/model")
    pickled = pickle.load(open(folder + "/model.pickle", "rb"))
    for name, model in (("loaded", loaded), ("pickled", pickled)):
        np.save(folder + f"/{name}.npy", model.predict_proba(frame))
        assert model.feature_names_in_.tolist() == ["mol"], model.feature_names_in_
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Models by method, and the folders to which one other process wrote what they predict."""
    frame = pd.DataFrame({"mol": SMILES})
    found = {}
    for method in KEPT:
        model = quick(method, prior="as-is").fit(frame, CLASSES)
        folder = tmp_path_factory.mktemp(method)
        model.save(folder / "model")
        (folder / "model.pickle").write_bytes(pickle.dumps(model))
        found[method] = model, folder
    root = Path(bench.__path__[0]).parent
    folders = [folder for _, folder in found.values()]
    command = [sys.executable, "-c", ELSEWHERE, " ".join(SMILES), *folders]
    subprocess.run(command, check=True, cwd=root)
    return found


@pytest.mark.parametrize("method", KEPT)
def test_a_pickle_and_a_saved_folder_predict_the_same_in_another_process(elsewhere, method):
    model, folder = elsewhere[method]
    frame = pd.DataFrame({"mol": SMILES})
    expected = model.predict_proba(frame)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict_proba(frame), expected)
    for name in ("loaded", "pickled"):
        assert np.array_equal(np.load(folder / f"{name}.npy"), expected)


def test_a_pickle_holds_files_of_a_model_and_no_network(fitted):
    state = fitted.__getstate__()
    assert {"card.json", "model.safetensors"} <= set(state["model_"])
    assert all(isinstance(content, bytes) for content in state["model_"].values())
    assert clone(fitted).__getstate__().keys() == fitted.get_params().keys()


def test_it_works_in_a_pipeline_and_in_cross_validation():
    take = FunctionTransformer(lambda frame: frame["smiles"])
    pipeline = make_pipeline(take, quick("ecfp_forest"))
    frame = pd.DataFrame({"smiles": SMILES, "other": range(36)})
    scores = cross_val_score(pipeline, frame, CLASSES, cv=3, scoring="balanced_accuracy")
    assert scores.shape == (3,)
    assert scores.mean() > 0.6


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_search_goes_over_methods_and_their_options(jobs):
    search = GridSearchCV(
        quick(),
        {"method": ["vanilla", "ecfp_forest", "cb[beta=0.9]"], "epochs": [1]},
        scoring="balanced_accuracy", cv=2, n_jobs=jobs, error_score="raise",
    )  # fmt: skip
    search.fit(SMILES, CLASSES)
    assert search.best_params_["method"] == "ecfp_forest"
    assert set(search.predict(SMILES)) == {"alcohol", "amine"}
    one = GridSearchCV(quick(), {"options": [{"beta": 0.9}]}, cv=2, error_score="raise")
    one.set_params(estimator__method="cb", estimator__epochs=1)
    assert one.fit(SMILES, CLASSES).best_estimator_.model_.card.method.options["beta"] == 0.9


BAD = [*SMILES[:3], "not a smiles", *SMILES[3:], None, ""]
OF_BAD = [*CLASSES[:3], "alcohol", *CLASSES[3:], "amine", "amine"]


def test_bad_molecules_are_named():
    with pytest.raises(ArgumentError, match=r"3 of 39 cannot: row 3 \(smiles: .*row 37.*skip"):
        quick("ecfp_forest").fit(BAD, OF_BAD)
    model = quick("ecfp_forest").fit(SMILES, CLASSES)
    with pytest.raises(ArgumentError, match="1 of 2 cannot: row 1"):
        model.predict(["CCO", "C1CC"])
    with pytest.raises(ValueError, match="bad='skip'"):
        model.predict_proba(["CCO", np.nan])


def test_bad_molecules_are_skipped_where_that_is_asked_for():
    model = quick("ecfp_forest", bad="skip")
    with pytest.warns(BenchWarning, match="3 of 39 cannot: row 3"):
        model.fit(BAD, OF_BAD)
    assert sum(model.model_.card.train_counts + model.model_.card.valid_counts) == 36
    plain = quick("ecfp_forest").fit(SMILES, CLASSES)
    asked = ["CCO", "C1CC", "CCN"]
    predicted = model.predict(asked)
    assert predicted.tolist()[1] is None
    assert np.array_equal(predicted[[0, 2]], plain.predict(["CCO", "CCN"]))
    probabilities = model.predict_proba(asked)
    assert np.isnan(probabilities[1]).all()
    assert np.array_equal(probabilities[[0, 2]], plain.predict_proba(["CCO", "CCN"]))
    assert np.isnan(model.decision_function(asked)).tolist() == [False, True, False]


def test_a_prior_is_bayes_rule_and_a_method_without_one_refuses_it(fitted):
    logits = fitted.model_.predict(fitted_entities(SMILES)).logits
    for prior in ("train", "equal", [0.2, 0.8]):
        model = pickle.loads(pickle.dumps(fitted)).set_params(prior=prior)
        given = prior if isinstance(prior, str) else np.array(prior)
        expected = fitted.model_.probabilities(logits, given)
        assert np.array_equal(model.predict_proba(SMILES), expected)
        assert np.array_equal(model.predict(SMILES), model.classes_[expected.argmax(axis=1)])
    for method, prior in (("balanced_softmax", "no"), ("mixup", "equal")):
        with pytest.raises(UsageError, match="prior"):
            quick(method, prior=prior).fit(SMILES, CLASSES).predict(SMILES)


def test_similarity_is_that_to_the_nearest_training_molecule():
    model = quick("ecfp_forest").fit(SMILES, CLASSES)
    found = model.nearest_similarity([SMILES[20], "c1ccncc1C(F)(F)F", "?"])
    assert found[0] == 1  # all long chains have the same fingerprint
    assert 0 <= found[1] < 0.3
    assert np.isnan(found[2])


def fitted_entities(smiles):
    from bench.dataset import Entity

    return (Entity("smiles", "molecule", smiles),)


def test_several_molecules_and_a_protein_are_columns():
    frame = pd.DataFrame(
        {"acid": SMILES, "base": SMILES[::-1], "target": ["MKTAYIAKQR", "GAVLIPFMW"] * 18}
    )
    model = quick(protein="target", backbone={"protein": "conjoint_triad"}, epochs=1)
    model.fit(frame, CLASSES)
    kinds = [(one.name, one.kind) for one in model.model_.card.inputs]
    assert kinds == [("acid", "molecule"), ("base", "molecule"), ("target", "protein")]
    assert model.predict_proba(frame).shape == (36, 2)
    assert model.feature_names_in_.tolist() == ["acid", "base", "target"]
    with pytest.raises(ArgumentError, match="2 features, but LongTailClassifier is expecting 3"):
        model.predict(frame[["acid", "base"]])
    with pytest.raises(ArgumentError, match="Expected the columns"):
        model.predict(frame[["base", "acid", "target"]])
    with pytest.raises(ArgumentError, match="protein="):
        quick(protein="tarjet").fit(frame, CLASSES)


@pytest.mark.parametrize(
    ("parameters", "x", "y", "error", "words"),
    [
        ({"method": "vanila"}, SMILES, CLASSES, UsageError, "vanilla"),
        ({"method": "cb[bta=1]"}, SMILES, CLASSES, UsageError, "beta"),
        ({"method": 3}, SMILES, CLASSES, ArgumentError, "method"),
        ({"backbone": "gnc"}, SMILES, CLASSES, UsageError, "gcn"),
        ({"epochs": 0}, SMILES, CLASSES, UsageError, "epochs"),
        ({"valid_share": 1.0}, SMILES, CLASSES, UsageError, "share"),
        ({"bad": "ignore"}, SMILES, CLASSES, ArgumentError, "bad="),
        ({}, SMILES, ["a"] * 36, ArgumentError, "two classes"),
        ({}, SMILES, CLASSES[:-1], ArgumentError, "36 samples and 35"),
        ({}, SMILES, None, ArgumentError, "requires y"),
        ({}, SMILES, [None, *CLASSES[1:]], ArgumentError, "row 0 has no class"),
        ({}, SMILES, np.linspace(0, 1, 36), ArgumentError, "continuous"),
        ({}, "CCO", ["a"], ArgumentError, "A single molecule is a list of one"),
        ({}, [], [], ArgumentError, "at least one sample"),
        ({}, [1.5] * 36, CLASSES, ArgumentError, "float 1.5 in row 0"),
        ({}, ["?"] * 36, CLASSES, ArgumentError, "36 of 36"),
    ],
)
def test_what_cannot_be_fitted_is_refused(parameters, x, y, error, words):
    with pytest.raises(error, match=words):
        quick(**parameters).fit(x, y)


def test_all_rows_bad_is_refused_though_bad_ones_are_skipped():
    with pytest.warns(BenchWarning), pytest.raises(ArgumentError, match="got none"):
        quick(bad="skip").fit(["?", "!"] * 10, ["a", "b"] * 10)


def test_what_is_not_fitted_predicts_and_saves_nothing(tmp_path):
    with pytest.raises(NotFittedError):
        quick().predict(SMILES)
    with pytest.raises(NotFittedError):
        quick().save(tmp_path / "model")


def test_a_folder_is_never_written_over_and_a_foreign_one_is_refused(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    with pytest.raises(ModelError, match="already"):
        fitted.save(tmp_path / "model")
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="Expected to write a model"):
        fitted.save(tmp_path / "file" / "model")
    with pytest.raises(ModelError):
        LongTailClassifier.load(tmp_path / "nothing")
    kept = tmp_path / "model" / "estimator.json"
    document = json.loads(kept.read_text())
    for damaged in ('"text"', "{", json.dumps({**document, "classes": ["a"]})):
        kept.write_text(damaged)
        with pytest.raises(ModelError):
            LongTailClassifier.load(tmp_path / "model")
    for foreign in ({"classes": document["classes"][::-1]}, {"dtype": "<U2"}):
        kept.write_text(json.dumps({**document, **foreign}))
        with pytest.raises(ModelError, match=r"estimator\.json"):
            LongTailClassifier.load(tmp_path / "model")
    kept.unlink()
    assert LongTailClassifier.load(tmp_path / "model").classes_.tolist() == ["alcohol", "amine"]


def test_a_loaded_model_is_cloned_as_it_was_made(tmp_path):
    made = quick("cb", options={"beta": 0.9}, backbone="gcn[layers=1]", valid_share=0.25)
    made.fit(SMILES, CLASSES).save(tmp_path / "model")
    (tmp_path / "model" / "estimator.json").unlink()
    again = clone(LongTailClassifier.load(tmp_path / "model")).fit(SMILES, CLASSES)
    assert np.array_equal(again.predict_proba(SMILES), made.predict_proba(SMILES))
    quick("ecfp_forest").fit(SMILES, CLASSES).save(tmp_path / "forest")
    (tmp_path / "forest" / "estimator.json").unlink()
    forest = LongTailClassifier.load(tmp_path / "forest")
    assert (forest.method, forest.backbone) == ("ecfp_forest[trees=30]", "gcn")


def test_pairs_of_a_model_of_the_command_line_are_told_apart(tmp_path):
    pairs = pd.DataFrame({"left": SMILES, "right": SMILES[::-1]})
    quick("ecfp_forest").fit(pairs, CLASSES).save(tmp_path / "model")
    (tmp_path / "model" / "estimator.json").unlink()
    model = LongTailClassifier.load(tmp_path / "model")
    assert model.predict(pairs).shape == model.predict(pairs.to_numpy()).shape
    with pytest.raises(ArgumentError, match="Expected the columns"):
        model.predict(pairs[["right", "left"]])


def test_what_is_skipped_draws_no_second_seed_and_has_no_score():
    drawn = {"bad": "skip", "random_state": np.random.RandomState(1)}
    whole = clone(quick("ecfp_forest", **drawn)).fit(SMILES, CLASSES)
    with pytest.warns(BenchWarning, match="row 36"):
        skipped = clone(quick("ecfp_forest", **drawn)).fit([*SMILES, "C1("], [*CLASSES, "amine"])
    assert whole.model_.card.seed == skipped.model_.card.seed
    model = quick("ecfp_forest", bad="skip").fit(SMILES, CLASSES)
    assert model.score(SMILES, CLASSES) > 0.5
    with pytest.raises(ArgumentError, match="1 of 37 cannot, such as row 36"):
        model.score([*SMILES, "C1("], [*CLASSES, "amine"])
    with pytest.raises(ArgumentError, match="bad='raise' or 'skip'"):
        model.set_params(bad="Skip").predict(SMILES)


def test_a_prior_of_pandas_is_kept(tmp_path):
    model = quick(prior=pd.Series([0.5, 0.5])).fit(SMILES, CLASSES)
    model.save(tmp_path / "model")
    assert LongTailClassifier.load(tmp_path / "model").prior == [0.5, 0.5]
