"""Any delimited file of SMILES and labels."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from bench.dataset import MAX_BAD, MISSING, Dataset, Entity, RawSamples, Source, register_dataset
from bench.errors import DataError
from bench.options import Options

from ._table import NUL_SIGN, Table, delimiter_name, read_table

# Numbers as JSON writes them: "007" is a name, and so is a value no table would print.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")

# From so many classes on, numbers that hardly repeat are measurements.
_MANY = 10


class CsvOptions(Options):
    """Which file, and which of its columns."""

    # Not part of a run's identity: the checksum of the file's bytes is.
    path: str = Field(
        min_length=1,
        exclude=True,
        description="the file: .csv, .tsv or .tab, with or without .gz behind it",
    )
    # A single name stands for a list of one.
    smiles_columns: tuple[str, ...] = Field(
        min_length=1, strict=False, description="columns of SMILES, one molecule a sample each"
    )
    label_column: str = Field(description="column of class labels: words or numbers")
    protein_column: str | None = Field(None, description="column of amino-acid sequences")
    # Part of a run's identity only where they are set: runs made before there was a choice stay.
    split_column: str | None = Field(
        None,
        exclude_if=lambda name: name is None,
        description="column that says train, valid or test, for the split `column`",
    )
    date_column: str | None = Field(
        None,
        exclude_if=lambda name: name is None,
        description="column of dates or numbers, for the split `time`",
    )
    conflicts: Literal["keep", "drop", "majority"] = Field(
        "keep",
        exclude_if=lambda policy: policy == "keep",
        description="equal samples under different labels: keep all, drop all, or keep those with "
        "the label that most of them have",
    )

    # Neither changes what a sample is, and both stay out of a run's identity: the content that
    # was read with them is in it.
    delimiter: Literal["comma", "semicolon", "tab", "pipe"] | None = Field(
        None,
        exclude=True,
        description="what stands between values, by name or as it is; found when not given",
    )
    max_bad: float = Field(
        MAX_BAD,
        ge=0,
        le=1,
        exclude=True,
        description="largest share of bad rows, such as unreadable SMILES; five bad rows are "
        "always accepted, but with 0 none",
    )

    @field_validator("smiles_columns", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("delimiter", mode="before")
    @classmethod
    def _name_of_delimiter(cls, value: object) -> object:
        return delimiter_name(value)

    @model_validator(mode="after")
    def _columns_differ(self) -> CsvOptions:
        columns = [
            *(*self.smiles_columns, self.label_column, self.protein_column),
            *(self.split_column, self.date_column),
        ]
        repeated = sorted(name for name, count in Counter(columns).items() if name and count > 1)
        if repeated:
            raise ValueError(f"expected different columns, but got {', '.join(repeated)} twice")
        return self


@register_dataset("csv", title="CSV file", reference="the user's own file")
class CsvFile(Dataset):
    """One or more molecules, with or without a protein; every distinct label is a class.

    Classes are ordered by name, by value where all are numbers; ``1`` and ``1.0`` are one class.
    Rows without a label (empty, NaN, NA, N/A or null) are left out and counted.
    """

    options_type = CsvOptions
    options: CsvOptions

    def label(self) -> str:
        name = Path(self.options.path).name.partition(".")[0]
        return re.sub(r"[^A-Za-z0-9_-]+", "_", name) or "csv"

    def candidates(self) -> tuple[Source, ...]:
        return (Source(str(Path(self.options.path).expanduser().absolute())),)

    def read(self, path: Path) -> RawSamples:
        options = self.options
        wanted = [*options.smiles_columns, options.label_column]
        others = (options.protein_column, options.split_column, options.date_column)
        wanted += [name for name in others if name is not None]
        table = read_table(path, delimiter=options.delimiter, expected=wanted)
        entities = [Entity(name, "molecule", table.column(name)) for name in options.smiles_columns]
        if options.protein_column is not None:
            protein = table.column(options.protein_column)
            entities.append(Entity(options.protein_column, "protein", protein))
        texts = [text.strip() for text in table.column(options.label_column)]
        unlabelled = _unlabelled(table, texts)
        unusable = dict(sorted((unlabelled | _with_nul(texts, entities)).items()))
        labelled = [text for row, text in enumerate(texts) if row not in unusable]
        names = _class_names(labelled)
        classes = list(dict.fromkeys(names.values()))
        where = f"in column {options.label_column!r} of {path}"
        if len(classes) < 2:
            raise DataError(
                f"Expected at least two classes {where}, but "
                f"got {classes or 'no usable label'}. Choose another label column."
            )
        _refuse_measurements(classes, len(labelled), where)
        number = {name: k for k, name in enumerate(classes)}
        labels = np.array(
            [-1 if row in unusable else number[names[text]] for row, text in enumerate(texts)],
            dtype=np.int64,
        )
        return RawSamples(
            entities=tuple(entities),
            labels=labels,
            class_names=tuple(classes),
            notes=_notes(labels, classes),
            unusable=unusable,
            unlabelled=frozenset(unlabelled),
            split_column=_texts(table, options.split_column),
            dates=_texts(table, options.date_column),
        )


def _texts(table: Table, name: str | None) -> list[str] | None:
    return None if name is None else [text.strip() for text in table.column(name)]


def _unlabelled(table: Table, labels: list[str]) -> dict[int, str]:
    rows = zip(*table.columns.values(), strict=True)
    return {
        row: f"no label ({text!r})" if "".join(cells).strip() else "blank row"
        for row, (text, cells) in enumerate(zip(labels, rows, strict=True))
        if text.lower() in MISSING
    }


def _with_nul(labels: list[str], entities: list[Entity]) -> dict[int, str]:
    columns = [*((entity.name, entity.values) for entity in entities), ("label", labels)]
    return {
        row: f"NUL character in {name!r}"
        for name, values in columns
        for row, text in enumerate(values)
        if NUL_SIGN in text
    }


def _refuse_measurements(classes: list[str], rows: int, where: str) -> None:
    if len(classes) < _MANY or 2 * len(classes) <= rows:
        return
    if all(_NUMBER.fullmatch(name) for name in classes):
        raise DataError(
            f"Expected classes {where}, but got {len(classes)} different numbers in {rows} rows, "
            f"such as {', '.join(classes[:3])}: they look like measurements. Make a column of "
            "classes out of them first, such as 'active' from a limit on, and name that column."
        )


def _class_names(texts: list[str]) -> dict[str, str]:
    """Label text to class name; the names stand in class order."""
    if not all(_NUMBER.fullmatch(text) for text in texts):
        return {text: text for text in sorted(set(texts))}
    # Decimal, as float would make one class of large neighbouring numbers.
    values = {text: Decimal(text) for text in sorted(set(texts))}
    names: dict[Decimal, str] = {}
    for text, value in values.items():
        whole = value == value.to_integral_value()
        names.setdefault(value, str(int(value)) if whole else text)
    return {text: names[values[text]] for text in sorted(values, key=lambda text: values[text])}


def _notes(labels: np.ndarray, classes: list[str]) -> tuple[str, ...]:
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    single = [name for name, count in zip(classes, counts, strict=True) if count == 1]
    if not single:
        return ()
    shown = ", ".join(map(repr, single[:5])) + (", ..." if len(single) > 5 else "")
    return (f"{len(single)} of {len(classes)} classes have a single sample: {shown}.",)
