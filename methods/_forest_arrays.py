"""A random forest as plain arrays: what its predictions depend on, and nothing else.

scikit-learn keeps a number for every node and class. With hundreds of classes that is a hundred
megabytes a tree, nearly all of them zeros: a leaf rarely holds more than one class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.tree._tree import Tree

_LEAF = -1
# Of a node, what decides where a sample goes.
_OF_NODES = {
    "left_child": np.int32,
    "right_child": np.int32,
    "feature": np.int32,
    "threshold": np.float64,
}
_OF_SHARES = {"share_ends": np.int64, "share_class": np.int32, "share": np.float64}


@dataclass(frozen=True)
class Forest:
    """T trees with N nodes, one tree after the other, of K classes.

    Attributes
    ----------
    nodes : dict of str to ndarray
        ``left_child``, ``right_child``, ``feature`` and ``threshold`` of each node, the children
        counted from the first node of their tree, and ``share_ends``, the entries of the next two
        up to the end of those of each node. ``share_class`` and ``share`` are the classes of a
        leaf, in rising order, and their shares; other nodes have none.
    ends : ndarray of int64, shape (T,)
        Nodes up to the end of each tree.
    classes : ndarray, shape (K,)
        Labels of the classes.
    features : int
        Columns that the trees read.
    """

    nodes: Mapping[str, np.ndarray]
    ends: np.ndarray
    classes: np.ndarray
    features: int

    @classmethod
    def of(
        cls, trees: Iterable[DecisionTreeClassifier], classes: np.ndarray, features: int
    ) -> Forest:
        """The mean of `trees`, each fitted to the places of labels in `classes`.

        Trees are looked at one by one, so that they need not exist side by side. Every tree has
        seen all of the classes.
        """
        taken = [_taken(tree.tree_) for tree in trees]
        names = (*_OF_NODES, *_OF_SHARES)
        nodes = {name: np.concatenate([tree[name] for tree in taken]) for name in names}
        nodes["share_ends"] = np.cumsum(nodes["share_ends"])
        sizes = [len(tree["left_child"]) for tree in taken]
        return cls(nodes, np.cumsum(sizes, dtype=np.int64), np.asarray(classes), features)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Forest:
        """The forest that :meth:`arrays` describes; it predicts the same to the last bit.

        Raises
        ------
        ValueError
            The arrays are no forest: scikit-learn would follow them anywhere in memory.
        """
        if "shares" in arrays:  # of all nodes and classes, (N, K), as they were stored at first
            if arrays["shares"].ndim != 2:
                raise ValueError("Expected shares of nodes and classes in a forest.")
            arrays = {**arrays, **_sparse(arrays["shares"])}
            arrays["share_ends"] = np.cumsum(arrays["share_ends"])
        _require_forest(arrays)
        nodes = {name: arrays[name] for name in (*_OF_NODES, *_OF_SHARES)}
        return cls(nodes, arrays["ends"], arrays["classes"], int(arrays["features"]))

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it, as :meth:`from_arrays` takes it."""
        features = np.array(self.features, np.int64)
        return {**self.nodes, "ends": self.ends, "classes": self.classes, "features": features}

    def predict_proba(self, inputs: csr_array | np.ndarray) -> np.ndarray:
        """Class shares in the leaf of each row, averaged over the trees, float64, (n, K).

        To the last bit those of scikit-learn's forest, which adds up the same in the same order.

        Parameters
        ----------
        inputs : csr_array or ndarray of float32, shape (n, features)
        """
        shares = np.zeros((inputs.shape[0], len(self.classes)))
        for first, last in zip([0, *self.ends[:-1]], self.ends, strict=True):
            leaves = first + self._tree(first, last).apply(inputs)
            self._add_shares(shares, leaves)
        return shares / len(self.ends)

    def _add_shares(self, shares: np.ndarray, leaves: np.ndarray) -> None:
        """Add those of a leaf for each row of `shares`, (n, K), which may be zero."""
        ends = self.nodes["share_ends"]
        starts = np.where(leaves, ends[leaves - 1], 0)
        counts = ends[leaves] - starts
        rows = np.repeat(np.arange(len(leaves)), counts)
        # Entry after entry of each leaf: its first, and how far behind it.
        before = np.cumsum(counts) - counts
        entries = np.arange(len(rows)) + np.repeat(starts - before, counts)
        shares[rows, self.nodes["share_class"][entries]] += self.nodes["share"][entries]

    def _tree(self, first: int, last: int) -> Tree:
        """Nodes `first` to `last` as scikit-learn's, which finds the leaf of each row."""
        from sklearn.tree._tree import Tree

        tree = Tree(self.features, np.array([1], np.intp), 1)
        # Fields that are not kept, such as impurities and the depth, lead no row astray.
        filled = np.zeros(last - first, tree.__getstate__()["nodes"].dtype)
        for name in _OF_NODES:
            filled[name] = self.nodes[name][first:last]
        values = np.zeros((len(filled), 1, 1))
        tree.__setstate__(
            {"max_depth": 0, "node_count": len(filled), "nodes": filled, "values": values}
        )
        return tree


def _taken(tree: Tree) -> dict[str, np.ndarray]:
    """What is kept of a tree; ``share_ends`` are counts, still to be added up."""
    state = tree.__getstate__()
    nodes = {name: state["nodes"][name].astype(kind) for name, kind in _OF_NODES.items()}
    leaves = np.flatnonzero(nodes["left_child"] == _LEAF)
    found = _sparse(state["values"][leaves, 0, :])
    counts = np.zeros(len(nodes["left_child"]), np.int64)
    counts[leaves] = found["share_ends"]
    return {**nodes, **found, "share_ends": counts}


def _sparse(shares: np.ndarray) -> dict[str, np.ndarray]:
    """Counts of the classes above 0 in each row of `shares` (n, K), and these."""
    rows, classes = np.nonzero(shares)
    return {
        "share_ends": np.bincount(rows, minlength=len(shares)),
        "share_class": classes.astype(np.int32),
        "share": shares[rows, classes],
    }


def _require_forest(arrays: Mapping[str, np.ndarray]) -> None:
    for name, kind in {**_OF_NODES, **_OF_SHARES, "ends": np.int64}.items():
        if name not in arrays or arrays[name].dtype != kind:
            raise ValueError(f"Expected {name} of {np.dtype(kind)} in a forest.")
    ends, features = arrays["ends"], int(arrays["features"])
    left, right = arrays["left_child"], arrays["right_child"]
    sizes = np.diff(ends, prepend=0)
    if ends.ndim != 1 or not len(ends) or (sizes < 1).any():
        raise ValueError("Expected trees of one node or more in a forest.")
    if any(arrays[name].shape != (ends[-1],) for name in (*_OF_NODES, "share_ends")):
        raise ValueError("Expected as many nodes in a forest as its trees have.")
    own = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
    inside, leaves = np.repeat(sizes, sizes), left == _LEAF
    behind = (left > own) & (right > own) & (left < inside) & (right < inside)
    known = (arrays["feature"] >= 0) & (arrays["feature"] < features)
    if not np.where(leaves, right == _LEAF, behind & known).all():
        raise ValueError("Expected nodes that lead on to nodes of their tree.")
    _require_shares(arrays)


def _require_shares(arrays: Mapping[str, np.ndarray]) -> None:
    ends, classes = arrays["share_ends"], arrays["share_class"]
    shape = (ends[-1],)
    if (np.diff(ends, prepend=0) < 0).any() or classes.shape != shape:
        raise ValueError("Expected as many shares in a forest as its nodes have.")
    if arrays["share"].shape != shape or arrays["classes"].ndim != 1:
        raise ValueError("Expected as many shares in a forest as its nodes have.")
    if ((classes < 0) | (classes >= len(arrays["classes"]))).any():
        raise ValueError("Expected shares of the classes of a forest.")
