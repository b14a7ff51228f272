"""Predict the classes of new molecules in a table, row by row."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from bench.commands.console import errors, warn
from bench.commands.csv_stream import (
    STANDARD,
    TableReader,
    TableWriter,
    count_rows,
    dialect_for,
    open_table,
    open_target,
)
from bench.commands.own_file import molecule_column, names_of_columns, smiles_column
from bench.commands.progress import LiveStep
from bench.commands.streams import show_error
from bench.data.molecules import parse
from bench.dataset import Entity, EntityKind
from bench.datasets._table import parse_table
from bench.errors import DataError, UsageError, nearest
from bench.files import MOST_JSON, read_regular
from bench.inference.model import Card, TrainedModel, load_model
from bench.inference.trained import Prior
from bench.report.document.numbers import counted
from bench.spec import split_list
from bench.sweep.local import default_jobs

# Rows in memory at a time; a few hundred bytes of text and some kilobytes of graph each.
_BLOCK = 8192
_SHOWN_REASONS = 5
_SHOWN_COLUMNS = 20


def predict_table(
    model: Path,
    source: str,
    target: str,
    *,
    smiles_col: str | None = None,
    protein_col: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    prior: str = "as-is",
    jobs: int = 0,
    data_dir: Path | None = None,
) -> int:
    """Write `source` with what the model in the folder `model` says of each row to `target`.

    Rows and columns stay as they are. Behind them come ``predicted``, ``p_CLASS`` for each class,
    ``nearest_training_similarity``, and ``problem``, the reason where a row cannot be read. A new
    column whose name the table already has is called ``NAME_2``, or the next number that is free.

    Returns
    -------
    int
        0, or 2 when no row can be read.

    Raises
    ------
    BenchError
        The model, the table or an option cannot be used; `target` is then left as it was.
    """
    _refuse_same_file(source, target)
    loaded = load_model(model, data_dir=data_dir)
    shares = _prior(prior, loaded.card)
    # Says so before anything is read where the method has no such prior.
    loaded.probabilities(np.zeros((1, len(loaded.card.class_names))), shares)
    molecules = smiles_col or (None if source == STANDARD else molecule_column(source)) or ""
    proteins = [protein_col] if protein_col else []
    expected = [*split_list(molecules), *proteins]
    expected = expected or [input_.name for input_ in loaded.card.inputs]
    form: dict[str, Any] = {"delimiter": delimiter, "sheet": sheet, "expected": expected}
    total = count_rows(source, **form)
    tally = _Tally()
    try:
        with (
            # Outside, or it takes damaged data of the source for an error of its own.
            open_target(target) as file,
            open_table(source, **form) as table,
            LiveStep("Predicting", to=errors) as step,
        ):
            blocks = table.blocks(_BLOCK)
            first = next(blocks, None)
            if first is None:
                raise DataError(
                    f"Expected a header and at least one row in {table.where}, but got only a "
                    "header."
                )
            asked = {"molecule": names_of_columns(molecules, table.header), "protein": proteins}
            columns = _columns(table, first, loaded.card, asked)
            writer = TableWriter(file, dialect_for(target, table.dialect))
            writer.write([[*table.header, *_new_columns(table.header, loaded.card)]])
            for block in chain([first], blocks):
                bad = [table.bad.get(tally.rows + row) for row in range(len(block))]
                made = _predict(loaded, columns, block, bad, shares, jobs or default_jobs())
                tally.add(made.problems)
                writer.write(_joined(block, made, loaded.card.class_names))
                if total is None:
                    step.say(f"Predicting: {tally.rows:,} rows")
                else:
                    step.advance("Predicting", tally.rows, total)
    except KeyboardInterrupt:
        show_error("Interrupted. No file was written; the same command starts again.")
        return 130
    return _conclude(tally, target, loaded.card, prior)


@dataclass(frozen=True)
class _Column:
    """The place in a row of one of the model's inputs."""

    name: str
    kind: EntityKind
    place: int


@dataclass(frozen=True)
class _Predicted:
    """What is said of a block of n rows: (n, K), (n,) or None, and length n."""

    probabilities: np.ndarray
    similarity: np.ndarray | None
    problems: Sequence[str | None]


@dataclass
class _Tally:
    """Rows so far, and the reasons of those that cannot be read, with the first row of each."""

    rows: int = 0
    bad: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)

    def add(self, problems: Sequence[str | None]) -> None:
        for row, problem in enumerate(problems, start=self.rows):
            if problem is None:
                continue
            self.bad += 1
            # Reasons name the molecule, so there may be as many as rows.
            if problem in self.reasons or len(self.reasons) < _SHOWN_REASONS:
                self.reasons[problem] += 1
                self.first.setdefault(problem, row)
        self.rows += len(problems)


def _predict(
    model: TrainedModel,
    columns: Sequence[_Column],
    block: Sequence[Sequence[str]],
    bad: Sequence[str | None],
    prior: Prior | np.ndarray,
    jobs: int,
) -> _Predicted:
    entities = [Entity(c.name, c.kind, [row[c.place] for row in block]) for c in columns]
    prediction = model.predict(entities, jobs=jobs, nearest=True)
    return _Predicted(
        model.probabilities(prediction.logits, prior),
        prediction.similarity,
        # One line each, as they are counted and printed, too.
        [
            None if text is None else " ".join((unread or text).split())
            for unread, text in zip(bad, prediction.problems, strict=True)
        ],
    )


def _joined(
    block: Sequence[Sequence[str]], made: _Predicted, class_names: Sequence[str]
) -> Iterator[list[str]]:
    """The rows with the new columns behind them."""
    similarity = made.similarity if made.similarity is not None else np.full(len(block), math.nan)
    for row, shares, near, problem in zip(
        block, made.probabilities.tolist(), similarity.tolist(), made.problems, strict=True
    ):
        if problem is None:
            said = [class_names[int(np.argmax(shares))], *(f"{share:.6g}" for share in shares)]
        else:
            said = [""] * (1 + len(class_names))
        yield [
            *row,
            *said,
            "" if math.isnan(near) else f"{near:.4f}",
            problem or "",
        ]


def _new_columns(header: Sequence[str], card: Card) -> list[str]:
    """Names of the new columns, none of which the table has."""
    taken = set(header)
    names = []
    for name in (
        "predicted",
        *(f"p_{class_name}" for class_name in card.class_names),
        "nearest_training_similarity",
        "problem",
    ):
        free, number = name, 2
        while free in taken:
            free, number = f"{name}_{number}", number + 1
        if free != name:
            warn(f"The table has a column {name!r} already: the new one is called {free!r}.")
        taken.add(free)
        names.append(free)
    return names


def _columns(
    table: TableReader,
    first: Sequence[Sequence[str]],
    card: Card,
    asked: Mapping[str, Sequence[str]],
) -> list[_Column]:
    """Where the model's inputs are, in their order."""
    places: dict[str, list[str]] = {}
    for kind in dict.fromkeys(input_.kind for input_ in card.inputs):
        wanted = [input_.name for input_ in card.inputs if input_.kind == kind]
        given = list(asked.get(kind, ()))
        if given and len(given) != len(wanted):
            raise UsageError(
                f"Expected {counted(len(wanted), 'column')} in --{_option(kind)}, as the model has "
                f"the inputs {_quoted(wanted)}, but got {_quoted(given)}."
            )
        places[kind] = given or _found(table, first, kind, wanted)
    for other in [kind for kind, given in asked.items() if given and kind not in places]:
        raise UsageError(
            f"--{_option(other)} is given, but the model has no {other} among its inputs: "
            f"{_quoted([input_.name for input_ in card.inputs])}."
        )
    columns = {kind: iter(names) for kind, names in places.items()}
    return [
        _Column(name, input_.kind, _place(table, name))
        for input_ in card.inputs
        for name in [next(columns[input_.kind])]
    ]


def _found(
    table: TableReader, first: Sequence[Sequence[str]], kind: str, wanted: Sequence[str]
) -> list[str]:
    """Columns of a kind that nobody named: by the model's names, else the one that holds SMILES."""
    if set(wanted) <= set(table.header):
        return list(wanted)
    if kind == "molecule" and len(wanted) == 1:
        texts = dict(zip(table.header, zip(*first, strict=True), strict=False))
        found = table.header[0] if len(table.header) == 1 else smiles_column(texts)
        if found is not None and parse(found).mol is not None:
            raise DataError(
                f"Expected a header in {table.where}, but its first line holds the molecule "
                f"{found!r}. Write the names of the columns above it, or say with --smiles-col "
                "that this is one."
            )
        if found is not None:
            errors.print(f"Molecules are read from the column {found!r}.")
            return [found]
    absent = [name for name in wanted if name not in table.header]
    raise DataError(
        f"Expected the model's inputs, {_quoted(wanted)}, as columns of {table.where}, but it "
        f"lacks {_quoted(absent)}. {_header(table)}"
        + (f" Name them with --{_option(kind)}." if _option(kind) else "")
    )


def _place(table: TableReader, name: str) -> int:
    count = table.header.count(name)
    if count == 1:
        return table.header.index(name)
    if count > 1:
        raise DataError(
            f"Expected one column {name!r} in {table.where}, but got {count}. Rename all but one."
        )
    near = [repr(other) for other in nearest(name, table.header)]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise DataError(f"Expected a column {name!r} in {table.where}. {_header(table)}{hint}")


def _header(table: TableReader) -> str:
    """Which columns there are."""
    shown = _quoted(table.header[:_SHOWN_COLUMNS])
    if len(table.header) > _SHOWN_COLUMNS:
        shown += f", ... ({len(table.header)} in all)"
    return f"It has the columns {shown}."


def _option(kind: str) -> str:
    return {"molecule": "smiles-col", "protein": "protein-col"}.get(kind, "")


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _prior(text: str, card: Card) -> Prior | np.ndarray:
    """The name of a prior, or the shares in a file, in the order of the classes."""
    for prior in get_args(Prior):
        if text == prior:
            return cast(Prior, prior)
    path = Path(text).expanduser()
    try:
        table = parse_table(read_regular(path, MOST_JSON), text)
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(
            f"Expected --prior to be {', '.join(get_args(Prior))} or a CSV file of the columns "
            f"class and share, but got {text!r}: {error}."
        ) from None
    names = [name.strip() for name in table.column("class")]
    shares = dict(zip(names, table.numbers("share").tolist(), strict=True))
    if unknown := [name for name in names if name not in card.class_names]:
        near = nearest(unknown[0], card.class_names)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"Expected the model's classes in {text}, but got {unknown[0]!r}.{hint} It knows "
            f"{_quoted(card.class_names[:_SHOWN_COLUMNS])}."
        )
    lacking = [name for name in card.class_names if name not in shares]
    if lacking or len(names) != len(shares):
        problem = f"lacks {_quoted(lacking)}" if lacking else "names one of them twice"
        raise UsageError(f"Expected a share of each class once in {text}, but it {problem}.")
    return np.array([shares[name] for name in card.class_names])


def _refuse_same_file(source: str, target: str) -> None:
    if STANDARD in (source, target) or not os.path.exists(os.path.expanduser(target)):
        return
    try:
        same = os.path.samefile(os.path.expanduser(source), os.path.expanduser(target))
    except OSError:  # it is said later why the source cannot be read
        return
    if same:
        raise UsageError(
            f"Expected another file in --to than the one that is read, but both are {source}."
        )


def _conclude(tally: _Tally, target: str, card: Card, prior: str) -> int:
    """Say what was done; the exit code."""
    if tally.bad:
        shown = "\n".join(
            f"  {reason} ({counted(count, 'row')}, the first is {tally.first[reason]:,})"
            for reason, count in tally.reasons.items()
        )
        warn(
            f"{tally.bad:,} of {counted(tally.rows, 'row')} cannot be read; they are kept, with "
            f"the reason in the last column. Rows are counted from 0 below the header:\n{shown}"
            + ("" if sum(tally.reasons.values()) == tally.bad else "\n  and others")
        )
    where = "" if target == STANDARD else f" Written: {target}"
    errors.print(
        f"{tally.rows - tally.bad:,} of {counted(tally.rows, 'row')} predicted. "
        f"{_meaning(card, prior)}{where}"
    )
    if tally.bad == tally.rows:
        show_error(
            f"Error: Expected rows that can be read, but got none of {tally.rows:,}. Is it the "
            "right column? --smiles-col names another."
        )
        return 2
    return 0


def _meaning(card: Card, prior: str) -> str:
    """What the probabilities are those of."""
    if prior == "train":
        return "Probabilities hold for classes as frequent as in training."
    if prior == "equal":
        return "Probabilities hold for equally frequent classes."
    if prior != "as-is":
        return f"Probabilities hold for classes as frequent as in {prior}."
    implied = card.implied_log_prior
    if implied is None:
        return "Probabilities are those of the method, for no known class frequencies."
    shares = np.exp(np.array(implied) - np.logaddexp.reduce(implied))
    counts = np.array(card.train_counts) / sum(card.train_counts)
    if np.allclose(shares, 1 / len(shares), atol=1e-6):
        return (
            "Probabilities are those of the method, as if classes were equally frequent; "
            "--prior train gives those for classes as frequent as in training."
        )
    if np.allclose(shares, counts, atol=1e-6):
        return "Probabilities are those of the method, for classes as frequent as in training."
    return (
        "Probabilities are those of the method, for class frequencies of its own; --prior equal or "
        "--prior train chooses others."
    )
