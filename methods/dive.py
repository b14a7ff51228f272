"""Distillation of virtual examples from a balanced teacher."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from bench.data.batch import Batch
from bench.method import Method, register_method
from bench.models.network import Network
from bench.options import Options, Range

from .losses.balanced_softmax import balanced_softmax_loss, log_prior
from .losses.distillation import distillation_loss


class DiveOptions(Options):
    """Settings of DIVE."""

    temperature: Annotated[float, Range(1, 5)] = Field(
        2.0, gt=0, le=100, description="divides both networks' logits"
    )
    power: Annotated[float, Range(0.25, 1)] = Field(
        0.5, ge=0, le=10, description="of the teacher's distribution; 1: not flattened, 0: uniform"
    )
    alpha: Annotated[float, Range(0.1, 0.9)] = Field(
        0.5, ge=0, le=1, description="share of the distillation term"
    )
    base: Literal["balanced_softmax", "cross_entropy"] = Field(
        "balanced_softmax", description="loss against the labels"
    )


@register_method(
    "dive",
    title="DIVE",
    group="paper",
    reference="He, Wu and Wei, ICCV 2021, arXiv 2103.15042",
)
class Dive(Method):
    """A fresh network learns from the labels and from a frozen teacher's flattened predictions.

    Formula: ``L = alpha T^2 KL(r || softmax(s / T)) + (1 - alpha) base(s, y)`` with
    ``r ~ softmax(t / T)^q``, ``s`` and ``t`` the logits of student and teacher.

    Settings: ``temperature`` T > 0, 2 here; ``power`` q >= 0, 0.5; ``alpha`` in [0, 1], 0.5;
    ``base``. Cost: a balanced-softmax run as the teacher (shared with that row), then vanilla
    and a forward pass of the teacher at each step.

    When it helps: where tail classes resemble head classes, so that a flattened prediction for a
    head sample is worth something to the tail.

    What differs: the teacher is the best validation epoch of the ``balanced_softmax`` run of the
    same seed and split; the original takes its last epoch. ImDrug distils without flattening
    (``power`` 1) onto a class-balanced focal base, and its teacher shares the student's encoder
    and so is not frozen; ``dive[power=1.0,base=cross_entropy]`` is the nearest sound relative.
    """

    options_type = DiveOptions
    options: DiveOptions
    log_priors: Tensor
    teacher: Teacher

    @classmethod
    def requires(cls, options: Options) -> Mapping[str, str]:
        return {"teacher": "balanced_softmax"}

    def setup(self) -> None:
        self.register_buffer("log_priors", log_prior(self.context.class_counts))

    def initialise(self, network: Network) -> None:
        self.teacher = Teacher(network, self.context.runs["teacher"].network_state)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.options.base == "cross_entropy":
            return cross_entropy(logits, labels)
        return balanced_softmax_loss(logits, labels, self.log_priors)

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        logits = network(batch)
        distilled = distillation_loss(
            logits,
            self.teacher.logits(batch),
            temperature=self.options.temperature,
            power=self.options.power,
        )
        alpha = self.options.alpha
        return alpha * distilled + (1 - alpha) * self.loss(logits, batch.labels)


class Teacher:
    """A frozen network in evaluation mode, on the device and in the precision of `like`.

    Not a module, so that the method that holds it neither trains nor saves it.
    """

    def __init__(self, like: Network, state: Mapping[str, Tensor]) -> None:
        self.network = copy.deepcopy(like)
        self.network.load_state_dict(state)
        self.network.eval()

    @torch.no_grad()
    def logits(self, batch: Batch) -> Tensor:
        """Logits of `batch`, shape (B, K)."""
        return self.network(batch)
