"""Class-dependent temperatures: logits of rare classes are divided in training only."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.method import Method, register_method
from bench.options import Options, Range

from .losses.cdt import cdt_loss, class_temperatures


class ClassDependentTemperaturesOptions(Options):
    """Settings of class-dependent temperatures."""

    gamma: Annotated[float, Range(0.05, 0.4)] = Field(
        0.2, ge=0, description="0: vanilla; published searches end at 0.4"
    )


@register_method(
    "cdt",
    title="CDT",
    group="paper",
    reference="Ye et al., 2020, arXiv 2001.01385",
)
class ClassDependentTemperatures(Method):
    """Makes rare classes earn larger logits by dividing theirs in training.

    Formula: ``L = CE(z / a, y)``, ``a_k = (n_max / n_k)^gamma``; prediction is ``argmax z``.

    Settings: ``gamma`` >= 0, 0.2 here, from the first epoch. The authors tune it for every data
    set (up to 0.4 on CIFAR-10), so a fair row chooses it on validation. Cost: as vanilla.

    When it helps: with many classes. Adding the same number to all logits changes this loss but
    no prediction, so with two classes the last layer's biases can absorb most of the effect.

    What differs: nothing of the formula. ImDrug starts in the second epoch.
    """

    options_type = ClassDependentTemperaturesOptions
    options: ClassDependentTemperaturesOptions
    temperatures: Tensor

    def setup(self) -> None:
        counts = self.context.class_counts
        self.register_buffer("temperatures", class_temperatures(counts, gamma=self.options.gamma))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cdt_loss(logits, labels, self.temperatures)
