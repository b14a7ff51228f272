"""Sharpness-aware minimisation for the samples of tail classes alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.func import functional_call

from bench.data.batch import Batch
from bench.method import Method, register_method
from bench.models.network import Network
from bench.options import Options, Range

from .losses.imbsam import Parameters, head_and_tail_losses, sharpness_aware_tail, tail_classes


class ImbSAMOptions(Options):
    """Settings of ImbSAM."""

    rho: Annotated[float, Range(0.01, 0.5, "log")] = Field(
        0.05, ge=0, description="how far weights are moved against the tail; 0: not at all"
    )
    ratio: Annotated[float, Range(0.5, 4, "log")] = Field(
        1.0, ge=0, description="weight of the tail's loss"
    )
    eta: Annotated[float, Range(0.1, 4, "log")] = Field(
        1.0, ge=0, description="tail: classes of less than this times N / K samples; 0: none"
    )


@register_method(
    "imbsam",
    title="ImbSAM",
    group="extension",
    reference="Zhou et al., ICCV 2023, arXiv 2308.07815",
)
class ImbSAM(Method):
    """Looks for weights around which the loss of the tail is flat.

    Formula: ``L = H(w) + ratio S(w + eps)``, ``eps = rho grad S(w) / |grad S(w)|``; H and S are
    the parts of the mean cross-entropy that fall to head and tail, the tail being classes with
    ``n_k < eta N / K``. Prediction is ``argmax z``.

    Settings: ``rho`` >= 0, 0.05 here; ``ratio`` >= 0, 1; ``eta`` >= 0, 1. With ``rho`` 0 and
    ``ratio`` 1, or ``eta`` 0, this is vanilla; with ``ratio`` 1 and ``eta`` above K ordinary SAM.
    Cost: a second pass and a second gradient for every step, 2.4 to 3 times vanilla.

    When it helps: where the tail is learned by heart; nothing corrects the prior, so balanced
    accuracy stays near vanilla's without a choice of the threshold.

    What differs: the authors call classes of less than 20 samples (CIFAR-100-LT) the tail, which
    leaves two-class sets without one; here the bound is relative to the mean class. Their code
    counts the tail twice without mention; here ``ratio`` is 1. Batch statistics move in the first
    pass alone.
    """

    options_type = ImbSAMOptions
    options: ImbSAMOptions
    tail: Tensor

    def setup(self) -> None:
        counts = self.context.class_counts
        tail = tail_classes(counts, eta=self.options.eta)
        self.register_buffer("tail", tail)
        self.has_tail = bool((tail & (counts > 0)).any())

    def training_step(self, network: Network, batch: Batch) -> Tensor:
        if not self.has_tail:
            return super().training_step(network, batch)
        losses = head_and_tail_losses(network(batch), batch.labels, self.tail)
        # A forward pass writes to the running statistics of batch normalisation.
        copies = {name: buffer.clone() for name, buffer in network.named_buffers()}

        def tail_loss(parameters: Parameters) -> Tensor:
            logits = functional_call(network, {**parameters, **copies}, (batch,))
            return head_and_tail_losses(logits, batch.labels, self.tail)[1]

        return sharpness_aware_tail(
            losses,
            dict(network.named_parameters()),
            tail_loss,
            rho=self.options.rho,
            ratio=self.options.ratio,
        )
