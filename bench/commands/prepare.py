"""Find a data set's file and open or build its features, with progress."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.commands.console import console, warn
from bench.commands.progress import LiveStep
from bench.data.left_out import summary
from bench.data.obtain import Located, obtain
from bench.data.prepare import prepare
from bench.data.prepared import PreparedData
from bench.plain_text import some_of
from bench.report.document.numbers import counted
from bench.sweep.plan import Part, open_dataset

# Names of classes that in many files stand for a label that is not there. What is always read as
# no label is in bench.dataset.MISSING.
_MAYBE_NO_LABEL = frozenset({"none", "null", "missing", "unknown", "-", "?"})
# Names that a warning lists.
_SHOWN = 5


@dataclass(frozen=True)
class Ready:
    """A data set of the grid with its file found and its features built."""

    located: Located
    prepared: PreparedData


def prepare_dataset(part: Part, data_dir: Path | None, cache: Path, cores: int) -> Ready:
    """Make a data set ready for splitting, and say in a line what it is."""
    dataset = open_dataset(part)
    with LiveStep(f"{part.label}: looking for the data") as step:
        located = obtain(dataset, data_dir=data_dir, progress=step.say)
        step.say(f"{part.label}: opening features")
        prepared = prepare(
            part.name,
            dataset,
            located.path,
            located.sha256,
            cache_dir=cache,
            jobs=cores,
            on_progress=partial(step.advance, f"{part.label}: building features of molecules"),
        )
    console.print(
        f"{part.label}: {len(prepared):,} samples, {prepared.num_classes} classes, from "
        f"{located.path.name} ({located.origin})",
    )
    if prepared.unusable:
        warn(
            f"{part.label}: {len(prepared.unusable):,} of {prepared.total_rows:,} rows are left "
            f"out: {summary(prepared.unusable)}."
            f"{undecided(row.reason for row in prepared.unusable)}"
        )
    warn_of_classes(part.label, prepared.class_names, prepared.class_counts().tolist())
    return Ready(located, prepared)


def warn_of_classes(label: str, names: Sequence[str], counts: Sequence[int]) -> None:
    """Warn of classes of the data set `label` whose names may be a slip."""
    for text in _doubtful_classes(dict(zip(names, counts, strict=True))):
        warn(f"{label}: {text}")


def _doubtful_classes(samples: Mapping[str, int]) -> list[str]:
    """Classes whose names may be a slip, in words.

    Parameters
    ----------
    samples : mapping of str to int
        Samples of each class.
    """
    same: dict[str, list[str]] = defaultdict(list)
    for name in samples:
        same[name.strip().casefold()].append(name)

    def counts(names: Iterable[str]) -> str:
        return some_of([f"{name!r} ({counted(samples[name], 'sample')})" for name in names], _SHOWN)

    texts = []
    if alike := [counts(names) for names in same.values() if len(names) > 1]:
        texts.append(
            "kept as classes of their own, though their names differ in capitals or spaces alone: "
            f"{'; '.join(alike[:_SHOWN])}{_more(len(alike))}. If they are one, give them one name "
            "in the file."
        )
    if doubtful := [name for key in same.keys() & _MAYBE_NO_LABEL for name in same[key]]:
        texts.append(
            "kept as a class of its own, though the name may stand for a label that is not there: "
            f"{counts(sorted(doubtful))}. If it does, leave these labels empty in the file."
        )
    return texts


def _more(groups: int) -> str:
    return f"; and {counted(groups - _SHOWN, 'more group')}" if groups > _SHOWN else ""


def undecided(reasons: Iterable[str]) -> str:
    """A sentence on the rows that have a value, but no class by the cut; empty without any.

    Examples
    --------
    >>> undecided(["no label ('')", "the cut <=1000 does not decide '>500'"])
    ' Of those without a label, 1 has a value that the cut does not decide.'
    """
    count = sum(reason.startswith("the cut ") for reason in reasons)
    if not count:
        return ""
    has = "has" if count == 1 else "have"
    return f" Of those without a label, {count:,} {has} a value that the cut does not decide."
