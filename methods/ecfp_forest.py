"""Control without a network: a random forest on circular fingerprints."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field
from torch import Tensor

from bench.method import Context, Estimator, Samples, log_shares, register_method
from bench.options import Choices, NotSearched, Options, Range

from ._fingerprint_features import Combine, FingerprintFeatures
from ._forest_arrays import Forest
from ._posthoc import PRIOR_POWERS, choose_tau, posthoc_log_prior

# scikit-learn and SciPy take a while to import and are imported where they are used.
if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from sklearn.tree import DecisionTreeClassifier


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
    combine: Annotated[Combine, NotSearched()] = Field(
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
    Cost: a minute or two and up to a gigabyte of memory for two classes, more with many: about 45
    minutes for 134,000 pairs of drugs in 83 classes. Epochs do not count; no GPU.

    When it helps: it is a control. On HIV it is level with the best graph networks here, and far
    below them without the choice of ``tau``.

    What differs: nothing is new here but the choice of ``tau``, which every row that selects on
    validation could make.
    """

    options_type = EcfpForestOptions
    options: EcfpForestOptions

    def __init__(self, options: EcfpForestOptions, context: Context) -> None:
        super().__init__(options, context)
        # Each distinct molecule once, whatever part of the data it is in.
        fingerprint = context.fingerprints(options.radius, options.bits)
        self._features = FingerprintFeatures(
            fingerprint, options.bits, options.combine, presence=True
        )
        self._tau = 0.0

    def fit(self, train: Samples, valid: Samples) -> None:
        self._features.learn_categories(train)
        seed = int(self.context.rng("forest").integers(2**31))
        self._forest = self._fitted(self._features(train), train.labels, seed)
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
        return {
            "forest": self._forest.arrays(),
            "tau": np.array(self._tau),
            **self._features.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._forest = Forest.from_arrays(state["forest"])
        self._tau = float(state["tau"])
        self._features.load_state(state)

    def _fitted(self, features: csr_array, labels: np.ndarray, seed: int) -> Forest:
        """The forest, of `features` (n, D) and `labels` (n,)."""
        trees = _grown(self.options.trees, features, labels, seed)
        return Forest.of(trees, np.unique(labels), features.shape[1])

    def implied_log_prior(self) -> Tensor | None:
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
        votes[:, self._forest.classes] += trees * self._forest.predict_proba(
            self._features(samples)
        )
        return np.log(votes / (trees + 1))


def _grown(
    trees: int, features: csr_array, labels: np.ndarray, seed: int
) -> Iterator[DecisionTreeClassifier]:
    """Trees of scikit-learn's forest, one by one: with many classes each is large."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        class_weight="balanced_subsample", n_jobs=1, random_state=seed, warm_start=True
    )
    columns = features.tocsc()
    for grown in range(1, trees + 1):
        with warnings.catch_warnings():
            # That weights of a bootstrap are not those of other data, which there are none of.
            warnings.filterwarnings("ignore", "class_weight presets", UserWarning)
            forest.set_params(n_estimators=grown).fit(columns, labels)
        yield forest.estimators_[-1]
        # That a tree is there is all that the forest looks at when it grows another.
        forest.estimators_[-1] = None
