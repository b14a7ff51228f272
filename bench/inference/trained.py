"""A model that has been trained, and what it says of new samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from scipy.special import softmax

from bench.data.similarity import fingerprints_of, nearest_similarity
from bench.dataset import Entity
from bench.errors import ModelError, UsageError
from bench.inference.card import Card
from bench.inference.predictors import Learned, Predictor, make_predictor, threads_of_runs
from bench.inference.samples import NewSamples, read_samples

# Of a fingerprint of 2,048 bits.
_WORDS = 32

Prior = Literal["train", "equal", "as-is"]


@dataclass(frozen=True)
class Prediction:
    """What a model says of n samples.

    Attributes
    ----------
    logits : ndarray, shape (n, K)
        Rows of NaN where a sample cannot be read.
    problems : tuple of str or None
        Why, in the order of the rows.
    similarity : ndarray, shape (n,), or None
        As :meth:`TrainedModel.nearest_similarity` has it, where it was asked for.
    """

    logits: np.ndarray
    problems: tuple[str | None, ...]
    similarity: np.ndarray | None = None


class TrainedModel:
    """A model that predicts.

    Parameters
    ----------
    card : Card
    learned : Learned
    members : mapping of str to TrainedModel
        Of an ensemble, by role.

    Raises
    ------
    ModelError
        What was kept does not fit the method as it is here.
    """

    def __init__(
        self,
        card: Card,
        learned: Learned,
        members: Mapping[str, TrainedModel] | None = None,
    ) -> None:
        self.members = dict(members or {})
        self.learned = learned
        own = {role: member.predictor for role, member in self.members.items()}
        with threads_of_runs():
            self.predictor: Predictor = make_predictor(card, learned, own)
            implied = self.predictor.implied_log_prior()
        self.card = card.model_copy(
            update={"implied_log_prior": None if implied is None else tuple(implied.tolist())}
        )

    def predict(
        self, entities: Sequence[Entity], *, jobs: int = 1, nearest: bool = False
    ) -> Prediction:
        """Logits of new samples; one that cannot be read keeps its place.

        Samples are computed in batches of up to 4,096, and the last bits of a sample's logits
        depend on its batch: the same samples in the same order give the same bits.

        Parameters
        ----------
        entities : sequence of Entity
            The model's inputs as text, n values each, in the order of the card.
        jobs : int
            Processes that parse molecules; the result does not depend on it.
        nearest : bool
            Whether similarity to the training molecules is asked for as well.

        Raises
        ------
        ModelError
            The inputs are not those of the model.
        """
        samples = read_samples(entities, self.card, jobs=jobs)
        found = np.empty((0, self.card.num_classes))
        if len(samples.rows):
            with threads_of_runs():
                found = self.predictor.logits(samples.prepared)
        logits = np.full((len(samples.problems), self.card.num_classes), np.nan, found.dtype)
        logits[samples.rows] = found
        similarity = self._nearest(samples, jobs) if nearest else None
        return Prediction(logits, samples.problems, similarity)

    def probabilities(self, logits: np.ndarray, prior: Prior | np.ndarray = "as-is") -> np.ndarray:
        """Class probabilities, float64, (n, K), where classes are as frequent as `prior` says.

        By Bayes' rule ``softmax(logits - log implied prior + log prior)``; rows of NaN stay.

        Parameters
        ----------
        logits : ndarray, shape (n, K)
        prior : {"train", "equal", "as-is"} or ndarray, shape (K,)
            Class shares, up to a factor; ``as-is`` is the softmax of the logits.

        Raises
        ------
        UsageError
            The prior is none, or the logits are no posterior under a known prior.
        """
        logits = logits.astype(np.float64)
        if isinstance(prior, str) and prior == "as-is":
            return softmax(logits, axis=1)
        implied = self.card.implied_log_prior
        if implied is None:
            raise UsageError(
                f"Expected a method whose logits are those of a known prior, but "
                f"{self.card.method.label!r} is none: its probabilities can be given as they are "
                "only. Leave the prior out, or choose another method, such as balanced_softmax."
            )
        with np.errstate(divide="ignore"):
            log_prior = np.log(self._shares(prior))
        return softmax(logits - np.array(implied) + log_prior, axis=1)

    def nearest_similarity(self, entities: Sequence[Entity], *, jobs: int = 1) -> np.ndarray | None:
        """Highest Tanimoto similarity of each sample to a training sample, float64, (n,).

        Of Morgan fingerprints, radius 2, 2,048 bits; of samples with several molecules the last
        one's. NaN where a sample cannot be read; None where the model keeps no fingerprints.
        """
        return self._nearest(read_samples(entities, self.card, jobs=jobs), jobs)

    def save(self, folder: Path, beside: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Keep the model in a new folder, with files `beside` it by name, whole or not at all.

        Raises
        ------
        ModelError
            There is something already, or it cannot be written.
        """
        from bench.inference.folder import write_model

        write_model(self, folder, beside)

    def _nearest(self, samples: NewSamples, jobs: int) -> np.ndarray | None:
        known = self._fingerprints()
        if known is None:
            return None
        similarity = np.full(len(samples.problems), np.nan)
        if len(samples.rows):
            asked = fingerprints_of(samples.prepared, jobs=jobs)
            similarity[samples.rows] = nearest_similarity(asked, known)
        return similarity

    def _fingerprints(self) -> np.ndarray | None:
        own = self.learned.training.get("fingerprints")
        # What compares them is compiled and goes by this shape.
        if own is not None and (own.dtype != np.uint64 or own.shape[1:] != (_WORDS,)):
            raise ModelError(
                f"Expected fingerprints of {_WORDS} words of 64 bits in the model, but got shape "
                f"{own.shape} of {own.dtype}. The folder is damaged: fit the model again."
            )
        of_members = (member._fingerprints() for member in self.members.values())
        return own if own is not None else next((f for f in of_members if f is not None), None)

    def _shares(self, prior: str | np.ndarray) -> np.ndarray:
        classes = self.card.num_classes
        if isinstance(prior, str):
            if prior not in ("train", "equal"):
                raise UsageError(f"Expected the prior train, equal or as-is, but got {prior!r}.")
            shares = np.array(self.card.train_counts) if prior == "train" else np.ones(classes)
        else:
            shares = np.asarray(prior, np.float64)
        usable = shares.shape == (classes,) and np.isfinite(shares).all() and (shares >= 0).all()
        if not usable or not shares.any():
            raise UsageError(
                f"Expected a prior of {classes} shares, one a class, none below 0 and one above, "
                f"but got {np.array2string(shares, threshold=6)}."
            )
        # Their largest first, as the sum of finite shares may be infinite.
        shares = shares / shares.max()
        return shares / shares.sum()
