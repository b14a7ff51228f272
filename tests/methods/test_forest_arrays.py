"""A forest taken apart and put together again, and what is no forest refused."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.ensemble import RandomForestClassifier

from bench.methods._forest_arrays import Forest
from bench.methods.ecfp_forest import _grown


def inputs_and_labels(classes):
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 3, (200, 20)).astype(np.float32)
    labels = (inputs[:, 0] + inputs[:, 1] + rng.integers(0, 2, 200)).astype(int) % classes
    return inputs, labels


@pytest.fixture(scope="module")
def forest():
    inputs, labels = inputs_and_labels(3)
    made = RandomForestClassifier(20, class_weight="balanced_subsample", random_state=0)
    return made.fit(inputs, labels), inputs


def taken_apart(made):
    return Forest.of(made.estimators_, made.classes_, made.n_features_in_).arrays()


def dense(made):
    """The arrays as they were at first: shares of every node and class."""
    arrays = taken_apart(made)
    states = [tree.tree_.__getstate__() for tree in made.estimators_]
    shares = np.concatenate([state["values"][:, 0, :] for state in states])
    del arrays["share_ends"], arrays["share_class"], arrays["share"]
    return {**arrays, "shares": np.where(arrays["left_child"][:, None] == -1, shares, 0.0)}


@pytest.mark.parametrize("arrays_of", [taken_apart, dense])
def test_the_same_probabilities_to_the_last_bit(forest, arrays_of):
    made, inputs = forest
    again = Forest.from_arrays(arrays_of(made))
    assert again.predict_proba(inputs).tobytes() == made.predict_proba(inputs).tobytes()
    sparse = again.predict_proba(csr_array(inputs[:7]))
    assert sparse.tobytes() == made.predict_proba(inputs[:7]).tobytes()
    assert again.classes.tolist() == made.classes_.tolist()
    assert again.predict_proba(inputs[:0]).shape == (0, 3)


@pytest.mark.parametrize("depth", [None, 2])
def test_leaves_of_many_classes_keep_all_their_shares(depth):
    inputs, labels = inputs_and_labels(7)
    made = RandomForestClassifier(3, max_depth=depth, random_state=0).fit(inputs, labels)
    arrays = taken_apart(made)
    assert (len(arrays["share"]) > (arrays["left_child"] == -1).sum()) == (depth == 2)
    again = Forest.from_arrays(arrays)
    assert again.predict_proba(inputs).tobytes() == made.predict_proba(inputs).tobytes()


def test_trees_grown_one_by_one_are_those_grown_together():
    inputs, labels = inputs_and_labels(3)
    sparse = csr_array(inputs)
    together = RandomForestClassifier(
        12, class_weight="balanced_subsample", n_jobs=1, random_state=5
    ).fit(sparse, labels)
    trees = _grown(12, sparse, labels, 5)
    found = Forest.of(trees, np.unique(labels), 20)
    expected = taken_apart(together)
    assert found.arrays().keys() == expected.keys()
    for name, array in found.arrays().items():
        assert np.array_equal(array, expected[name]), name
        assert array.dtype == expected[name].dtype


def test_a_tree_of_many_classes_takes_no_more_than_its_leaves():
    labels = np.arange(600).repeat(2)
    inputs = np.arange(1200, dtype=np.float32)[:, None]
    made = RandomForestClassifier(2, bootstrap=False, random_state=0).fit(inputs, labels)
    kept = sum(array.nbytes for array in taken_apart(made).values())
    assert kept < 50 * sum(tree.tree_.node_count for tree in made.estimators_)


def _first_inner(arrays):
    return int(np.flatnonzero(arrays["left_child"] >= 0)[0])


@pytest.mark.parametrize("value", [-5, 0, 10**6])
@pytest.mark.parametrize("name", ["left_child", "right_child"])
def test_nodes_that_lead_out_of_their_tree_are_refused(forest, name, value):
    arrays = taken_apart(forest[0])
    arrays[name][_first_inner(arrays)] = value
    with pytest.raises(ValueError, match="Expected"):
        Forest.from_arrays(arrays)


@pytest.mark.parametrize("value", [-1, 20])
def test_a_feature_that_is_none_is_refused(forest, value):
    arrays = taken_apart(forest[0])
    arrays["feature"][_first_inner(arrays)] = value
    with pytest.raises(ValueError, match="Expected"):
        Forest.from_arrays(arrays)


@pytest.mark.parametrize("value", [-1, 3])
def test_a_class_that_is_none_is_refused(forest, value):
    arrays = taken_apart(forest[0])
    arrays["share_class"][5] = value
    with pytest.raises(ValueError, match="Expected shares of the classes"):
        Forest.from_arrays(arrays)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a | {"share": a["share"][1:]},
        lambda a: a | {"share_class": a["share_class"][1:]},
        lambda a: a | {"share_ends": a["share_ends"][1:]},
        lambda a: a | {"share_ends": a["share_ends"][::-1].copy()},
        lambda a: a | {"share_ends": a["share_ends"] + 1},
        lambda a: a | {"share": a["share"].astype(np.float32)},
        lambda a: a | {"ends": a["ends"][:0]},
        lambda a: a | {"ends": a["ends"] - 1},
        lambda a: a | {"threshold": a["threshold"].astype(object)},
        lambda a: {name: array for name, array in a.items() if name != "feature"},
        lambda a: {name: array for name, array in a.items() if name != "share"},
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(forest, change):
    with pytest.raises(ValueError, match="Expected"):
        Forest.from_arrays(change(taken_apart(forest[0])))


@pytest.mark.parametrize("change", [lambda s: s[1:], lambda s: s[:, 0], lambda s: s > 0])
def test_shares_of_nodes_that_do_not_fit_are_refused(forest, change):
    arrays = dense(forest[0])
    with pytest.raises(ValueError, match="Expected"):
        Forest.from_arrays(arrays | {"shares": change(arrays["shares"])})
