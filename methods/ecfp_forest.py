"""Control without a network: a random forest on circular fingerprints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field
from torch import Tensor

from bench.data.morgan import SparseRow
from bench.method import Context, Estimator, Samples, log_shares, register_method
from bench.models.conjoint_triad import NUM_TRIADS, conjoint_triads
from bench.options import Choices, NotSearched, Options, Range

from ._forest_arrays import arrays_of_forest, forest_of_arrays
from ._posthoc import PRIOR_POWERS, choose_tau, posthoc_log_prior

# scikit-learn and SciPy take a while to import and are imported where they are used.
if TYPE_CHECKING:
    from scipy.sparse import csr_array


class EcfpForestOptions(Options):
    """Settings of the forest and its fingerprints."""

    trees: Annotated[int, Range(100, 1000, "log")] = Field(
        300, ge=1, le=100_000, description="number of trees"
    )
    radius: Annotated[int, Range(1, 3)] = Field(
        2, ge=0, le=10, description="bonds around an atom that a fragment spans"
    )
    bits: Annotated[int, Choices(1024, 2048, 4096)] = Field(
        2048, ge=16, le=65_536, description="length of a fingerprint"
    )
    combine: Annotated[Literal["difference", "concatenate"], NotSearched()] = Field(
        "difference", description="two molecules: second minus first, or side by side"
    )
    tune: bool = Field(True, description="choose the power of the prior on validation")


@register_method(
    "ecfp_forest",
    title="ECFP forest",
    group="control",
    reference="Rogers and Hahn, J. Chem. Inf. Model. 2010, 10.1021/ci100050t (fingerprints); "
    "Breiman, Machine Learning 45 (2001), 10.1023/A:1010933404324 (forest)",
)
class EcfpForest(Estimator):
    """What a chemist would try first: Morgan fingerprints and a random forest.

    Formula: ``z = log p - tau log pi``, ``p`` the mean over the trees with one more tree that
    knows nothing, ``pi`` the class shares in training; ``tau`` is the one of -1, -0.95, ..., 3
    with the best balanced accuracy on validation, of equals the nearest to 0. Trees weight
    classes inversely to their counts in the tree's own bootstrap.

    One molecule: which fragments it has. Two: how often each fragment, second molecule minus
    first, so that in a reaction what stays cancels. More: counts side by side. Beside them the
    conjoint triads of proteins and one column for each category seen in training.

    Settings: ``trees`` 300, ``radius`` 2, ``bits`` 2,048, ``combine``, ``tune``.
    Cost: a minute or two and up to a gigabyte of memory, whatever the number of epochs; no GPU.

    When it helps: it is a control. On HIV it is level with the best graph networks here, and far
    below them without the choice of ``tau``.

    What differs: nothing is new here but the choice of ``tau``, which every row that selects on
    validation could make.
    """

    options_type = EcfpForestOptions
    options: EcfpForestOptions

    def __init__(self, options: EcfpForestOptions, context: Context) -> None:
        super().__init__(options, context)
        # Each distinct molecule and protein once, whatever part of the data it is in.
        self._fingerprint = context.fingerprints(options.radius, options.bits)
        self._triads = cache(_triads)
        self._categories: dict[str, dict[str, int]] = {}
        self._tau = 0.0

    def fit(self, train: Samples, valid: Samples) -> None:
        from sklearn.ensemble import RandomForestClassifier

        self._categories = {
            entity.name: {name: place for place, name in enumerate(sorted(set(entity.values)))}
            for entity in train.entities
            if entity.kind == "category"
        }
        self._forest = RandomForestClassifier(
            self.options.trees,
            class_weight="balanced_subsample",
            n_jobs=1,
            random_state=int(self.context.rng("forest").integers(2**31)),
        )
        self._forest.fit(self._features(train), train.labels)
        if self.options.tune:
            scores = self._log_probabilities(valid)
            self._tau = choose_tau(
                PRIOR_POWERS,
                lambda tau: scores - tau * self._log_prior,
                valid.labels,
                self.context.num_classes,
            )

    def report(self) -> Mapping[str, Any]:
        return {"tau": self._tau}

    def state(self) -> Mapping[str, Any]:
        categories = {
            f"categories of {name}": np.array(list(places), str)
            for name, places in self._categories.items()
        }
        return {
            "forest": arrays_of_forest(self._forest), "tau": np.array(self._tau), **categories,
        }  # fmt: skip

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._forest = forest_of_arrays(state["forest"])
        self._tau = float(state["tau"])
        self._categories = {
            name.removeprefix("categories of "): {
                category: place for place, category in enumerate(categories.tolist())
            }
            for name, categories in state.items()
            if name.startswith("categories of ")
        }

    def implied_log_prior(self) -> Tensor:
        # Trees are grown until their leaves hold one class, and the weight of a class moves only
        # where a tree splits: so its votes are as frequent as its samples, less what tau takes
        # off. Samples of several classes that no fragment tells apart are the exception.
        return log_shares((1 - self._tau) * self.context.log_counts)

    def logits(self, samples: Samples) -> np.ndarray:
        return self._log_probabilities(samples) - self._tau * self._log_prior

    @property
    def _log_prior(self) -> np.ndarray:
        return posthoc_log_prior(self.context.class_counts).numpy()

    def _log_probabilities(self, samples: Samples) -> np.ndarray:
        """Logarithms of class probabilities, (n, K); one more tree votes for all classes alike."""
        num_classes, trees = self.context.num_classes, self.options.trees
        votes = np.full((len(samples.entities[0].values), num_classes), 1 / num_classes)
        votes[:, self._forest.classes_] += trees * self._forest.predict_proba(
            self._features(samples)
        )
        return np.log(votes / (trees + 1))

    def _features(self, samples: Samples) -> csr_array:
        """What the forest reads, (n, D)."""
        from scipy.sparse import hstack

        blocks = self._of_molecules(samples)
        for entity in samples.entities:
            if entity.kind == "protein":
                blocks.append(_stack([self._triads(text) for text in entity.values], NUM_TRIADS))
            elif entity.kind == "category":
                blocks.append(_one_hot(entity.values, self._categories[entity.name]))
        return hstack(blocks, format="csr", dtype=np.float32)

    def _of_molecules(self, samples: Samples) -> list[csr_array]:
        """Blocks of columns for a sample's molecules, of which there may be none."""
        counts = [
            _stack([self._fingerprint(smiles) for smiles in entity.values], self.options.bits)
            for entity in samples.entities
            if entity.kind == "molecule"
        ]
        if len(counts) == 1:
            return [counts[0].sign()]
        if len(counts) == 2 and self.options.combine == "difference":
            return [counts[1] - counts[0]]
        return counts


def _row(entries: Mapping[int, float]) -> SparseRow:
    return SparseRow(
        np.fromiter(entries.keys(), np.int32, len(entries)),
        np.fromiter(entries.values(), np.float32, len(entries)),
    )


def _triads(sequence: str) -> SparseRow:
    triads = conjoint_triads(sequence)
    places = np.flatnonzero(triads)
    return SparseRow(places.astype(np.int32), triads[places])


def _one_hot(names: Sequence[str], places: Mapping[str, int]) -> csr_array:
    """One column for each category of the training part; zeros for one that is not there."""
    known = [{places[name]: 1.0} if name in places else {} for name in names]
    return _stack([_row(entries) for entries in known], len(places))


def _stack(rows: Sequence[SparseRow], width: int) -> csr_array:
    """The rows one below the other, float32, shape (len(rows), width)."""
    from scipy.sparse import csr_array

    ends = np.cumsum([0, *(len(row.places) for row in rows)], dtype=np.int32)
    return csr_array(
        (
            np.concatenate([row.values for row in rows]),
            np.concatenate([row.places for row in rows]),
            ends,
        ),
        shape=(len(rows), width),
    )
