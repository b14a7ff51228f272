"""LightGBM's trees as plain arrays, and back: what predictions depend on, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

# Of a node, what decides where a sample goes. A child below 0 is the leaf ~child.
_OF_NODES = {
    "split_feature": np.int32,
    "threshold": np.float64,
    "decision_type": np.int8,
    "left_child": np.int32,
    "right_child": np.int32,
}
# LightGBM's bits of a decision: by category, missing goes left, and two for what is missing.
_CATEGORICAL, _DECISIONS = 1, 12
_QUIET = "parameters:\n[verbosity: -1]\nend of parameters\n"


def arrays_of_booster(text: str) -> dict[str, np.ndarray]:
    """The nodes and leaves of all trees, one tree after the other.

    Parameters
    ----------
    text : str
        A model as LightGBM writes it, of trees that split by numbers.

    Returns
    -------
    dict of str to ndarray
        ``split_feature``, ``threshold``, ``decision_type``, ``left_child`` and ``right_child`` of
        each node, children counted within their tree; ``leaf_value``; ``leaves``, int64, of each
        tree, which has one node less; ``scores``, how many trees a round has; ``features``.
    """
    header, *trees = [dict(_fields(part)) for part in _parts(text)]
    found = {
        name: np.concatenate(
            [np.array(tree.get(name, "").split(), np.float64).astype(kind) for tree in trees]
        )
        for name, kind in {**_OF_NODES, "leaf_value": np.float64}.items()
    }
    return {
        **found,
        "leaves": np.array([int(tree["num_leaves"]) for tree in trees], np.int64),
        "scores": np.array(int(header["num_tree_per_iteration"]), np.int64),
        "features": np.array(int(header["max_feature_idx"]) + 1, np.int64),
    }


def booster_of_arrays(arrays: Mapping[str, np.ndarray]) -> Any:
    """The booster that :func:`arrays_of_booster` took apart; its scores are those before any link.

    Raises
    ------
    ValueError
        The arrays are no trees: LightGBM would follow them anywhere in memory.
    """
    from lightgbm import Booster

    _require_trees(arrays)
    return Booster(model_str=_text(arrays))


def _parts(text: str) -> Iterator[str]:
    """The header and each tree of a model."""
    body, _, _ = text.partition("\nend of trees")
    return iter(body.split("\n\nTree="))


def _fields(part: str) -> Iterator[tuple[str, str]]:
    for line in part.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            yield name, value


def _text(arrays: Mapping[str, np.ndarray]) -> str:
    features, scores = int(arrays["features"]), int(arrays["scores"])
    names = " ".join(f"c{place}" for place in range(features))
    header = {
        "version": "v4",
        "num_class": scores,
        "num_tree_per_iteration": scores,
        "label_index": 0,
        "max_feature_idx": features - 1,
        "feature_names": names,
        "feature_infos": " ".join(["none"] * features),
    }
    trees, node, leaf = [], 0, 0
    for number, leaves in enumerate(arrays["leaves"].tolist()):
        nodes = {name: arrays[name][node : node + leaves - 1] for name in _OF_NODES}
        own = {
            "num_leaves": leaves,
            "num_cat": 0,
            **{name: _numbers(values) for name, values in nodes.items() if leaves > 1},
            "leaf_value": _numbers(arrays["leaf_value"][leaf : leaf + leaves]),
            "shrinkage": 1,
        }
        trees.append(f"Tree={number}\n{_lines(own)}\n")
        node, leaf = node + leaves - 1, leaf + leaves
    return "\n".join([f"tree\n{_lines(header)}", *trees, "end of trees\n", _QUIET])


def _lines(fields: Mapping[str, Any]) -> str:
    return "".join(f"{name}={value}\n" for name, value in fields.items())


def _numbers(values: np.ndarray) -> str:
    # The shortest text from which the very same number is read.
    return " ".join(map(repr, values.tolist()))


def _require_trees(arrays: Mapping[str, np.ndarray]) -> None:
    kinds = {**_OF_NODES, "leaf_value": np.float64, "leaves": np.int64}
    for name, kind in kinds.items():
        if name not in arrays or arrays[name].dtype != kind or arrays[name].ndim != 1:
            raise ValueError(f"Expected {name} of {np.dtype(kind)} in boosted trees.")
    leaves, features, scores = arrays["leaves"], int(arrays["features"]), int(arrays["scores"])
    if not len(leaves) or (leaves < 1).any() or scores < 1 or len(leaves) % scores:
        raise ValueError("Expected rounds of trees of one leaf or more.")
    nodes = int((leaves - 1).sum())
    if len(arrays["leaf_value"]) != leaves.sum() or any(
        len(arrays[name]) != nodes for name in _OF_NODES
    ):
        raise ValueError("Expected as many nodes and leaves as boosted trees have.")
    # An infinite threshold parts what is missing from all numbers.
    if np.isnan(arrays["threshold"]).any() or not np.isfinite(arrays["leaf_value"]).all():
        raise ValueError("Expected numbers as thresholds and values of boosted trees.")
    inside = np.repeat(leaves - 1, leaves - 1)
    own = np.arange(nodes) - np.repeat(np.cumsum(leaves - 1) - (leaves - 1), leaves - 1)
    for name in ("left_child", "right_child"):
        child = arrays[name].astype(np.int64)
        # A tree of L leaves has L - 1 nodes, and nodes stand behind their parents.
        if not np.where(child < 0, ~child <= inside, (child > own) & (child < inside)).all():
            raise ValueError("Expected nodes that lead on to nodes or leaves of their tree.")
    used, decisions = arrays["split_feature"], arrays["decision_type"]
    if (used < 0).any() or (used >= features).any():
        raise ValueError("Expected nodes of boosted trees that split by a column that there is.")
    if ((decisions < 0) | (decisions >= _DECISIONS) | (decisions & _CATEGORICAL > 0)).any():
        raise ValueError("Expected nodes of boosted trees that split by numbers.")
