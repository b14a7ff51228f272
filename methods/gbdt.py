"""Gradient-boosted trees of LightGBM on fingerprints and descriptors."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field
from scipy.special import log_expit, log_softmax
from torch import Tensor

from bench.data.descriptors import NAMES
from bench.method import Context, Estimator, Samples, log_shares, register_method
from bench.metrics import balanced_accuracy
from bench.options import Choices, NotSearched, Options, Range

from ._boosted_arrays import arrays_of_booster, booster_of_arrays
from ._fingerprint_features import Combine, FingerprintFeatures, combined
from ._posthoc import PRIOR_POWERS, choose_tau, posthoc_log_prior

# LightGBM and SciPy's arrays take a while to import and are imported where they are used.
if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


_log = logging.getLogger(__name__)

# What a tree of so many leaves takes while it is trained and written, as measured.
_TREE_BYTES, _TREE_LEAVES = 20_000, 31


class GbdtOptions(Options):
    """Settings of the trees and of what they read."""

    learning_rate: Annotated[float, Range(0.02, 0.2, "log")] = Field(
        0.05, gt=0, le=1, description="how much of a tree is added"
    )
    leaves: Annotated[int, Range(15, 127, "log")] = Field(
        31, ge=2, le=4096, description="leaves of a tree, at most"
    )
    leaf_samples: Annotated[int, Range(5, 50, "log")] = Field(
        20, ge=1, description="samples in a leaf, at least"
    )
    feature_share: Annotated[float, Range(0.1, 1.0)] = Field(
        0.3, gt=0, le=1, description="part of the columns that a tree may use, drawn for each"
    )
    balance: Annotated[float, Range(0.0, 1.0)] = Field(
        0.5, ge=0, le=1, description="power of the weights that make up for class sizes"
    )
    rounds: Annotated[int, Range(300, 3000, "log")] = Field(
        1000, ge=1, le=100_000, description="rounds of boosting, at most"
    )
    patience: Annotated[int, Range(50, 200, "log")] = Field(
        100, ge=1, description="rounds without a better balanced accuracy on validation, to stop"
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
    "gbdt",
    title="LightGBM",
    group="peer",
    reference="Ke et al., NeurIPS 2017, LightGBM: a highly efficient gradient boosting decision "
    "tree; Rogers and Hahn, J. Chem. Inf. Model. 2010, 10.1021/ci100050t (fingerprints)",
)
class Gbdt(Estimator):
    """Boosted trees on counts of circular fragments and RDKit's descriptors.

    Formula: cross-entropy in which class k weighs ``(N / (K n_k))^balance``, minimised by trees
    that are added one after the other; of the rounds the first with the best balanced accuracy on
    validation. Then ``z = log p - tau log pi``, ``pi`` the class shares in training and ``tau``
    chosen on validation as in ``ecfp_forest``.

    One molecule: counts of 2,048 fragments and 130 descriptors. Two: those of the second minus
    those of the first. More: side by side. Beside them the conjoint triads of proteins and one
    column for each category seen in training.

    Settings: ``learning_rate`` 0.05, ``leaves`` 31, ``leaf_samples`` 20, ``feature_share`` 0.3,
    ``balance`` 0.5, ``rounds`` 1,000, ``patience`` 100, ``radius`` 2, ``bits`` 2,048, ``combine``,
    ``tune``. The epochs of the benchmark do not count.
    Cost: 10 to 20 seconds on one core for two classes and 30,000 samples; no GPU. Of more classes
    a round grows a tree each: with 100 and 6,000 samples a round takes a second. A tree takes 20 kB
    of memory: of 600 classes and 1,000 rounds, if nothing stops it before, hours and 12 GB, so that
    ``rounds`` must be small there. Descriptors are computed once a data set, 5 ms a molecule.

    When it helps: it is a peer, which shows what the tool that people use gives on these splits.

    What differs: LightGBM knows neither a choice of the round by balanced accuracy nor ``tau``;
    both are chosen on validation alone. A class without training samples has one even share of a
    single sample.
    """

    needs = {"lightgbm": "pip install '.[peers]'"}  # noqa: RUF012
    options_type = GbdtOptions
    options: GbdtOptions

    def __init__(self, options: GbdtOptions, context: Context) -> None:
        super().__init__(options, context)
        # Each distinct molecule once, whatever part of the data it is in.
        fingerprint = context.fingerprints(options.radius, options.bits)
        self._sparse = FingerprintFeatures(
            fingerprint, options.bits, options.combine, presence=False
        )
        self._describe = context.descriptors()
        self._tau, self._rounds = 0.0, 0
        # None where there is a single class. The booster is always made of these arrays, so that
        # one read from a file predicts alike.
        self._trees: dict[str, np.ndarray] | None = None

    def fit(self, train: Samples, valid: Samples) -> None:
        self._sparse.learn_categories(train)
        self._classes = np.unique(train.labels)
        if len(self._classes) > 1:
            self._boost(train, valid)
        if self.options.tune:
            scores = self._log_probabilities(valid)
            self._tau = choose_tau(
                PRIOR_POWERS,
                lambda tau: scores - tau * self._log_prior,
                valid.labels,
                self.context.num_classes,
            )

    def report(self) -> Mapping[str, Any]:
        return {"tau": self._tau, "best_round": self._rounds}

    def state(self) -> Mapping[str, Any]:
        return {
            **({} if self._trees is None else {"trees": self._trees}),
            "classes": self._classes,
            "best round": np.array(self._rounds),
            "tau": np.array(self._tau),
            **self._sparse.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._tau, self._rounds = float(state["tau"]), int(state["best round"])
        self._sparse.load_state(state)
        self._classes = np.array(state["classes"], np.int64)
        if not np.isin(self._classes, np.arange(self.context.num_classes)).all():
            raise ValueError("Expected trees of classes that the data has.")
        if "trees" in state:
            self._take(state["trees"])

    def implied_log_prior(self) -> Tensor:
        # In all, class k weighs n_k^(1 - balance) in training; tau then takes more off.
        return log_shares((1 - self.options.balance - self._tau) * self.context.log_counts)

    def logits(self, samples: Samples) -> np.ndarray:
        return self._log_probabilities(samples) - self._tau * self._log_prior

    @property
    def _log_prior(self) -> np.ndarray:
        return posthoc_log_prior(self.context.class_counts).numpy()

    def _boost(self, train: Samples, valid: Samples) -> None:
        """Train, and keep the trees up to the best round."""
        import lightgbm

        known, places = np.unique(train.labels, return_inverse=True)
        counts = np.bincount(places)
        _warn_of_memory(self.options, len(known))
        parameters = boosting_parameters(
            self.options, len(known), int(self.context.rng("trees").integers(2**31))
        )
        train_set = lightgbm.Dataset(
            self._features(train),
            label=places,
            weight=((len(places) / (len(known) * counts)) ** self.options.balance)[places],
            params=parameters,
        )
        # Labels of validation are compared in `scored`, as LightGBM knows only those of training.
        valid_set = train_set.create_valid(
            self._features(valid), label=np.zeros(len(valid.labels)), params=parameters
        )

        def scored(probabilities: np.ndarray, _: Any) -> tuple[str, float, bool]:
            found = known[_likeliest(probabilities)]
            score = balanced_accuracy(valid.labels, found, self.context.num_classes)
            return "balanced accuracy", score, True

        booster = lightgbm.train(
            parameters,
            train_set,
            self.options.rounds,
            valid_sets=[valid_set],
            feval=scored,
            callbacks=[lightgbm.early_stopping(self.options.patience, verbose=False)],
        )
        self._rounds = booster.best_iteration
        self._take(arrays_of_booster(booster.model_to_string(num_iteration=self._rounds)))

    def _take(self, trees: dict[str, np.ndarray]) -> None:
        self._trees, self._booster = trees, booster_of_arrays(trees)

    def _log_probabilities(self, samples: Samples) -> np.ndarray:
        """Logarithms of class probabilities, (n, K), as the trees were trained."""
        count, num_classes = len(samples.entities[0].values), self.context.num_classes
        unseen = -np.log(num_classes * (len(self.context.labels) + 1))
        found = np.full((count, num_classes), unseen)
        found[:, self._classes] = self._of_trees(samples)
        return found

    def _of_trees(self, samples: Samples) -> np.ndarray:
        """As :meth:`_log_probabilities`, of the classes seen in training."""
        if self._trees is None:
            return np.zeros((len(samples.entities[0].values), 1))
        scores = self._booster.predict(self._features(samples), raw_score=True, num_threads=1)
        if len(self._classes) == 2:
            return np.stack([log_expit(-scores), log_expit(scores)], axis=1)
        return log_softmax(scores, axis=1)

    def _features(self, samples: Samples) -> csr_matrix:
        """What the trees read, (n, D); NaN where RDKit has no descriptor."""
        from scipy.sparse import csr_matrix, hstack

        tables = [
            np.array([self._describe(smiles) for smiles in entity.values], np.float32).reshape(
                -1, len(NAMES)
            )
            for entity in samples.entities
            if entity.kind == "molecule"
        ]
        tables = combined(tables, self.options.combine)
        return csr_matrix(hstack([self._sparse(samples), *tables], format="csr", dtype=np.float32))


def _warn_of_memory(options: GbdtOptions, classes: int) -> None:
    """Say it where the trees of all rounds would take more memory than this machine has."""
    of_a_round = (classes if classes > 2 else 1) * _TREE_BYTES * options.leaves / _TREE_LEAVES
    there = _memory_bytes()
    if options.rounds * of_a_round > there:
        _log.warning(
            "gbdt grows a tree for each of %d classes a round: %d rounds would take about %.0f GB "
            "of memory, but this machine has %.0f. Unless it stops before, it will run out: set "
            "gbdt[rounds=%d] or fewer.",
            classes, options.rounds, options.rounds * of_a_round / 1e9, there / 1e9,
            max(1, int(there / 2 / of_a_round)),
        )  # fmt: skip


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def boosting_parameters(options: GbdtOptions, classes: int, seed: int) -> dict[str, Any]:
    """What LightGBM is told, besides its rounds."""
    task: dict[str, Any] = (
        {"objective": "binary"}
        if classes == 2
        else {"objective": "multiclass", "num_class": classes}
    )
    return {
        **task,
        "metric": "none",
        "learning_rate": options.learning_rate,
        "num_leaves": options.leaves,
        "min_data_in_leaf": options.leaf_samples,
        "feature_fraction": options.feature_share,
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def _likeliest(probabilities: np.ndarray) -> np.ndarray:
    """The place of the likeliest class, (n,), from LightGBM's (n,) for two or (n, C) for more."""
    if probabilities.ndim == 1:
        return (probabilities > 0.5).astype(np.int64)
    return probabilities.argmax(axis=1)
