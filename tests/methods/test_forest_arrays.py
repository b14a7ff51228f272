"""A forest taken apart and put together again, and what is no forest refused."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from bench.methods._forest_arrays import arrays_of_forest, forest_of_arrays


@pytest.fixture(scope="module")
def forest():
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 3, (200, 20)).astype(np.float32)
    labels = (inputs[:, 0] + inputs[:, 1] + rng.integers(0, 2, 200)).astype(int) % 3
    made = RandomForestClassifier(20, class_weight="balanced_subsample", random_state=0)
    return made.fit(inputs, labels), inputs


def test_the_same_probabilities_to_the_last_bit(forest):
    made, inputs = forest
    again = forest_of_arrays(arrays_of_forest(made))
    assert again.predict_proba(inputs).tobytes() == made.predict_proba(inputs).tobytes()
    assert again.classes_.tolist() == made.classes_.tolist()


def _first_inner(arrays):
    return int(np.flatnonzero(arrays["left_child"] >= 0)[0])


@pytest.mark.parametrize("value", [-5, 0, 10**6])
@pytest.mark.parametrize("name", ["left_child", "right_child"])
def test_nodes_that_lead_out_of_their_tree_are_refused(forest, name, value):
    arrays = arrays_of_forest(forest[0])
    arrays[name][_first_inner(arrays)] = value
    with pytest.raises(ValueError, match="Expected"):
        forest_of_arrays(arrays)


@pytest.mark.parametrize("value", [-1, 20])
def test_a_feature_that_is_none_is_refused(forest, value):
    arrays = arrays_of_forest(forest[0])
    arrays["feature"][_first_inner(arrays)] = value
    with pytest.raises(ValueError, match="Expected"):
        forest_of_arrays(arrays)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a | {"shares": a["shares"][1:]},
        lambda a: a | {"ends": a["ends"][:0]},
        lambda a: a | {"ends": a["ends"] - 1},
        lambda a: a | {"threshold": a["threshold"].astype(object)},
        lambda a: {name: array for name, array in a.items() if name != "feature"},
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(forest, change):
    with pytest.raises(ValueError, match="Expected"):
        forest_of_arrays(change(arrays_of_forest(forest[0])))
