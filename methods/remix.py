"""Remix: mixup whose labels lean to the smaller class."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from bench.method import register_method
from bench.options import Range

from .losses.remix import remix_label_shares
from .mixup import Mixup, MixupOptions


class RemixOptions(MixupOptions):
    """Settings of Remix."""

    kappa: Annotated[float, Range(1.5, 6)] = Field(
        3.0, ge=1, description="how many times larger a class must be to yield"
    )
    tau: Annotated[float, Range(0.1, 1)] = Field(
        0.5, ge=0, le=1, description="largest share of a sample that may lose its label; 0: mixup"
    )


@register_method(
    "remix",
    title="Remix",
    group="extension",
    reference="Chou et al., ECCV Workshops 2020, arXiv 2007.03943",
)
class Remix(Mixup):
    """Mixup, but a small part of a large class mixed into a small class does not count.

    Formula: mixup, with the label share of sample i, partner j, 0 if ``n_i / n_j >= kappa`` and
    ``lam < tau``, 1 if ``n_j / n_i >= kappa`` and ``1 - lam < tau``, else ``lam``.

    Settings: ``alpha`` >= 0, 1 here; ``kappa`` >= 1, 3; ``tau`` in [0, 1], 0.5. Cost: as vanilla.

    When it helps: moves boundaries towards the large classes, mildly: it acts only on pairs of
    classes that differ ``kappa`` times, and the share of such pairs is small when the tail is.

    What differs: embeddings are mixed, see :class:`.mixup.Mixup`. Label shares belong to
    samples, as in the paper; ImDrug multiplies their effect onto the mean loss of the batch.
    """

    options_type = RemixOptions
    options: RemixOptions
    class_counts: Tensor

    def setup(self) -> None:
        super().setup()
        self.register_buffer("class_counts", self.context.class_counts)

    def label_shares(self, lam: float, labels: Tensor, partner_labels: Tensor) -> Tensor:
        return remix_label_shares(
            lam,
            self.class_counts[labels],
            self.class_counts[partner_labels],
            kappa=self.options.kappa,
            tau=self.options.tau,
        )
