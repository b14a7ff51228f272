"""Train one final model on all samples and keep it in a folder."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from bench.checkout import PROGRAM
from bench.commands.archive import open_results
from bench.commands.arguments import resolve_arguments
from bench.commands.console import console, warn
from bench.commands.own_file import file_as_datasets, refuse_without_file
from bench.commands.prepare import undecided, warn_of_classes
from bench.commands.progress import LiveStep
from bench.commands.run_id import run_by_id
from bench.commands.streams import show_error
from bench.config import check_figure
from bench.data.obtain import obtain
from bench.data.same_bytes import read_bytes_of
from bench.dataset import MAX_BAD, RawSamples
from bench.errors import ModelError, UsageError
from bench.files import entries, kind_of, temporary_folder
from bench.inference.folder import CARD, FILES
from bench.inference.model import Card, TrainedModel, fit_model
from bench.method import METHODS
from bench.plain_text import some_of
from bench.report.document.numbers import counted
from bench.spec import Spec, check_options, spec_of
from bench.sweep.local import default_jobs
from bench.sweep.plan import Part, dataset_part, expand, method_part, open_dataset
from bench.training.loop import EpochReport
from bench.training.settings import SELECT_BY, TrainingSettings

# Of a normal distribution, within which 95 of 100 draws fall.
_Z = 1.96
_SHOWN_CLASSES = 40


@dataclass(frozen=True)
class _Recipe:
    """What is trained on what, and how."""

    dataset: Part
    method: str
    options: Mapping[str, Any]
    backbones: Mapping[str, str]
    training: TrainingSettings
    seed: int
    content_sha256: str | None = None
    notes: Sequence[str] = field(default=())


def fit_and_keep(
    arguments: Mapping[str, Any],
    to: Path,
    *,
    like: str | None,
    out: Path,
    valid_share: float,
    force: bool,
    data_dir: Path | None,
) -> int:
    """Train the model that the options of the command line ask for, and keep it in `to`.

    Parameters
    ----------
    arguments : mapping
        Options of the command line by name, as of a benchmark; ``method``, ``seed`` and
        ``backbone`` in the singular.
    to : Path
        Folder of the model. One that holds something is refused, unless it is a model and `force`.
    like : str or None
        Id of a stored run in `out`, or its beginning: method, encoders, budget and seed are
        those of the run, as far as options do not say otherwise.
    out : Path
        Results folder.
    valid_share : float
        Of each class, held back from training to choose the epoch, and whatever the method tunes.
    force, data_dir

    Raises
    ------
    BenchError
        Data, method, settings or folder cannot be used as asked.
    """
    _refuse_columns_of_splits(arguments)
    _require_free(to, force)
    recipe = _recipe(arguments) if like is None else _recipe_of_run(arguments, like, out)
    for note in recipe.notes:
        console.print(note)
    raw = _read(recipe, data_dir)
    try:
        model = _fit(recipe, raw, valid_share, arguments)
        with _replaced(to):
            model.save(to)
    except KeyboardInterrupt:
        show_error("Interrupted. No model was written; the same command starts again.")
        return 130
    _show(model.card, raw, to)
    return 0


def _refuse_columns_of_splits(arguments: Mapping[str, Any]) -> None:
    """Refuse the columns that splits read: a model is fitted to all rows, whatever they say.

    Raises
    ------
    UsageError
        One of them is named.
    """
    for name in ("split_col", "date_col"):
        if arguments[name] is not None:
            raise UsageError(
                f"Expected no --{name.replace('_', '-')}, as a model is fitted to all rows, those "
                "of a test set among them. Leave it out; or leave rows that you want to test on "
                "out of the file."
            )


def _recipe(arguments: Mapping[str, Any]) -> _Recipe:
    """From options, as of a benchmark of one data set, method and seed."""
    if arguments["method"] is None:
        raise UsageError(
            f"Expected --method NAME or --like JOB_ID, but got neither. {_suggestion()}"
        )
    resolved = resolve_arguments(_as_of_benchmark(arguments))
    if arguments["data"] is None and resolved.origins.get("datasets") != "command line":
        raise UsageError(
            "Expected data to train on, but got none. Give --data FILE with --smiles-col and "
            "--label-col, or --datasets NAME."
        )
    grid = expand(resolved.settings)
    _require_one("--datasets" if arguments["data"] is None else "--label-col", grid.datasets)
    _require_one("--method", grid.methods)
    method, training = grid.methods[0], grid.training
    if arguments["backbone"] is not None and method.backbone is not None:
        raise UsageError(
            f"Expected one encoder, but got {method.label!r} and --backbone "
            f"{arguments['backbone']}. Leave one of the two out."
        )
    if method.contrastive:
        training = training.model_copy(update={"batch_size": grid.contrastive_batch_size})
    return _Recipe(
        dataset=grid.datasets[0],
        method=method.name,
        options=spec_of(method.name, method.options).options,
        backbones={
            **resolved.settings.backbones.model_dump(),
            **({} if method.backbone is None else {"molecule": method.backbone.label}),
        },
        training=training,
        seed=grid.seeds[0],
    )


def _recipe_of_run(arguments: Mapping[str, Any], like: str, out: Path) -> _Recipe:
    """From a stored run; options are stronger."""
    fixed = [
        f"--{option}"
        for option, name in (("method", "method"), ("set", "assignments"))
        if arguments[name]
    ]
    if fixed:
        raise UsageError(
            f"{' and '.join(fixed)} cannot go with --like, which takes them from the run. Leave "
            "one of the two out."
        )
    store = open_results(out)
    record = run_by_id(store, like)
    job = record["job"]
    method = job["method"]
    training = TrainingSettings.model_validate_json(json.dumps(job["training"]))
    given = {
        name: arguments[name] for name in ("epochs", "select_by") if arguments.get(name) is not None
    }
    if given:
        training = TrainingSettings.model_validate({**training.model_dump(), **given})
        check_figure(training.select_by)
    backbones = {kind: part["label"] for kind, part in job["backbones"].items()}
    if arguments["backbone"] is not None:
        backbones["molecule"] = arguments["backbone"]
    budget = ""
    if epoch := record["selection"]["epoch"]:
        budget = (
            f", {counted(training.epochs, 'epoch')} at most. The epoch is chosen again, on the "
            f"samples held back, as in the benchmark, where it was {epoch}"
        )
    notes = [f"As run {record['job_id']}: {method['label']}{budget}."]
    known = METHODS.get(method["name"])
    if known.facts["version"] != method["version"]:
        notes.append(
            f"The run was made by version {method['version']} of {method['name']}, this is version "
            f"{known.facts['version']}, which computes something else."
        )
    # A file that is named lacks the columns of splits, which count as content.
    other = arguments["data"] is not None and any(
        job["dataset"]["options"].get(name) for name in ("split_column", "date_column")
    )
    return _Recipe(
        dataset=_dataset_of(arguments, job["dataset"], store.datasets_of_plans()),
        method=method["name"],
        options=_chosen(method["name"], method["options"]),
        backbones=backbones,
        training=training,
        seed=job["seed"] if arguments["seed"] is None else arguments["seed"],
        content_sha256=None if other else record["data"].get("content_sha256"),
        notes=notes,
    )


def _dataset_of(
    arguments: Mapping[str, Any], run: Mapping[str, Any], planned: Mapping[str, str]
) -> Part:
    """The data set that is named, or the run's; of a file, columns are the run's as well.

    `planned` says what the benchmark called the data set of a label, such as a file of the user's.
    """
    if arguments["datasets"] is not None:
        if arguments["data"] is not None:
            raise UsageError("--data and --datasets exclude each other.")
        refuse_without_file(arguments)
        return dataset_part(arguments["datasets"])
    options = run["options"]
    if arguments["data"] is not None:
        columns = {
            "smiles_col": options.get("smiles_columns"),
            "label_col": options.get("label_column"),
            "protein_col": options.get("protein_column"),
            "label_cut": options.get("label_cut"),
            "standardise": options.get("standardise"),
        }
        given = {name: arguments[name] for name in columns if arguments[name] is not None}
        texts = file_as_datasets(arguments["data"], {**arguments, **columns, **given})
        parts = [dataset_part(text) for text in texts]
        _require_one("--label-col", parts)
        return parts[0]
    refuse_without_file(arguments)
    if run["name"] == "csv" and run["label"] not in planned:
        raise UsageError(
            "Expected --data FILE, as the run was made with a file of its own and no plan in its "
            "folder says where that is. Its columns are known."
        )
    return dataset_part(planned.get(run["label"], run["label"]))


def _read(recipe: _Recipe, data_dir: Path | None) -> RawSamples:
    dataset = open_dataset(recipe.dataset)
    if getattr(dataset.options, "conflicts", "keep") != "keep":
        raise UsageError(
            "Expected the option conflicts of the data set to be keep, as a model is fitted to all "
            "rows. Remove the rows from the file instead."
        )
    with LiveStep(f"{recipe.dataset.label}: looking for the data") as step:
        located = obtain(dataset, data_dir=data_dir, progress=step.say)
        raw = read_bytes_of(dataset, located.path, located.sha256)
    console.print(
        f"{recipe.dataset.label}: {len(raw.labels):,} rows, {len(raw.class_names)} classes, from "
        f"{located.path.name} ({located.origin})"
    )
    labels = raw.labels[raw.labels >= 0]
    counts = np.bincount(labels, minlength=len(raw.class_names)).tolist()
    warn_of_classes(recipe.dataset.label, raw.class_names, counts)
    if recipe.content_sha256 not in (None, raw.content_sha256()):
        warn("These are other samples than those of the run.")
    return raw


def _fit(
    recipe: _Recipe, raw: RawSamples, valid_share: float, arguments: Mapping[str, Any]
) -> TrainedModel:
    dataset, cls = open_dataset(recipe.dataset), METHODS.get(recipe.method).cls
    options = check_options(cls.options_type, Spec(recipe.method, {**recipe.options}), "method")
    epochs = cls.epochs(options) or recipe.training.epochs
    heard = False
    training = f"Training {recipe.method}"
    with LiveStep(training) as step:

        def on_features(done: int, total: int) -> None:
            step.advance("Building features of molecules", done, total)
            if done == total:
                step.say(training)

        def on_epoch(method: str, report: EpochReport) -> None:
            nonlocal heard
            heard = True
            score = 100 * report.valid_balanced_accuracy
            text = f"Training {method}, validation balanced accuracy {score:.1f}, epoch"
            step.advance(text, report.epoch, epochs)

        model = fit_model(
            raw,
            name=recipe.dataset.label,
            method=recipe.method,
            options=recipe.options,
            backbones=recipe.backbones,
            training=recipe.training,
            seed=recipe.seed,
            valid_share=valid_share,
            standardise=getattr(dataset.options, "standardise", False),
            max_bad=getattr(dataset.options, "max_bad", MAX_BAD),
            device=arguments["device"] or "cpu",
            on_epoch=on_epoch,
            on_progress=on_features,
            jobs=arguments["jobs"] or default_jobs(),
        )
    part = method_part(Spec(recipe.method, {**recipe.options}), {})
    for option, fits, why in (
        ("epochs", heard, "does not train by epochs"),
        ("select_by", heard, "does not train by epochs"),
        ("backbone", part.follows, "has no network"),
    ):
        if arguments[option] is not None and not fits:
            name = option.replace("_", "-")
            warn(f"{recipe.method} {why}: --{name} changes nothing.")
    return model


def _show(card: Card, raw: RawSamples, to: Path) -> None:
    """What the model was made of, how good it is, and what to do with it."""
    used = sum(card.train_counts) + sum(card.valid_counts)
    if left := len(raw.labels) - used:
        unlabelled = len(raw.unlabelled)
        warn(
            f"{left:,} of {len(raw.labels):,} rows are left out: {unlabelled:,} without a label, "
            f"{left - unlabelled:,} bad.{undecided(raw.unusable.values())} The command data lists "
            "them."
        )
    if lost := [name for name in raw.class_names if name not in card.class_names]:
        warn(
            f"Classes without a row that can be used are left out: {some_of(lost, _SHOWN_CLASSES)}."
        )
    table = Table("class", "training", "validation")
    rows = list(zip(card.class_names, card.train_counts, card.valid_counts, strict=True))
    for name, train, valid in rows[:_SHOWN_CLASSES]:
        table.add_row(name, f"{train:,}", f"{valid:,}")
    if len(rows) > _SHOWN_CLASSES:
        table.add_row(f"and {len(rows) - _SHOWN_CLASSES} more", "", "")
    console.print(table)
    console.print(validation_in_words(card))
    for name, value in card.valid.items():
        if name != SELECT_BY and value is not None and card.epoch:
            console.print(f"Epoch chosen by validation {name}: {value:.4f}")
    console.print(f"Model: {card.method.label}, in {to}")
    console.print(f"Predict: {PROGRAM} predict {shlex.quote(str(to))} new.csv --to predictions.csv")


def validation_in_words(card: Card) -> str:
    """The balanced accuracy on validation, over which classes, and how far it can be trusted.

    The uncertainty is that of the counts alone, as if every class were recognised equally well:
    per class two successes and two failures are added (Agresti and Coull, Am. Stat. 1998,
    doi:10.1080/00031305.1998.10480550), so that a perfect score has some as well.
    """
    score = card.valid.get("balanced_accuracy")
    held = [count for count in card.valid_counts if count]
    if score is None or not held:
        return "Validation balanced accuracy: not known."
    variance = 0.0
    for count in held:
        share = (score * count + 2) / (count + 4)
        variance += share * (1 - share) / (count + 4)
    reach = 100 * _Z * variance**0.5 / len(held)
    text = f"Validation balanced accuracy: {100 * score:.1f} %"
    none = ""
    if lacking := [
        name for name, count in zip(card.class_names, card.valid_counts, strict=True) if not count
    ]:
        text += f" over {len(held)} of {len(card.valid_counts)} classes"
        none = (
            f" Of {some_of(list(map(repr, lacking)))} there is no sample in validation, so the "
            "figure says nothing of how often that is recognised."
        )
    smallest = min(held)
    which = "of the others" if lacking else "class"
    because = f" The smallest {which} has only {counted(smallest, 'sample')} there."
    chosen = "The epoch was chosen" if card.epoch else "Settings may have been chosen"
    return (
        f"{text}, within about {reach:.0f} points (95 % interval from "
        f"{counted(sum(held), 'sample')}).{none}"
        f"{because if smallest < 30 else ''} {chosen} on these samples: expect somewhat less on "
        "new molecules, and less still on molecules unlike those of training. A benchmark run "
        "measures it on a test set."
    )


def _require_free(to: Path, force: bool) -> None:
    """Refuse a folder that holds something, unless it is a model that is to be replaced.

    Raises
    ------
    ModelError
        It does, or cannot be written.
    """
    kind = kind_of(to)
    if os.path.ismount(to) or to.resolve() == Path.cwd():
        raise ModelError(
            f"Expected a folder for the model that can be replaced as a whole, but {to} is "
            "where this program runs, or a file system of its own. Name a folder below it in --to."
        )
    whole = to.absolute()
    above = next((one for one in whole.parents if kind_of(one) is not None), whole)
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        raise ModelError(
            f"Expected a folder in which a model can be written, but {above} cannot be. Name "
            "another in --to."
        )
    if kind is None:
        return
    if kind != stat.S_IFDIR:
        raise ModelError(
            f"Expected a folder for the model, but {to} is none. Name another in --to."
        )
    names = {path.name for path in entries(to)}
    if not names:
        return
    if not (CARD in names and names <= FILES):
        raise ModelError(
            f"Expected a new or empty folder for the model, but {to} holds other files, such as "
            f"{min(names - FILES or names)}. Name another in --to."
        )
    if not force:
        raise ModelError(
            f"Expected a new or empty folder for the model, but {to} holds a model. --force "
            "replaces it."
        )


@contextmanager
def _replaced(to: Path) -> Any:
    """Take what is at `to` out of the way; it comes back where the block ends with an error."""
    if kind_of(to) is None:
        yield
        return
    aside = temporary_folder(to.absolute().parent)
    try:
        os.rename(to, aside / to.name)
        try:
            yield
        except BaseException:
            os.rename(aside / to.name, to)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _as_of_benchmark(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the benchmark's own are called."""
    assignments = list(arguments["assignments"])
    if arguments["backbone"] is not None:
        assignments.append(f"backbones.molecule={arguments['backbone']}")
    return {
        **arguments,
        "assignments": assignments,
        "methods": arguments["method"],
        "seeds": str(arguments["seed"] or 0),
    }


def _require_one(option: str, parts: Sequence[Part]) -> None:
    if len(parts) != 1:
        raise UsageError(
            f"Expected one name in {option}, as one model is fitted, but got {len(parts)}: "
            f"{', '.join(part.label for part in parts[:5])}."
        )


def _chosen(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a method's options that are not its defaults."""
    checked = check_options(
        METHODS.get(method).cls.options_type, Spec(method, dict(options)), "method"
    )
    return spec_of(method, checked).options


def _suggestion() -> str:
    return "ecfp_forest and balanced_softmax are good to start with; --list methods shows all."
