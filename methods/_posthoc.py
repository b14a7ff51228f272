"""Methods that depend on the finished vanilla run, choosing on validation what is not trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import Tensor

from bench.method import Method, Stage
from bench.metrics import balanced_accuracy
from bench.models.network import Network
from bench.options import Options

from .losses.balanced_softmax import log_prior

# Powers of the prior to choose from. Below 0 for a classifier that favours the tail.
PRIOR_POWERS = tuple(step / 20 for step in range(-20, 61))


class OnFirstStage(Method):
    """Starts from the weights of a finished run with the same data, split, seed and budget."""

    def initialise(self, network: Network) -> None:
        network.load_state_dict(self.context.runs["first_stage"].network_state)


class OnVanilla(OnFirstStage):
    """Starts from the weights of the vanilla run."""

    @classmethod
    def requires(cls, options: Options) -> Mapping[str, str]:
        return {"first_stage": "vanilla"}


class PostHoc(OnVanilla):
    """Changes how the vanilla run predicts and trains nothing."""

    def stages(self) -> tuple[Stage, ...]:
        return ()


def posthoc_log_prior(class_counts: Tensor) -> Tensor:
    """``log(n_k / N)``, float64, shape (K,), to take from the logits of a trained classifier.

    A class without training samples counts as one with a single sample: its logit means nothing,
    and with a smaller prior it would win every prediction.

    Examples
    --------
    >>> import torch
    >>> posthoc_log_prior(torch.tensor([9, 1, 0])).exp()
    tensor([0.8182, 0.0909, 0.0909], dtype=torch.float64)
    """
    return log_prior(class_counts.clamp_min(1))


def choose_tau(
    taus: Sequence[float],
    logits: Callable[[float], np.ndarray],
    labels: np.ndarray,
    num_classes: int,
) -> float:
    """The tau whose predictions have the highest balanced accuracy.

    Parameters
    ----------
    taus : sequence of float
        Of equally good ones the nearest to 0 is taken, the positive one of two.
    logits : callable
        Given tau, the logits of the validation set, shape (n, K).
    labels : ndarray of int64, shape (n,)
    num_classes : int
        K.

    Examples
    --------
    At 0 both samples go to class 0; from 0.5 on each goes to its own.

    >>> z = np.array([[3.0, 0.0], [0.4, 0.0]])
    >>> choose_tau([0, 0.5, 1], lambda tau: z - [tau, 0], np.array([0, 1]), 2)
    0.5
    """

    def preference(tau: float) -> tuple[float, float, float]:
        score = balanced_accuracy(labels, logits(tau).argmax(axis=1), num_classes)
        return score, -abs(tau), tau

    return max(taus, key=preference)
