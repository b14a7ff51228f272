"""A random forest as plain arrays, and back: what its predictions depend on, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier

_LEAF = -1
# Of a node, what decides where a sample goes.
_OF_NODES = {
    "left_child": np.int32,
    "right_child": np.int32,
    "feature": np.int32,
    "threshold": np.float64,
}


def arrays_of_forest(forest: RandomForestClassifier) -> dict[str, np.ndarray]:
    """The nodes of all trees, one after the other, and what leads to class shares.

    Returns
    -------
    dict of str to ndarray
        ``left_child``, ``right_child``, ``feature`` and ``threshold`` of each of N nodes, the
        children counted from the first node of their tree; ``shares`` of the leaves, float64,
        (N, K); ``ends``, int64, the nodes up to the end of each tree; ``classes``, ``features``.
    """
    states = [tree.tree_.__getstate__() for tree in forest.estimators_]
    shares = np.concatenate([state["values"][:, 0, :] for state in states])
    nodes = {
        name: np.concatenate([state["nodes"][name] for state in states]).astype(kind)
        for name, kind in _OF_NODES.items()
    }
    return {
        **nodes,
        # Samples come to rest in leaves; without the others' shares a file is half as large.
        "shares": np.where(nodes["left_child"][:, None] == _LEAF, shares, 0.0),
        "ends": np.cumsum([state["node_count"] for state in states], dtype=np.int64),
        "classes": np.asarray(forest.classes_),
        "features": np.array(forest.n_features_in_, np.int64),
    }


def forest_of_arrays(arrays: Mapping[str, np.ndarray]) -> RandomForestClassifier:
    """The forest that :func:`arrays_of_forest` took apart; it predicts the same to the last bit.

    Raises
    ------
    ValueError
        The arrays are no forest: scikit-learn would follow them anywhere in memory.
    """
    _require_forest(arrays)
    ends, features = arrays["ends"].tolist(), int(arrays["features"])
    trees = [
        _tree({name: arrays[name][first:last] for name in (*_OF_NODES, "shares")}, features)
        for first, last in zip([0, *ends], ends, strict=False)
    ]
    return forest_of_trees(trees, arrays["classes"], features)


def forest_of_trees(
    trees: Sequence[DecisionTreeClassifier], classes: np.ndarray, features: int
) -> RandomForestClassifier:
    """A forest that predicts the mean of `trees`, fitted to the places of labels in `classes`.

    `features` is the number of columns that they read. Every tree has seen all of the classes.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(len(trees), n_jobs=1)
    _as_fitted(forest, classes, features)
    forest.estimators_ = list(trees)
    return forest


def _tree(nodes: Mapping[str, np.ndarray], features: int) -> DecisionTreeClassifier:
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.tree._tree import Tree

    shares = np.ascontiguousarray(nodes["shares"][:, None, :])
    classes = shares.shape[2]
    inner = Tree(features, np.array([classes], np.intp), 1)
    # Fields that are not kept, such as impurities, decide no prediction.
    filled = np.zeros(len(shares), inner.__getstate__()["nodes"].dtype)
    for name in _OF_NODES:
        filled[name] = nodes[name]
    inner.__setstate__(
        {"max_depth": _depth(nodes), "node_count": len(shares), "nodes": filled, "values": shares}
    )
    tree = DecisionTreeClassifier()
    _as_fitted(tree, np.arange(classes), features)
    tree.tree_ = inner
    return tree


def _as_fitted(
    model: RandomForestClassifier | DecisionTreeClassifier, classes: np.ndarray, features: int
) -> None:
    model.classes_, model.n_classes_ = classes, len(classes)
    model.n_outputs_, model.n_features_in_ = 1, features


def _depth(nodes: Mapping[str, np.ndarray]) -> int:
    """Steps from the root to the deepest leaf; children stand behind their parents."""
    depth = np.zeros(len(nodes["left_child"]), np.int64)
    left, right = nodes["left_child"].tolist(), nodes["right_child"].tolist()
    for node, children in enumerate(zip(left, right, strict=True)):
        if children[0] != _LEAF:
            depth[list(children)] = depth[node] + 1
    return int(depth.max())


def _require_forest(arrays: Mapping[str, np.ndarray]) -> None:
    for name, kind in {**_OF_NODES, "shares": np.float64, "ends": np.int64}.items():
        if name not in arrays or arrays[name].dtype != kind:
            raise ValueError(f"Expected {name} of {np.dtype(kind)} in a forest.")
    ends, features, shares = arrays["ends"], int(arrays["features"]), arrays["shares"]
    left, right = arrays["left_child"], arrays["right_child"]
    sizes = np.diff(ends, prepend=0)
    if ends.ndim != 1 or not len(ends) or (sizes < 1).any():
        raise ValueError("Expected trees of one node or more in a forest.")
    if shares.shape != (ends[-1], len(arrays["classes"])) or any(
        arrays[name].shape != (ends[-1],) for name in _OF_NODES
    ):
        raise ValueError("Expected as many nodes in a forest as its trees have.")
    own = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
    inside, leaves = np.repeat(sizes, sizes), left == _LEAF
    behind = (left > own) & (right > own) & (left < inside) & (right < inside)
    known = (arrays["feature"] >= 0) & (arrays["feature"] < features)
    if not np.where(leaves, right == _LEAF, behind & known).all():
        raise ValueError("Expected nodes that lead on to nodes of their tree.")
