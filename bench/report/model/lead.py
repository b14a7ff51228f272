"""Which method is the best of a place, and of which methods and seeds that holds."""

from __future__ import annotations

from dataclasses import dataclass

from bench.report.model.cells import BestSet, Column, Run, Table
from bench.report.model.measures import MAIN
from bench.report.model.wording import counted


@dataclass(frozen=True)
class Lead:
    """The method with the highest balanced accuracy of those that are compared.

    Attributes
    ----------
    label : str
        Of the method.
    mean : float
        In percent, over `runs`.
    runs : tuple of Run
        Its runs that are compared.
    best_set : BestSet or None
        Of the methods compared; None where nothing can be tested, and the highest mean leads.
    higher : tuple of str
        Labels of methods that are not compared, as runs of them are missing, and that have a
        higher mean; the highest first.
    limited : bool
        Whether there are such methods, or runs on seeds that the methods do not share.
    """

    label: str
    mean: float
    runs: tuple[Run, ...]
    best_set: BestSet | None = None
    higher: tuple[str, ...] = ()
    limited: bool = False

    @property
    def among(self) -> str:
        """Of which methods it is the best, with a blank before it; nothing where of all."""
        if self.best_set is None or not self.limited:
            return ""
        seeds = counted(self.best_set.different_seeds, "shared seed")
        return f" of the methods compared on {seeds}"


def lead_of(table: Table, split: str, column: Column) -> Lead | None:
    """The best of a place by balanced accuracy; None without a finished run."""
    cells = {row.label: table.cell(split, column, row, MAIN[0]) for row in table.rows}
    done = {label: cell for label, cell in cells.items() if cell is not None and cell.n}
    means = {label: cell.mean for label, cell in done.items() if cell.mean is not None}
    ranked = sorted(means, key=lambda label: -means[label])
    best_set = table.best_set(split, column, MAIN[0])
    if not ranked:
        return None
    if best_set is None:
        top = done[ranked[0]]
        runs = tuple(run for run in top.runs if run.replicate in top.values)
        return Lead(ranked[0], means[ranked[0]], runs)
    mean, seeds = best_set.means[best_set.confidence_set.best], set(best_set.seeds)
    outside = [label for label in ranked if label not in best_set.methods]
    higher = tuple(label for label in outside if means[label] > mean)
    others = any(done[label].values.keys() != seeds for label in best_set.methods)
    runs = tuple(run for run in done[best_set.best].runs if run.replicate in seeds)
    return Lead(best_set.best, mean, runs, best_set, higher, limited=bool(higher) or others)
