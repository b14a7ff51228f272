"""One stored run for people: what was asked, how it went, and what was predicted of each sample."""

from __future__ import annotations

import csv
import io
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from scipy.special import softmax

from bench.checkout import PROGRAM
from bench.commands.archive import open_results
from bench.commands.console import warn
from bench.commands.run_id import run_by_id
from bench.data import cache
from bench.data.obtain import obtain
from bench.data.prepare import prepare
from bench.data.prepared import PreparedData
from bench.errors import BenchError, DataError, StoreError, UsageError
from bench.files import write_atomically
from bench.metrics.confusion import matrix_of_record
from bench.metrics.evaluation import classes_of_record
from bench.plain_text import visible
from bench.report.document.numbers import counted
from bench.report.model.command import command
from bench.report.model.many_classes import (
    GROUPS,
    GROUPS_IN_WORDS,
    MOST_CLASSES_SHOWN,
    confusion_by_group,
    ends_by_size,
    largest_confusions,
)
from bench.split import SPLITS
from bench.sweep.plan import dataset_part, open_dataset
from bench.sweep.splits import split_of
from bench.sweep.store import Store
from bench.sweep.stored_jobs import part_of
from bench.tracking.listener import flat
from bench.training.kinds import samples_as_text

Json = Mapping[str, Any]
Part = Literal["test", "valid"]

_MOST_CLASSES = 12  # of a confusion matrix that fits a terminal
_ENDS = 10  # of many classes, so many of the largest and of the smallest
_CONFUSIONS = 10
_COLUMNS_OF_CLASSES = ("recall", "recall_low", "recall_high", "precision", "f1", "auroc")
_LINES_OF_HISTORY = 5


def show_run(
    out: Path,
    job_id: str,
    part: Part | None,
    to: str | None,
    data: Path | None,
    classes_to: str | None = None,
    *,
    missed: bool = False,
) -> int:
    """Print a summary of a stored run, or write its samples or its classes as CSV.

    Parameters
    ----------
    out : Path
        The results folder.
    job_id : str
        Or how it begins, where only one does.
    part : {"test", "valid"} or None
        Whose predictions; None for the test set.
    to : str or None
        The CSV file of what was predicted of each sample, ``-`` for standard output.
    data : Path or None
        Looked in first for the data file.
    classes_to : str or None
        The CSV file of all classes, ``-`` for standard output.
    missed : bool
        Only samples that were predicted wrongly.

    Raises
    ------
    BenchError
        No such run, one from an archive whose data file is not here, or a file that cannot be
        written.
    """
    store = open_results(out)
    record = run_by_id(store, job_id)
    if to is None and (part is not None or missed):
        raise UsageError(f"{'--missed' if missed else '--set'} goes with --csv.")
    if to is not None and classes_to is not None:
        raise UsageError("Expected --csv or --classes, but got both. Write one after the other.")
    if to is not None:
        _write(_predictions(store, record, part or "test", data, missed), to)
    elif classes_to is not None:
        _write(_classes_csv(record), classes_to)
    else:
        click.echo(visible("\n".join(_summary(record, store))))
    return 0


def _write(text: str, to: str) -> None:
    if to == "-":
        sys.stdout.write(text)
        return
    try:
        write_atomically(Path(to), text.encode())
    except OSError as error:
        raise UsageError(f"Expected a file to write to, but {to}: {error.strerror}.") from None
    click.echo(f"{to}: {counted(text.count(chr(10)) - 1, 'row')}")


def _summary(record: Json, store: Store) -> Iterator[str]:
    job, names = record["job"], record["data"]["class_names"]
    labels = [job[kind]["label"] for kind in ("dataset", "split", "method")]
    yield f"{' · '.join(labels)} · seed {job['seed']}"
    yield f"run {record['job_id']}, finished {record['time']['finished']}"
    yield ""
    yield "Settings"
    options = {name: job[name]["options"] for name in ("method", "dataset", "split")}
    backbones = {f"encoder of {kind}s": part["label"] for kind, part in job["backbones"].items()}
    for key, value in flat({**backbones, "training": job["training"], **options}).items():
        yield f"  {key}: {value}"
    yield ""
    yield "Figures of the test set"
    for name, value in record["metrics"].items():
        yield f"  {name}: {value:.4f}" if isinstance(value, float) else f"  {name}: {value}"
    yield ""
    matrix = matrix_of_record(record["confusion"])
    if len(names) <= MOST_CLASSES_SHOWN:
        yield from _classes(matrix, names)
    else:
        yield from _many_classes(record, matrix)
    yield from _found(record)
    yield from _history(record)
    yield "Repeat it with"
    yield f"  {_command(record, store) or 'no plan in this folder says how'}"


def _classes(matrix: np.ndarray, names: Sequence[str]) -> Iterator[str]:
    width = max(5, *(len(name) for name in names))
    yield f"  {'class':{width}}  samples  recall  precision"
    for k, name in enumerate(names):
        hits, truth, said = matrix[k, k], matrix[k].sum(), matrix[:, k].sum()
        shares = [f"{hits / of:.4f}" if of else "–" for of in (truth, said)]
        yield f"  {name:{width}}  {truth:7}  {shares[0]:>6}  {shares[1]:>9}"
    yield ""
    if len(names) <= _MOST_CLASSES:
        yield "Confusion: rows are true classes, columns predicted ones, in this order"
        for name, row in zip(names, matrix, strict=True):
            yield f"  {name:{width}} " + " ".join(f"{count:7}" for count in row)
        yield ""


def _many_classes(record: Json, matrix: np.ndarray) -> Iterator[str]:
    """Groups by training samples, the largest and the smallest classes, the largest confusions."""
    names, counts = record["data"]["class_names"], np.array(record["data"]["train_counts"])
    yield f"{len(names):,} classes by their training samples: share of the test samples of a class"
    yield "that is right, or is taken for another class with many, medium or few; mean over classes"
    yield f"  {'true class':22}   right    many  medium     few"
    for name, row in zip(GROUPS, confusion_by_group(matrix, counts), strict=True):
        figures = "".join(f"{share:8.4f}" if share == share else f"{'–':>8}" for share in row)
        yield f"  {f'{name}: {GROUPS_IN_WORDS[name]}':22}{figures}"
    yield ""
    largest, smallest = ends_by_size(counts, _ENDS)
    shown = [*largest.tolist(), *smallest.tolist()]
    width = max(5, *(len(names[k]) for k in shown))
    support, said = matrix.sum(axis=1), matrix.sum(axis=0)
    for heading, classes in (("largest", largest), ("smallest", smallest)):
        yield f"The {len(classes)} {heading} classes in training"
        yield f"  {'class':{width}}  training  samples  recall  precision"
        for k in classes.tolist():
            shares = [f"{matrix[k, k] / of:.4f}" if of else "–" for of in (support[k], said[k])]
            yield (
                f"  {names[k]:{width}}  {counts[k]:8}  {support[k]:7}  {shares[0]:>6}  "
                f"{shares[1]:>9}"
            )
        yield ""
    yield f"All {len(names):,} as CSV: {PROGRAM} show {record['job_id']} --classes classes.csv"
    yield ""
    yield "The largest confusions: samples of a class that are taken for another"
    for true, predicted, samples in largest_confusions(matrix, _CONFUSIONS):
        yield f"  {samples} of {support[true]}: {names[true]} taken for {names[predicted]}"
    yield ""


def _classes_csv(record: Json) -> str:
    """Every class with its samples and figures, the largest in training first."""
    data, classes = record["data"], classes_of_record(record)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    counts = ("train_counts", "valid_counts", "test_counts")
    table.writerow(["class", "train", "valid", "test", *_COLUMNS_OF_CLASSES])
    for k in np.argsort(-np.array(data["train_counts"]), kind="stable").tolist():
        figures = [getattr(classes[k], name) for name in _COLUMNS_OF_CLASSES]
        known = ["" if np.isnan(figure) else figure for figure in figures]
        table.writerow([data["class_names"][k], *(data[name][k] for name in counts), *known])
    return text.getvalue()


def _found(record: Json) -> Iterator[str]:
    if found := record["selection"].get("method"):
        yield "What the method found: " + ", ".join(f"{k} {v}" for k, v in found.items())
        yield ""


def _history(record: Json) -> Iterator[str]:
    history, best = record["history"], record["selection"]["epoch"]
    if not history:
        return
    yield f"History (epoch {best} was chosen on validation)"
    chosen = {*np.linspace(0, len(history) - 1, _LINES_OF_HISTORY).round().astype(int).tolist()}
    for line, told in enumerate(history):
        if line in chosen or told["epoch"] == best:
            loss = told.get("valid_loss")
            yield (
                f"  epoch {told['epoch']:4}  train loss {told['train_loss']:.4f}  "
                + (f"valid loss {loss:.4f}  " if loss is not None else "")
                + f"valid balanced accuracy {told['valid_balanced_accuracy']:.4f}"
            )
    yield ""


def _command(record: Json, store: Store) -> str | None:
    """From the first plan that holds the run."""
    for preset in (None, *store.presets()):
        if not store.has_plan(preset):
            continue
        plan = store.read_plan(preset)
        for entry in plan["jobs"]:
            if entry["job_id"] == record["job_id"]:
                dataset, split, method = (
                    entry[f"{kind}_label"] for kind in ("dataset", "split", "method")
                )
                return command(plan["settings"], dataset, split, method, [entry["seed"]])
    return None


def _predictions(
    store: Store, record: Json, part: Part, data_dir: Path | None, missed: bool
) -> str:
    """A row for each sample of a set, or for each that was predicted wrongly.

    A run from an archive has no probabilities.
    """
    names, decided = record["data"]["class_names"], store.decisions(record["job_id"])
    truth, predicted = decided[f"{part}_labels"], decided[f"{part}_predictions"]
    inputs = _inputs(store, record, part, data_dir)
    columns = [values for _, values in inputs]
    columns += [[names[k] for k in truth], [names[k] for k in predicted]]
    headings = [*(name for name, _ in inputs), "truth", "predicted"]
    if store.has_predictions(record["job_id"]):
        logits = store.predictions(record["job_id"])[f"{part}_logits"].astype(np.float64)
        columns += softmax(logits, axis=1).T.tolist()
        headings += [f"p_{name}" for name in names]
    else:
        warn("The run came from an archive, which keeps predicted classes but no probabilities.")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(headings)
    shown = truth != predicted if missed else np.ones(len(truth), dtype=bool)
    table.writerows(itertools.compress(zip(*columns, strict=True), shown))
    return text.getvalue()


def _inputs(
    store: Store, record: Json, part: Part, data_dir: Path | None
) -> list[tuple[str, Sequence[Any]]]:
    """Position of each sample; where the data set's file is here its row and what it consists of.

    Positions count the samples that can be used, rows all that the file has.
    """
    archived = not store.has_predictions(record["job_id"])
    try:
        prepared = _prepared(store, record, data_dir)
    except BenchError as error:
        if archived:
            raise StoreError(
                f"Run {record['job_id']} came from an archive, which does not keep which samples "
                f"were tested, and the data file cannot tell: {error}"
            ) from None
        warn(f"Positions stand alone, without molecules: {error}")
        return [("position", _kept_positions(store, record, part).tolist())]
    positions = (
        _positions_again(record, part, prepared)
        if archived
        else _kept_positions(store, record, part)
    )
    samples = samples_as_text(prepared, positions)
    return [
        ("position", positions.tolist()),
        ("row", prepared.rows[positions].tolist()),
        *((entity.name, entity.values) for entity in samples.entities),
    ]


def _kept_positions(store: Store, record: Json, part: Part) -> np.ndarray:
    return store.predictions(record["job_id"])[f"{part}_positions"]


def _positions_again(record: Json, part: Part, prepared: PreparedData) -> np.ndarray:
    """By the split of the run, made again."""
    job = record["job"]
    split, _ = split_of(
        prepared,
        part_of(SPLITS, job["split"], "split"),
        job["seed"],
        cache_dir=cache.default_folder(),
    )
    if split.hash != record["data"]["split_hash"]:
        raise DataError(f"The {job['split']['label']} split is no longer that of the run.")
    return split.test if part == "test" else split.valid


def _prepared(store: Store, record: Json, data_dir: Path | None) -> PreparedData:
    """The samples of the run, which are checked to be those it was made with."""
    label = record["job"]["dataset"]["label"]
    part = dataset_part(store.datasets_of_plans().get(label, label))
    dataset = open_dataset(part)
    located = obtain(dataset, data_dir=data_dir, download=False)
    prepared = prepare(part.name, dataset, located.path, located.sha256)
    if prepared.content_sha256 != record["data"]["content_sha256"]:
        raise DataError(f"{located.path} holds other samples than those of the run.")
    return prepared
