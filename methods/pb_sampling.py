"""Progressively balanced sampling in one joint training."""

from __future__ import annotations

import numpy as np

from bench.method import Method, register_method

from .sampling import draw_by_shares, progressive_shares


@register_method(
    "pb_sampling",
    title="PB sampling",
    group="extension",
    reference="Kang et al., ICLR 2020, arXiv 1910.09217",
)
class ProgressivelyBalancedSampling(Method):
    """Samples as the data has them at first and as many of each class at the end.

    Formula: ``p_k = (1 - t) n_k / N + t / K`` with ``t = epoch / epochs``; an epoch is N draws with
    replacement, a class by ``p``, then any sample of it.

    Settings: none. Cost: as vanilla.

    When it helps: a gentler form of class-balanced sampling, which repeats rare samples from the
    start. As weights are chosen by balanced accuracy, a late epoch usually wins.

    What differs: nothing of the formula. ImDrug calls this row "Decoupling", though its encoder
    and head train together throughout; it visits each sample once in the first epoch.
    """

    def sample_epoch(self, epoch: int) -> np.ndarray:
        counts = self.context.class_counts.numpy()
        shares = progressive_shares(counts, progress=epoch / self.context.epochs)
        labels = self.context.labels
        return draw_by_shares(labels, shares, len(labels), self.context.rng("order", epoch))
