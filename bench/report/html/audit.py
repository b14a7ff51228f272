"""What the records say of data, splits and machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bench.data.audit import FEW_SAMPLES
from bench.plain_text import some_of
from bench.report.figures.source import Json, Source
from bench.report.html.details import commit, packages_of
from bench.report.model.cells import Run
from bench.report.model.published import STAND_INS, published

_PARTS = {"train": "training", "valid": "validation", "test": "test"}


@dataclass(frozen=True)
class DataLine:
    """A data set as it was read; `remark` says how it relates to the paper's."""

    dataset: str
    file: str
    sha256: str
    samples: int
    unusable: int
    classes: int
    remark: str


@dataclass(frozen=True)
class SplitLine:
    """A split of one seed; `findings` is what a reader must know of it."""

    dataset: str
    split: str
    seed: int
    split_hash: str
    sizes: tuple[int, int, int]
    smallest: tuple[int, int, int]
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Environment:
    """Runs that were done alike; `facts` are pairs of a name and a value."""

    runs: int
    facts: tuple[tuple[str, str], ...]


def data_lines(source: Source) -> list[DataLine]:
    """The data sets with a complete run, in printing order."""
    names = {column.label: column.name for column in source.table.columns}
    lines = []
    for run in _first_runs(source, by_seed=False):
        data = source.records[run.job_id]["data"]
        lines.append(
            DataLine(
                run.dataset,
                data["file"],
                data["sha256"],
                data["samples"],
                data["unusable"],
                len(data["class_names"]),
                _remark(names[run.dataset], data["samples"]),
            )
        )
    return lines


def _remark(name: str, samples: int) -> str:
    if name in STAND_INS:
        return f"Proxy for {STAND_INS[name]}; it is another data set."
    size = published().sizes.get(name)
    if size is None:
        return "Not a data set of the paper."
    return "As many samples as in the paper." if size.size == samples else f"Paper: {size.size:,}."


def split_lines(source: Source) -> list[SplitLine]:
    """Every split with a complete run, with findings."""
    lines = []
    for run in _first_runs(source, by_seed=True):
        data = source.records[run.job_id]["data"]
        counts = [data[f"{part}_counts"] for part in _PARTS]
        train, valid, test = (sum(part) for part in counts)
        lines.append(
            SplitLine(
                run.dataset,
                run.planned_split,
                run.seed,
                data["split_hash"],
                (train, valid, test),
                (min(counts[0]), min(counts[1]), min(counts[2])),
                tuple(_findings(data)),
            )
        )
    return lines


def _findings(data: Json) -> Iterator[str]:
    for part, heading in _PARTS.items():
        counts = dict(zip(data["class_names"], data[f"{part}_counts"], strict=True))
        absent = [name for name, count in counts.items() if count == 0]
        if absent:
            yield f"No sample in the {heading} set: {some_of(absent)}."
    few = sum(0 < count < FEW_SAMPLES for count in data["test_counts"])
    if few:
        have, read = "classes have", "their intervals"
        if few == 1:
            have, read = "class has", "its interval"
        yield f"{few} {have} fewer than {FEW_SAMPLES} test samples: read {read}."


def _first_runs(source: Source, *, by_seed: bool) -> list[Run]:
    """The first complete run of each data set, or of each split of it by seed."""
    found: dict[tuple[object, ...], Run] = {}
    for run in source.table.runs:
        if run.status == "complete":
            key = (run.dataset, run.planned_split, run.seed) if by_seed else (run.dataset,)
            found.setdefault(key, run)
    return list(found.values())


def environments(source: Source) -> list[Environment]:
    """The machines and packages behind the runs, the most frequent first."""
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    for run in source.table.runs:
        if run.status == "complete":
            origin = source.records[run.job_id]["provenance"]
            facts = {
                "device": origin["device"],
                "platform": origin.get("platform", "not recorded"),
                "Python": origin.get("python", "not recorded"),
                "packages": packages_of(origin) or "not recorded",
                "code": commit(origin["code"]),
            }
            counts[tuple(facts.items())] += 1
    return [Environment(runs, facts) for facts, runs in counts.most_common()]
