"""Any table of the user's with molecules and labels."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from bench.dataset import MAX_BAD, MISSING, Dataset, Entity, RawSamples, Source, register_dataset
from bench.options import Options

from ._classes import Cut, classes_by_cut, classes_by_name
from ._files import FileTable, read_file
from ._table import NUL_SIGN, delimiter_name


class CsvOptions(Options):
    """Which file, and which of its columns."""

    # Not part of a run's identity: the checksum of the file's bytes is.
    path: str = Field(
        min_length=1,
        exclude=True,
        description="the file: .csv, .tsv, .tab, .sdf, .parquet or .xlsx, with or without .gz or "
        ".zip behind it",
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

    label_cut: str | None = Field(
        None,
        exclude_if=lambda cut: cut is None,
        description="classes of a column of measurements: <=1000 and what is above; 100,1000 for "
        "three",
    )
    standardise: bool = Field(
        False,
        exclude_if=lambda asked: not asked,
        description="molecules cleaned up by RDKit: of several fragments the largest, neutralised",
    )

    # None of these changes what a sample is, and all stay out of a run's identity: the content
    # that was read with them is in it.
    name: str | None = Field(
        None,
        min_length=1,
        exclude=True,
        description="what tables call it; the file's name when not given",
    )
    sheet: str | None = Field(
        None, exclude=True, description="sheet of an Excel file; the first when not given"
    )
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

    @field_validator("label_cut")
    @classmethod
    def _one_way_to_write_a_cut(cls, text: str | None) -> str | None:
        return None if text is None else Cut.parse(text).text

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
    Rows without a label (empty, NaN, NA, N/A, null or a spreadsheet's error) are left out and
    counted. With a cut, classes are ranges of a number, and rows whose qualifier leaves their class
    open are left out as rows without a label are.
    """

    options_type = CsvOptions
    options: CsvOptions

    def label(self) -> str:
        if self.options.name is not None:
            return re.sub(r"[^A-Za-z0-9_:-]+", "_", self.options.name)
        name = Path(self.options.path).name.partition(".")[0]
        return re.sub(r"[^A-Za-z0-9_-]+", "_", name) or "csv"

    def candidates(self) -> tuple[Source, ...]:
        return (Source(str(Path(self.options.path).expanduser().absolute())),)

    def read(self, path: Path) -> RawSamples:
        options = self.options
        wanted = [*options.smiles_columns, options.label_column]
        others = (options.protein_column, options.split_column, options.date_column)
        wanted += [name for name in others if name is not None]
        return self.samples(
            read_file(path, delimiter=options.delimiter, expected=wanted, sheet=options.sheet)
        )

    def samples(self, table: FileTable) -> RawSamples:
        """The samples in a file that has been read.

        Raises
        ------
        DataError
            A column is not there, or its labels cannot be used.
        """
        options = self.options
        entities = [Entity(name, "molecule", table.column(name)) for name in options.smiles_columns]
        if options.protein_column is not None:
            # All encoders read them so; equal ones are equal to audits as well.
            protein = [text.strip().upper() for text in table.column(options.protein_column)]
            entities.append(Entity(options.protein_column, "protein", protein))
        texts = [text.strip() for text in table.column(options.label_column)]
        unlabelled = _unlabelled(table, texts)
        bad = {**_with_nul(texts, entities), **table.bad}
        there = {
            row: text for row, text in enumerate(texts) if row not in unlabelled and row not in bad
        }
        where = f"in column {options.label_column!r} of {table.where}"
        found = (
            classes_by_name(there, where)
            if options.label_cut is None
            else classes_by_cut(there, Cut.parse(options.label_cut), where)
        )
        unlabelled = {**unlabelled, **found.undecided}
        unusable = dict(sorted({**unlabelled, **bad, **found.bad}.items()))
        return RawSamples(
            entities=tuple(entities),
            labels=np.array([found.numbers.get(row, -1) for row in range(len(texts))], np.int64),
            class_names=found.names,
            notes=found.notes,
            unusable=unusable,
            unlabelled=frozenset(unlabelled),
            split_column=_texts(table, options.split_column),
            dates=_texts(table, options.date_column),
        )


def _texts(table: FileTable, name: str | None) -> list[str] | None:
    return None if name is None else [text.strip() for text in table.column(name)]


def _unlabelled(table: FileTable, labels: list[str]) -> dict[int, str]:
    # Sodium beside words; among numbers it is a value that is not there.
    sodium = any(text.lower() not in MISSING and not text[-1:].isdigit() for text in labels)
    rows = zip(*table.columns.values(), strict=True)
    return {
        row: f"no label ({text!r})" if "".join(cells).strip() else "blank row"
        for row, (text, cells) in enumerate(zip(labels, rows, strict=True))
        if text.lower() in MISSING and not (sodium and text == "Na") and row not in table.bad
    }


def _with_nul(labels: list[str], entities: list[Entity]) -> dict[int, str]:
    columns = [*((entity.name, entity.values) for entity in entities), ("label", labels)]
    return {
        row: f"NUL character in {name!r}"
        for name, values in columns
        for row, text in enumerate(values)
        if NUL_SIGN in text
    }
