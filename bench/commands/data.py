"""Data reports."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.table import Table

from bench.commands.console import console, warn
from bench.commands.prepare import prepare_dataset, undecided
from bench.commands.progress import LiveStep
from bench.config import Settings
from bench.data.cache import default_folder
from bench.data.cliffs import MOST, NEAR, activity_cliffs
from bench.data.describe import DataDescription, describe_data
from bench.data.prepared import PreparedData
from bench.data.similarity import (
    CLOSE,
    places_in_words,
    sample_fingerprints,
    sample_similarities,
)
from bench.data.similarity_figure import similarity_figure
from bench.errors import SplitError
from bench.metrics.groups import count_groups
from bench.report.document.numbers import counted
from bench.report.model.many_classes import MOST_CLASSES_SHOWN, ends_by_size
from bench.report.model.published import published
from bench.report.writers.data_markdown import table1_markdown
from bench.report.writers.write import write_files
from bench.sweep.local import default_jobs
from bench.sweep.plan import Part, expand
from bench.sweep.splits import molecules_counted, require_columns, split_of

# Splits that read a column, and which one it is.
_OF_COLUMNS = {"column": "split_column", "time": "dates"}
# Long lists are cut on the screen; the count always stands beside them.
_SHOWN = 10


def report_data(
    names: Sequence[str],
    *,
    data_dir: Path | None,
    markdown: bool,
    out: Path,
    splits: Sequence[str] = (),
) -> int:
    """Print a report on each data set.

    Of `splits`, which are the usual ones and those that the columns of a file allow when none is
    given, it says how near the test set lies to training.
    With `markdown`, also write Table 1 to ``out/table1.md``, and for each data set a histogram of
    the similarity of test to training to ``out/similarity_NAME.png`` and ``.svg``, and the classes
    to ``out/classes_NAME.csv`` where they are too many for the screen.
    """
    asked = tuple(splits) or (*Settings().splits, *_OF_COLUMNS)
    grid = expand(Settings(datasets=tuple(names), splits=asked))
    if splits:
        require_columns(grid.datasets, grid.splits)
    described = []
    files: dict[str, bytes] = {}
    for part in grid.datasets:
        ready = prepare_dataset(part, data_dir, default_folder(), default_jobs())
        facts = describe_data(ready.prepared)
        if licence := part.facts["licence"]:
            console.print(f"Licence: {licence}.")
        _show(part.label, facts)
        _show_cliffs(part.label, ready.prepared)
        own = [split for split in grid.splits if splits or _applies(split, ready.prepared)]
        tests = _test_parts(own, grid.seeds[0], part, ready.prepared)
        _show_test_parts(tests, grid.seeds[0])
        console.print()
        if markdown and len(facts.class_counts) > MOST_CLASSES_SHOWN:
            files[f"classes_{_file_name(part)}.csv"] = _classes_csv(facts).encode()
        described.append((part.label, part.facts["title"], facts))
        if markdown and tests:
            values = {split: test.similarity for split, test in tests.items()}
            drawn = similarity_figure(f"{part.label}, seed {grid.seeds[0]}", values)
            for suffix, content in drawn.items():
                files[f"similarity_{_file_name(part)}{suffix}"] = content
    if markdown:
        files["table1.md"] = table1_markdown(described).encode()
        write_files(out, files)
        for name in files:
            console.print(f"Written: {out / name}")
    return 0


def _file_name(part: Part) -> str:
    """The label where it is a plain word; else the name and a digest, as labels hold anything."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", part.label):
        return part.label
    return f"{part.name}-{hashlib.sha256(part.label.encode()).hexdigest()[:8]}"


def _show_cliffs(label: str, prepared: PreparedData) -> None:
    """Activity cliffs, where a sample is one molecule and nothing else."""
    if [entity.kind for entity in prepared.entities] != ["molecule"]:
        return
    with LiveStep(f"{label}: activity cliffs") as step:
        bits = sample_fingerprints(
            prepared,
            cache_dir=default_folder(),
            jobs=default_jobs(),
            on_progress=partial(step.advance, f"{label}: fingerprints of molecules"),
        )
        found = activity_cliffs(
            bits,
            prepared.labels,
            prepared.identity,
            on_progress=partial(step.advance, f"{label}: activity cliffs"),
        )
    if found is None:
        console.print(f"Activity cliffs: not counted, as there are more than {MOST:,} molecules")
        return
    share = f" ({found.pairs / found.near:.1%})" if found.near else ""
    console.print(
        f"Activity cliffs: {found.pairs:,} of {counted(found.near, 'pair')}{share} of molecules "
        f"with a similarity of {NEAR} or more (Tanimoto, Morgan fingerprints of radius 2, 2,048 "
        f"bits) have different labels; {found.in_pairs:,} of {found.molecules:,} molecules "
        f"({found.in_pairs / max(found.molecules, 1):.1%}) are in one"
    )
    for one, other, similarity in found.examples:
        console.print(
            f"  {similarity:.3f}: {_molecule(prepared, one)} and {_molecule(prepared, other)}"
        )


def _molecule(prepared: PreparedData, sample: int) -> str:
    """The molecule of a sample, where it stands and its class."""
    smiles = prepared.smiles[prepared.entities[0].index[sample]]
    name = prepared.class_names[prepared.labels[sample]]
    return f"{smiles} (row {prepared.rows[sample]}, {name})"


class _TestPart(NamedTuple):
    """The test set of a split: similarity of each sample to training, samples of each class.

    Of several molecules, `which` says in words whose similarity it is.
    """

    similarity: np.ndarray
    class_counts: np.ndarray
    which: str


def _applies(split: Part, prepared: PreparedData) -> bool:
    """Whether the file has the column that a split reads, if it reads one."""
    column = _OF_COLUMNS.get(split.name)
    return column is None or getattr(prepared, column) is not None


def _test_parts(
    splits: Sequence[Part], seed: int, part: Part, prepared: PreparedData
) -> dict[str, _TestPart]:
    """By split, where the samples hold a molecule and the split can be made."""
    if all(entity.kind != "molecule" for entity in prepared.entities):
        return {}
    cores, cache = default_jobs(), default_folder()
    found = {}
    with LiveStep(f"{part.label}: similarity of test to training") as step:
        for split in splits:
            try:
                made, _ = split_of(
                    prepared, split, seed, cache_dir=cache, cores=cores, called=part.label
                )
            except SplitError as error:
                warn(f"No similarity of test to training: {error}")
                continue
            for note in made.notes:
                console.print(f"{part.label}, {split.label} split, seed {seed}: {note}")
            places = molecules_counted(split, prepared)
            similarity = sample_similarities(
                prepared,
                made,
                places,
                cache_dir=cache,
                jobs=cores,
                on_progress=partial(step.advance, f"{part.label}: {split.label} split, similarity"),
            )
            assert similarity is not None  # there are molecules
            found[split.label] = _TestPart(
                similarity, prepared.class_counts(made.test), places_in_words(prepared, places)
            )
    return found


def _show_test_parts(tests: Mapping[str, _TestPart], seed: int) -> None:
    if not tests:
        return
    several = any(test.which for test in tests.values())
    table = Table(
        "split", "test", *(["molecule"] if several else []), "smallest class", "median",
        f"{CLOSE} or more", "equal fingerprint",
        title="similarity of each test molecule to the nearest in training (Tanimoto, Morgan "
        f"fingerprints of radius 2, 2,048 bits; seed {seed})",
        title_justify="left",
    )  # fmt: skip
    table.columns[0].overflow = "fold"  # names are never cut
    for split, (similarity, class_counts, which) in tests.items():
        table.add_row(
            split,
            f"{len(similarity):,}",
            *([which] if several else []),
            f"{class_counts.min():,}",
            f"{np.median(similarity):.3f}",
            f"{np.mean(similarity >= CLOSE):.1%}",
            f"{np.mean(similarity == 1):.1%}",
        )
    console.print(table)


def _show(label: str, facts: DataDescription) -> None:
    paper = published().sizes.get(facts.name)
    columns = ["", "here", *(["Table 1 of the paper"] if paper else [])]
    table = Table(*columns, title=label, title_justify="left")

    def add(name: str, here: str, published: str = "") -> None:
        table.add_row(*(name, here, published)[: len(columns)])

    add("rows", f"{facts.rows:,}", f"{paper.size:,}" if paper else "")
    add("usable samples", f"{facts.samples:,}")
    add("classes", str(len(facts.class_counts)), str(paper.classes) if paper else "")
    ratio = f"{paper.imbalance_ratio:.2f}" if paper else ""
    add("imbalance ratio", f"{facts.imbalance_ratio:.2f}", ratio)
    add("distinct samples", f"{facts.distinct_samples:,}")
    add("repeated samples", f"{facts.duplicate_samples:,}")
    add("label conflicts", f"{len(facts.conflicts):,}")
    add("distinct SMILES", f"{facts.distinct_molecules:,}")
    for sizes in facts.graphs:
        atoms = f"{sizes.atoms_mean:.2f} ({sizes.atoms_min} to {sizes.atoms_max})"
        add(f"{sizes.entity}: atoms a graph", atoms)
        add(f"{sizes.entity}: bonds a graph", f"{sizes.bonds_mean:.2f}")
    if facts.salts is not None:
        share = facts.salts.samples / max(facts.samples, 1)
        add("of several fragments (salts)", f"{facts.salts.samples:,} ({share:.1%})")
    console.print(table)
    if facts.salts is not None and facts.salts.counter_ions:
        ions = ", ".join(f"{smiles} ({count:,})" for smiles, count in facts.salts.counter_ions)
        console.print(
            f"Commonest fragments beside the largest: {ions}. Of a file of yours, --standardise "
            "keeps the largest organic fragment."
        )

    _show_classes(facts)
    for note in facts.notes:
        console.print(f"Note: {note}")
    unlabelled = sum(row.kind == "unlabelled" for row in facts.unusable)
    if unlabelled:
        cut = undecided(row.reason for row in facts.unusable)
        console.print(f"{counted(unlabelled, 'row')} without a label, left out.{cut}")
    others = [row for row in facts.unusable if row.kind != "unlabelled"]
    _show_rows("unusable, left out", list(map(str, others)))
    _show_rows("repaired", list(map(str, facts.repaired)))
    _show_rows("in conflict", ["rows " + ", ".join(map(str, rows)) for rows in facts.conflicts])


def _show_classes(facts: DataDescription) -> None:
    """Class sizes; of many classes the largest and the smallest, and how many lie where."""
    classes = Table("class", "samples", "share", title="classes", title_justify="left")
    shown = _shown_classes(facts)
    for place, (name, count) in enumerate(shown):
        if len(shown) < len(facts.class_counts) and place == _SHOWN:
            classes.add_section()
        classes.add_row(name, f"{count:,}", f"{count / facts.samples:.2%}")
    console.print(classes)
    if len(shown) < len(facts.class_counts):
        sizes = np.array([count for _, count in facts.class_counts])
        many, medium, few = map(len, count_groups(sizes).values())
        console.print(
            f"The {_SHOWN} largest and the {_SHOWN} smallest of {len(sizes):,} classes; --markdown "
            f"writes all to classes_NAME.csv in the results folder. {many} classes have more than "
            f"100 samples, {medium} have 20 to 100, and {few} have fewer than 20."
        )


def _shown_classes(facts: DataDescription) -> Sequence[tuple[str, int]]:
    """All classes, or of many the largest and the smallest."""
    if len(facts.class_counts) <= MOST_CLASSES_SHOWN:
        return facts.class_counts
    largest, smallest = ends_by_size(np.array([count for _, count in facts.class_counts]), _SHOWN)
    return [facts.class_counts[k] for k in (*largest.tolist(), *smallest.tolist())]


def _classes_csv(facts: DataDescription) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["class", "samples"])
    for name, count in sorted(facts.class_counts, key=lambda of_class: -of_class[1]):
        table.writerow([name, count])
    return text.getvalue()


def _show_rows(what: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    console.print(f"{len(lines)} {what} (rows counted from 0 below the header):")
    for line in lines[:_SHOWN]:
        console.print(f"  {line}")
    if len(lines) > _SHOWN:
        console.print(f"  and {len(lines) - _SHOWN} more")
