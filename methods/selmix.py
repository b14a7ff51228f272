"""Fine-tuning on mixtures of those pairs of classes from which mean recall gains most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from bench.data.batch import Batch
from bench.method import Stage, register_method
from bench.models.network import Network
from bench.options import NotSearched, Options, Range

from ._pairs import pair_places
from ._posthoc import OnFirstStage
from .losses.selmix import mixing_gains, pair_shares, recall_slopes, row_normalised_confusion


class SelMixOptions(Options):
    """Settings of SelMix."""

    first_stage: Annotated[Literal["balanced_softmax", "vanilla"], NotSearched()] = Field(
        "balanced_softmax", description="run whose network is tuned"
    )
    share: Annotated[float, Range(0.1, 0.5)] = Field(
        0.3, gt=0, le=1, description="epochs of tuning, as a part of the run's"
    )
    least: Annotated[float, Range(0.5, 0.95)] = Field(
        0.6, ge=0, le=1, description="smallest share of the sample whose label counts; 1: no mixing"
    )
    temperature: Annotated[float, Range(0.01, 1, "log")] = Field(
        0.1, gt=0, description="of the shares of pairs; large: all that gain alike"
    )
    eta: Annotated[float, Range(0, 2)] = Field(
        0.0, ge=0, description="how much more small recalls count; 0: mean recall"
    )


@register_method(
    "selmix",
    title="SelMix",
    group="extension",
    reference="Ramasubramanian et al., ICLR 2024, openreview rxVBKhyfSo",
)
class SelMix(OnFirstStage):
    """Tunes a finished network on mixtures of pairs of classes that validation asks for.

    Formula: ``L = CE(W (b h_i + (1 - b) h_j) + c, y_i)``, ``h`` what enters the last layer,
    ``b ~ U(least, 1)`` for each pair. Classes of a pair are drawn by
    ``P_ij ~ exp(G_ij / (temperature mean |mu_k|^2))`` where ``G_ij > 0``; ``G_ij`` is the slope
    of mean recall along a step on that loss, from the confusion matrix and the class means
    ``mu_k`` of the validation set, afresh every epoch. Pairs follow the mean of these shares so
    far and of equal ones. Samples are uniform in their class.

    Settings: ``share`` in (0, 1], 0.3 here; ``least`` in [0, 1], 0.6; ``temperature`` > 0, 0.1;
    ``eta`` >= 0, 0: with more, the smallest recalls count more; ``first_stage``, balanced_softmax
    or vanilla. Cost: the first run (shared with that row) and 30 % of its epochs, each with twice
    as many samples and a look at the validation set, 0.8 to 0.9 of vanilla.

    When it helps: where some classes are still missed after the prior has been corrected. As long
    as validation is perfect, all pairs are alike. With two classes it is a choice among four pairs.

    What differs: labels of the validation set decide about the pairs and, as in every row, about
    the epoch, so its score is more flattering here than elsewhere. Of a class without validation
    samples the means are those of training, and all errors alike likely. The authors start from a
    network trained by logit adjustment. They renew P every 50 steps and use SGD at 3e-4; here it is
    once an epoch and the common optimiser, whose steps are larger, hence the mean over epochs:
    without it, two classes take turns in being predicted alone. Gains are divided by the size of
    the features, on which the temperature would depend otherwise. The released code uses ``mu_i``
    for the mixture in one place, and a confusion matrix that is right for balanced validation sets
    only.
    """

    options_type = SelMixOptions
    options: SelMixOptions
    pairs: Tensor

    @classmethod
    def requires(cls, options: Options) -> Mapping[str, str]:
        assert isinstance(options, SelMixOptions)
        return {"first_stage": options.first_stage}

    def setup(self) -> None:
        self.register_buffer("pairs", uniform_shares(self.context.class_counts > 0))
        self.visited, self.rng = 0, self.context.rng("shares")

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("mixing", self.options.share),)

    @torch.no_grad()
    def begin_epoch(self, epoch: int, network: Network) -> None:
        self.visited, self.rng = 0, self.context.rng("shares", epoch)
        view, classes = self.context.view, self.context.num_classes
        hidden = network.head.hidden(view.embeddings(network, "valid"))
        predicted = network.head.classifier(hidden).argmax(dim=1)
        labels = view.labels("valid")
        trained = self.context.class_counts > 0
        seen = torch.bincount(labels, minlength=classes).cpu() > 0
        means = _class_means(hidden, labels, classes)
        if (trained & ~seen).any():
            of_training = network.head.hidden(view.embeddings(network, "train"))
            others = _class_means(of_training, view.labels("train"), classes)
            means = torch.where(seen.to(means.device)[:, None], means, others)
        recalls = row_normalised_confusion(labels, predicted, classes)
        layer = network.head.classifier
        gains = mixing_gains(
            recall_slopes(recalls, eta=self.options.eta),
            means,
            layer.weight.double(),
            layer.bias.double(),
            least=self.options.least,
        )
        # A class of which nothing is known has mean 0, and so no part in any gain. Where all
        # features are 0, nothing gains.
        size = (means**2).sum() / int((trained | seen).sum())
        shares = pair_shares(
            gains / size,
            trained.to(means.device),
            temperature=self.options.temperature,
        )
        # The mean of all so far. Where one class alone gains, an epoch of its pairs would teach
        # the network to predict nothing else.
        self.pairs.lerp_(shares, 1 / (epoch + 1))

    def sample_epoch(self, epoch: int) -> np.ndarray:
        """Samples whose labels count and their partners, taking turns, (2n,)."""
        return draw_pairs(
            self.context.labels, self.pairs.cpu().numpy(), self.context.rng("pairs", epoch)
        ).reshape(-1)

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        hidden = network.head.hidden(network.encode(batch))
        first, second = pair_places(len(batch), self.visited, hidden.device)
        self.visited += len(batch)
        drawn = torch.from_numpy(self.rng.uniform(self.options.least, 1, size=(len(first), 1)))
        share = drawn.to(hidden, non_blocking=True)
        mixed = share * hidden[first] + (1 - share) * hidden[second]
        return cross_entropy(network.head.classifier(mixed), batch.labels[first])


def uniform_shares(possible: Tensor) -> Tensor:
    """Equal shares for all pairs of the classes that are possible, float64, (K, K).

    Examples
    --------
    >>> uniform_shares(torch.tensor([True, False]))
    tensor([[1., 0.],
            [0., 0.]], dtype=torch.float64)
    """
    shares = (possible[:, None] & possible).double()
    return shares / shares.sum()


def draw_pairs(labels: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions of n pairs of samples: their classes by `shares`, then any sample of each, (n, 2).

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    shares : ndarray, shape (K, K)
        Add up to 1; zero for every class that is not in `labels`.
    rng : Generator
    """
    counts = np.bincount(labels, minlength=len(shares))
    cells = rng.choice(shares.size, size=len(labels), p=shares.reshape(-1))
    classes = np.stack(np.divmod(cells, len(shares)), axis=1)
    by_class = np.argsort(labels, kind="stable")
    starts = np.cumsum(counts) - counts
    return by_class[starts[classes] + rng.integers(counts[classes])]


def _class_means(features: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Mean of each class, 0 for one without samples, float64, (K, d), of features (n, d)."""
    members = one_hot(labels, num_classes).double().T
    return members @ features.double() / members.sum(dim=1, keepdim=True).clamp_min(1)
