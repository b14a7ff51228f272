"""Time split: trained on the past, tested on what came last."""

from __future__ import annotations

import numpy as np

from bench.data.splits._assign import part_sizes
from bench.data.splits._dates import ranks_of
from bench.errors import SplitError
from bench.split import Samples, Split, Splitter, register_split


@register_split(
    "time",
    title="Time",
    reference="Sheridan, J. Chem. Inf. Model. 2013, 53, 783, doi:10.1021/ci400084k",
    needs=("dates",),
)
class TimeSplit(Splitter):
    """70 / 10 / 20 by date: the oldest train, the newest are tested.

    Equal dates stay together, so that sizes are as near as whole dates allow. Dates are YYYY,
    YYYY-MM or YYYY-MM-DD, with a time of day or without, or else numbers that rise with time. A
    date that is less exact counts as its beginning, a time without a zone as UTC. Rows without a
    date (empty, NaN, NA, N/A, null or a spreadsheet's error) are in no set. The sets are the same
    for every seed.
    """

    same_test = True

    def split(self, samples: Samples, rng: np.random.Generator) -> Split:
        assert samples.dates is not None  # registered to need them
        ranks = ranks_of(samples.dates, samples.rows)
        dated = np.flatnonzero(ranks >= 0)
        of_date = np.bincount(ranks[dated])
        if len(of_date) < 3:
            raise SplitError(
                f"Expected at least 3 different dates to split by, but got {len(of_date)} in "
                f"{len(dated)} samples with a date. Name another column with --date-col, or choose "
                "another split."
            )
        train, valid, _ = part_sizes(len(dated))
        # Dates before an end; each set has one at least.
        before = np.cumsum(of_date)
        first = 1 + _nearest(before[:-2], train)
        second = 1 + first + _nearest(before[first:-1], train + valid)
        undated = np.flatnonzero(ranks < 0)
        notes: tuple[str, ...] = ()
        if len(undated):
            notes = (
                f"{len(undated):,} of {len(samples):,} samples have no date and are left out.",
            )
        return Split(
            dated[ranks[dated] < first],
            dated[(ranks[dated] >= first) & (ranks[dated] < second)],
            dated[ranks[dated] >= second],
            undated,
            notes,
        )


def _nearest(counts: np.ndarray, target: int) -> int:
    """Place of the count nearest to `target`, of equally near ones the first."""
    return int(np.abs(counts - target).argmin())
