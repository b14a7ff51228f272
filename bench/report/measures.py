"""What a report prints of a run: the figures, their headings and their units."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One figure of a run.

    Attributes
    ----------
    name : str
        Key in the ``metrics`` of a record.
    heading : str
        Column heading.
    percent : bool
        A fraction in records, printed in percent.
    higher_is_better : bool
        Which end of a column is the best.
    """

    name: str
    heading: str
    percent: bool = True
    higher_is_better: bool = True

    def printed(self, value: float) -> float:
        """`value` of a record in the unit of tables."""
        return 100.0 * value if self.percent else value


MAIN = (Measure("balanced_accuracy", "BA"), Measure("balanced_f1", "BF1"))
AUROC = (Measure("auroc_ovr_macro", "AUROC"),)
GROUP_RECALL = (
    Measure("recall_head", "head"),
    Measure("recall_middle", "middle"),
    Measure("recall_tail", "tail"),
)
FURTHER = (
    *AUROC,
    *GROUP_RECALL,
    Measure("accuracy", "accuracy"),
    Measure("macro_f1", "macro F1"),
    Measure("log_loss", "log loss", percent=False, higher_is_better=False),
    Measure("ece", "ECE", higher_is_better=False),
)
ALL = (*MAIN, *FURTHER)
