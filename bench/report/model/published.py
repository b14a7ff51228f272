"""The paper's printed figures (arXiv 2504.04647, Tables 1 to 4), for side-by-side reports."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.spec import label_and_encoder

PAPER = "arXiv 2504.04647"
# Data sets that stand where one of the paper's stands; never called by its name.
STAND_INS = {"chembl_ki": "SBAP"}

_TABLE1_COLUMNS = ["dataset", "size", "classes", "imbalance_ratio"]
_TABLE2_KEYS = ["split", "method", "title", "dataset"]
_TABLE2_METRICS = ["balanced_accuracy", "balanced_f1"]
_TABLE3_COLUMNS = ["warm_up", "dynamic", "balanced_accuracy"]
_TABLE4_COLUMNS = ["reweighting", "balanced_accuracy", "note"]
# What Tables 3 and 4 call a variant of the paper's method, to its label here. The row of Table 4
# without a name is, by elimination, the one with sub-cluster weights alone.
_VARIANTS: dict[str, dict[tuple[str, ...], str]] = {
    "table3": {
        ("no", "yes"): "sdr[warm_up=0]",
        ("yes", "no"): "sdr[dynamic=false]",
        ("yes", "yes"): "sdr",
    },
    "table4": {
        ("none",): "sdr[reweighting=none]",
        ("class",): "sdr[reweighting=class]",
        ("",): "sdr[reweighting=subcluster]",
        ("class_plus_subcluster",): "sdr",
    },
}


@dataclass(frozen=True)
class PublishedSize:
    """A row of the paper's Table 1."""

    size: int
    classes: int
    imbalance_ratio: float


@dataclass(frozen=True)
class PublishedVariant:
    """A row of the paper's Table 3 or 4.

    Attributes
    ----------
    names : tuple of str
        What the paper prints of it, by column of the file.
    label : str
        The variant's label here.
    balanced_accuracy : float
        In percent.
    note : str
        What has to be said about the row; mostly nothing.
    """

    names: tuple[str, ...]
    label: str
    balanced_accuracy: float
    note: str = ""


@dataclass(frozen=True)
class Published:
    """Figures as printed in the paper.

    Attributes
    ----------
    figures : dict
        (split, method, data set, metric) to percent, by registry names.
    sizes : dict
        Data set to its row of Table 1.
    variants : dict
        ``table3`` and ``table4`` to their rows, which the paper gives for uspto_50k on the standard
        split.
    splits, methods, datasets : tuple of str
        In the order in which the paper prints them.
    """

    figures: dict[tuple[str, str, str, str], float]
    sizes: dict[str, PublishedSize]
    variants: dict[str, tuple[PublishedVariant, ...]]
    splits: tuple[str, ...]
    methods: tuple[str, ...]
    datasets: tuple[str, ...]


@cache
def published() -> Published:
    """The figures in ``datasets/published``, read once."""
    return read_published(Path(__file__).parents[2] / "datasets" / "published")


def of_paper(datasets: Iterable[str]) -> bool:
    """Whether one of these data sets is of the paper or stands in the place of one."""
    return any(name in published().sizes or name in STAND_INS for name in datasets)


# The form of a data set that is the paper's, where it is not the default: the code released with
# the paper feeds one graph a sample, so a reaction is one graph of all its molecules.
PAPERS_FORM = {"uspto_50k": "uspto_50k[inputs=joined]"}

# The paper's encoder; with another one, a figure is not a repetition of the paper's.
_ENCODERS = ("gcn", "gcn_dgl")


# The presets that repeat the paper's runs, with options of methods chosen on validation data.
_TUNED = ("paper", "table3", "table4", "longer")


def comparable(
    settings: Mapping[str, Any], *, dataset: str, dataset_label: str, method_label: str
) -> bool:
    """Whether a cell repeats what the paper ran, as far as it says what that was.

    It does not with another form of the data set than the paper's, with options of the method,
    written behind the name or set by a preset, and with another encoder of molecules, be it the
    row's or the table's. The presets that repeat the paper's runs may set options of methods:
    they have those that were best on validation, as the paper names none of its own. A file of the
    user's is never the paper's data set, whatever it is called.
    """
    changed = () if settings.get("preset") in _TUNED else settings.get("method_options", {})
    plain, named = label_and_encoder(method_label)
    encoder = named or settings.get("backbones", {}).get("molecule", "gcn")
    form = PAPERS_FORM.get(dataset, dataset)
    return dataset_label == form and plain not in changed and encoder in _ENCODERS


def read_published(folder: Path) -> Published:
    """Read ``table1.csv`` to ``table4.csv`` of `folder`.

    Raises
    ------
    DataError
        A file or column is missing or unknown, a row stands twice, or a figure is not in 0..100.
    """
    figures: dict[tuple[str, str, str, str], float] = {}
    table2 = folder / "table2.csv"
    rows = _read(table2, [*_TABLE2_KEYS, *_TABLE2_METRICS])
    for line, row in enumerate(rows, start=2):
        for metric in _TABLE2_METRICS:
            key = (row["split"], row["method"], row["dataset"], metric)
            if key in figures:
                raise DataError(
                    f"Expected one row for each split, method and data set, but got {key[:3]} "
                    f"again in {table2}, line {line}. Delete one."
                )
            figures[key] = _percent(row[metric], f"{table2}, line {line}, column {metric}")
    variants = {
        name: _variants(folder / f"{name}.csv", columns, _VARIANTS[name])
        for name, columns in (("table3", _TABLE3_COLUMNS), ("table4", _TABLE4_COLUMNS))
    }
    sizes = {
        row["dataset"]: PublishedSize(
            int(row["size"]), int(row["classes"]), float(row["imbalance_ratio"])
        )
        for row in _read(folder / "table1.csv", _TABLE1_COLUMNS)
    }
    return Published(
        figures,
        sizes,
        variants,
        splits=_in_order([row["split"] for row in rows]),
        methods=_in_order([row["method"] for row in rows]),
        datasets=_in_order([row["dataset"] for row in rows]),
    )


def _variants(
    path: Path, columns: list[str], labels: Mapping[tuple[str, ...], str]
) -> tuple[PublishedVariant, ...]:
    keys = columns[: columns.index("balanced_accuracy")]
    rows = _read(path, columns)
    names = [tuple(row[key] for key in keys) for row in rows]
    if sorted(names) != sorted(labels):
        raise DataError(
            f"Expected the rows {sorted(labels)} in {path}, each once, but got {sorted(names)}. "
            "Restore the file."
        )
    return tuple(
        PublishedVariant(
            name,
            labels[name],
            _percent(row["balanced_accuracy"], f"{path}, line {line}, column balanced_accuracy"),
            row.get("note", ""),
        )
        for line, (name, row) in enumerate(zip(names, rows, strict=True), start=2)
    )


def _read(path: Path, columns: list[str]) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataError(
            f"Expected the published figures in {path}, but it is not there. Restore it."
        )
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        if reader.fieldnames != columns:
            raise DataError(
                f"Expected the columns {columns} in {path}, but got {reader.fieldnames}. "
                "Restore the file."
            )
        return list(reader)


def _percent(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 100:
        raise DataError(f"Expected a percentage in 0..100, but got {text!r} in {where}. Mend it.")
    return value


def _in_order(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
