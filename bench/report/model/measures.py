"""What a report prints of a run: the figures, their headings and their units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.errors import UnknownNameError


@dataclass(frozen=True)
class Measure:
    """One figure of a run.

    Attributes
    ----------
    name : str
        Key in the ``metrics`` of a record.
    heading : str
        Column heading.
    says : str
        What it is, in a sentence without a full stop.
    percent : bool
        A fraction in records, printed in percent.
    higher_is_better : bool
        Which end of a column is the best.
    decimals : int
        Places in tables for people.
    """

    name: str
    heading: str
    says: str
    percent: bool = True
    higher_is_better: bool = True
    decimals: int = 2

    def printed(self, value: float) -> float:
        """`value` of a record in the unit of tables."""
        return 100.0 * value if self.percent else value


MAIN = (
    Measure("balanced_accuracy", "BA", "balanced accuracy, the mean of the recalls of all classes"),
    Measure(
        "balanced_f1", "BF1", "balanced F1, the macro F1 re-weighted to equal class frequencies"
    ),
)
AUROC = (
    Measure("auroc_ovr_macro", "AUROC", "area under the ROC curve of a class against the rest, "
            "mean over classes"),
)  # fmt: skip
GROUP_RECALL = (
    Measure("recall_head", "head", "mean recall of the most frequent 30 % of the classes"),
    Measure("recall_middle", "middle", "mean recall of the classes in between"),
    Measure("recall_tail", "tail", "mean recall of the rarest 30 % of the classes"),
)
FURTHER = (
    *AUROC,
    *GROUP_RECALL,
    Measure("accuracy", "accuracy", "share of the samples that are classified rightly"),
    Measure("macro_f1", "macro F1", "mean of the F1 of all classes"),
    Measure("log_loss", "log loss", "mean of minus the log probability of the true class, in nats",
            percent=False, higher_is_better=False),
    Measure("ece", "ECE", "expected calibration error of the predicted class, 15 bins",
            higher_is_better=False),
)  # fmt: skip
ALL = (*MAIN, *FURTHER)
# Printed where they are asked for, and on the page where a run has them.
ON_DEMAND = (
    Measure("average_precision", "AP", "average precision, the area under the precision-recall "
            "curve of a class against the rest, mean over classes"),
    Measure("average_precision_rare", "AP rare", "average precision of the rare class, the one "
            "with the fewest training samples"),
    Measure("mcc", "MCC", "Matthews correlation coefficient of all classes, from -1 to 1",
            percent=False, decimals=3),
    Measure("g_mean", "G-mean", "geometric mean of the recalls of all classes; 0 where one is 0"),
    Measure("precision_rare", "precision rare", "precision of the rare class; missing where it is "
            "never predicted"),
    Measure("recall_rare", "recall rare", "recall of the rare class"),
    Measure("f1_rare", "F1 rare", "F1 of the rare class"),
    Measure("enrichment_1pct", "EF 1 %", "enrichment factor: how many times as many samples of the "
            "rare class are in the first 1 % of the ranking as by chance; of two classes",
            percent=False),
    Measure("bedroc", "BEDROC", "early recognition of the rare class, alpha 20; of two classes"),
    Measure("recall_many", "many", "mean recall of classes with more than 100 training samples"),
    Measure("recall_medium", "medium", "mean recall of classes with 20 to 100 training samples"),
    Measure("recall_few", "few", "mean recall of classes with fewer than 20 training samples"),
    Measure("ece_class", "class-wise ECE", "calibration error by class, mean over classes, 15 bins",
            higher_is_better=False),
)  # fmt: skip
# Every record has it, and no page.
BRIER = Measure(
    "brier", "Brier", "Brier score, the squared error of the probabilities, from 0 to 2",
    percent=False, higher_is_better=False, decimals=3,
)  # fmt: skip
KNOWN = {measure.name: measure for measure in (*ALL, *ON_DEMAND, BRIER)}


def unit(shown: Sequence[Measure]) -> str:
    """That of figures which stand side by side, in words."""
    others = [measure.heading for measure in shown if not measure.percent]
    return f"percent but for {', '.join(others)}" if others else "percent"


def measures_named(names: Sequence[str], where: str = "--metrics") -> tuple[Measure, ...]:
    """The measures of these names, each once, in their order.

    Raises
    ------
    UnknownNameError
        There is none of a name; the nearest and all are offered. `where` is what names them.
    """
    for name in names:
        if name not in KNOWN:
            raise UnknownNameError("measure", name, KNOWN, where=f"{where}; --list metrics")
    return tuple(KNOWN[name] for name in dict.fromkeys(names))
