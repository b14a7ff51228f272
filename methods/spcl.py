"""Prototype contrast with a curriculum: samples near their class's centre come first."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from bench.data.batch import Batch
from bench.method import Method, register_method
from bench.models.network import Network
from bench.options import Choices, Options, Range

from .contrastive.queue import ClassQueue
from .losses.ldam import cosine_similarities
from .losses.spcl import prototype_contrastive_loss
from .ncm import class_means


class SPCLOptions(Options):
    """Settings of prototype contrast with a curriculum."""

    temperature: Annotated[float, Range(0.05, 0.5, "log")] = Field(
        0.1, gt=0, description="of the softmax over similarities"
    )
    queue: Annotated[int, Choices(64, 256)] = Field(
        256, ge=1, description="embeddings of a class whose mean is its prototype"
    )
    floor: Annotated[float, Range(0, 0.6)] = Field(
        0.3, ge=0, description="losses of the contrast that do not exceed this are dropped"
    )
    predict: Literal["head", "prototype"] = Field(
        "head", description="classify by the head, or by the nearest prototype"
    )


@register_method(
    "spcl",
    title="SPCL",
    group="extension",
    reference="Song et al., EMNLP 2022, arXiv 2210.08713",
)
class SPCL(Method):
    """Contrasts the samples of a batch and a prototype of each class, easy samples first.

    Formula: ``L = L_con + CE(head(e), y)``, the embedding e without gradient in the second term;
    ``L_con`` of :func:`.losses.spcl.prototype_contrastive_loss` on embeddings. A prototype is the
    mean of the last ``queue`` embeddings of its class, or of as many as it has samples; until there
    is one, the mean of the class. A sample's difficulty is its share
    ``dist(e, c_y) / sum_k dist(e, c_k)``, with ``dist = (1 - cos) / 2`` from class means c at the
    start of the epoch. In epoch e of E it is visited with probability
    ``s + (1 - 2 s) r / (N - 1)``, ``r`` its rank from the easiest, ``s = 1 - (e - 1) / E``: easy
    samples first, all alike halfway, hard ones in the end.

    Settings: ``temperature`` > 0, 0.1 here; ``queue``, 256; ``floor`` >= 0, 0.3; ``predict``.
    Cost: about vanilla's epoch: half of its samples, and one pass over the training set.

    When it helps: every class has at least one positive in every batch, its prototype. It is not
    balanced by class otherwise: compare it with a power of the prior chosen after training.

    What differs: a prototype is the mean of the queue, where the authors draw 64 of it each time,
    and the embedding is compared without a perceptron. They classify by the nearest class mean;
    ``predict`` prototype by the nearest prototype. With two classes there are two prototypes, and
    nothing else changes.
    """

    # Samples are compared with those beside them.
    contrastive = True
    options_type = SPCLOptions
    options: SPCLOptions
    ranks: Tensor
    present: Tensor
    prototypes: Tensor

    def setup(self) -> None:
        samples = len(self.context.labels)
        # From the easiest training sample to the hardest, by position in the training set.
        self.register_buffer("ranks", torch.arange(samples))
        self.register_buffer("present", self.context.class_counts > 0)

    def initialise(self, network: Network) -> None:
        weights, width = next(network.parameters()), network.embedding_features
        sizes = np.minimum(self.context.class_counts.numpy(), self.options.queue)
        self.queue = ClassQueue(sizes, width).to(weights)
        self.register_buffer("prototypes", weights.new_zeros(self.context.num_classes, width))

    @torch.no_grad()
    def begin_epoch(self, epoch: int, network: Network) -> None:
        view, num_classes = self.context.view, self.context.num_classes
        embeddings, labels = view.embeddings(network, "train"), view.labels("train")
        centres = class_means(embeddings, labels, num_classes)
        hardness = difficulties(embeddings, labels, centres, self.present)
        self.ranks = hardness.argsort(stable=True).argsort()
        self.prototypes.copy_(self._prototypes(centres))

    def sample_epoch(self, epoch: int) -> np.ndarray:
        rng = self.context.rng("order", epoch)
        ranks = self.ranks.cpu().numpy()
        kept = rng.random(len(ranks)) < keep_probabilities(ranks, epoch, self.context.epochs)
        # Of very few samples all may be left out.
        return rng.permutation(np.flatnonzero(kept if kept.any() else ~kept))

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        embeddings = network.encode(batch)
        contrast = prototype_contrastive_loss(
            embeddings,
            batch.labels,
            # Copies, as those of the next step are written over them.
            self.prototypes.clone(),
            self.present,
            temperature=self.options.temperature,
            floor=self.options.floor,
        )
        self.queue.push(embeddings, batch.labels, batch.positions)
        with torch.no_grad():
            self.prototypes.copy_(self._prototypes(self.prototypes))
        return contrast + self.loss(network.head(embeddings.detach()), batch.labels)

    def conclude(self, network: Network) -> None:
        self.queue.clear()

    def predict(self, network: Network, batch: Batch) -> Tensor:
        if self.options.predict == "head":
            return network(batch)
        scale = 2 * self.options.temperature
        logits = (1 + cosine_similarities(network.encode(batch), self.prototypes)) / scale
        # Lower than any other, which are 0 at least.
        return logits.masked_fill(~self.present, -1 / scale)

    def _prototypes(self, otherwise: Tensor) -> Tensor:
        """Means of the queue, (K, d); rows of `otherwise` for classes that it has none of."""
        num_classes = self.context.num_classes
        filled = self.queue.positions >= 0
        # Empty slots are of a class after the last.
        classes = torch.where(filled, self.queue.classes, num_classes)
        means = class_means(self.queue.embeddings, classes, num_classes + 1)[:num_classes]
        every_class = torch.arange(num_classes, device=classes.device)
        known = (classes[:, None] == every_class).any(dim=0)
        return torch.where(known[:, None], means, otherwise)


def difficulties(embeddings: Tensor, labels: Tensor, centres: Tensor, present: Tensor) -> Tensor:
    """Share of the own centre in a sample's distances from all, ``dist = (1 - cos) / 2``, (n,).

    `embeddings` is (n, d), `labels` (n,), `centres` (K, d), and `present` (K,) says which classes
    have one. 0 where a sample is at all of them.

    Examples
    --------
    >>> centres = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> present = torch.tensor([True, True])
    >>> difficulties(torch.tensor([[1.0, 1.0], [0.0, 2.0]]), torch.tensor([0, 1]), centres, present)
    tensor([0.5000, 0.0000])
    """
    cosines = cosine_similarities(embeddings, centres)
    distances = ((1 - cosines) / 2).clamp_min(0) * present
    own = distances.gather(1, labels[:, None])[:, 0]
    return own / distances.sum(dim=1).clamp_min(torch.finfo(distances.dtype).tiny)


def keep_probabilities(ranks: np.ndarray, epoch: int, epochs: int) -> np.ndarray:
    """``s + (1 - 2 s) r / (N - 1)`` with ``s = 1 - (e - 1) / E``, float64, (N,).

    Half of the samples are kept on average, in every epoch.

    Examples
    --------
    >>> keep_probabilities(np.arange(5), 1, 10)
    array([1.  , 0.75, 0.5 , 0.25, 0.  ])
    """
    easy = 1 - (epoch - 1) / epochs
    return easy + (1 - 2 * easy) * ranks / max(len(ranks) - 1, 1)
