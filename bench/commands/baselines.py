"""Finished runs of another results folder, set beside the methods of a benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bench
from bench.commands.console import warn
from bench.config import Settings
from bench.errors import BenchError, StoreError, UsageError
from bench.files import kind_of
from bench.plain_text import some_of
from bench.report.document.numbers import counted
from bench.spec import parse_spec
from bench.sweep.archive import join_runs, runs_to_join
from bench.sweep.plan import Grid, Job, MethodPart, method_part, with_required
from bench.sweep.policy import Policy
from bench.sweep.store import RECORD, Store

REFERENCE = "reference"

Files = Mapping[str, bytes]
JobsOf = Callable[[Grid], list[Job]]


@dataclass(frozen=True)
class Joined:
    """Runs from elsewhere that have a place in this benchmark.

    Attributes
    ----------
    source : str
        What the user called the folder.
    jobs : tuple of Job
        Those that the benchmark does not ask for itself.
    files : mapping
        Job id to the files of a run: of `jobs`, of what they depend on, and of jobs asked for.
    labels : mapping
        Job id to the label of the method.
    """

    source: str
    jobs: tuple[Job, ...]
    files: Mapping[str, Files]
    labels: Mapping[str, str]

    @property
    def methods(self) -> list[str]:
        """Labels of the methods of the runs."""
        return list(dict.fromkeys(self.labels[job_id] for job_id in self.files))

    def records(self) -> Iterator[dict[str, Any]]:
        """Of the runs."""
        for files in self.files.values():
            yield json.loads(files[RECORD])

    def put(self, store: Store) -> None:
        """Write the runs to a results folder; what is there stays."""
        join_runs(store, self.files)

    def beside(self, store: Store) -> Joined:
        """Without the runs that the folder has of its own: those are not from elsewhere."""
        theirs = {record["job_id"]: record["checksum"] for record in self.records()}
        kept = {
            job_id: files
            for job_id, files in self.files.items()
            if (own := store.read(job_id)) is None or own["checksum"] == theirs[job_id]
        }
        return replace(self, files=kept)

    def never_trained(self, asked: Sequence[Job]) -> set[str]:
        """Ids of its runs, and of own ones in their places that no job of `asked` is or needs."""
        theirs, own = ({job.job_id for job in with_required(jobs)} for jobs in (self.jobs, asked))
        return {*self.files, *(theirs - own)}

    def in_words(self) -> str:
        """One line for the terminal."""
        return (
            f"Joined from {self.source}: {counted(len(self.files), 'finished run')} of "
            f"{counted(len(self.methods), 'method')} ({some_of(self.methods, most=12)}). Their "
            "seconds come from another machine."
        )

    def to_json(self) -> dict[str, Any]:
        """What a plan says of them."""
        return {"source": self.source, "runs": sorted(self.files)}


@dataclass(frozen=True)
class Baselines:
    """A folder of finished runs.

    Attributes
    ----------
    source : str
        What the user called it.
    files, records : mapping
        Job id to the files of a run, and to its record.
    methods : tuple of str
        Labels of the methods of its last table, or of all runs where that is not known.
    """

    source: str
    files: Mapping[str, Files]
    records: Mapping[str, Mapping[str, Any]]
    methods: tuple[str, ...]

    def join(self, jobs: Sequence[Job], grid: Grid, settings: Settings, jobs_of: JobsOf) -> Joined:
        """The runs with the data sets, splits, seeds and settings of the benchmark's `jobs`.

        Raises
        ------
        StoreError
            There is none.
        """
        asked = with_required(jobs)
        others = replace(grid, methods=tuple(self._registered(grid, settings)))
        candidates = jobs_of(others) if others.methods else []
        whole = [
            job
            for job in candidates
            if all(one.job_id in self.files for one in with_required([job]))
        ]
        if not whole:
            raise self._nothing(settings, jobs)
        found = [*with_required(whole), *(job for job in asked if job.job_id in self.files)]
        own = {job.job_id for job in jobs}
        return Joined(
            self.source,
            jobs=tuple(job for job in whole if job.job_id not in own),
            files={job.job_id: self.files[job.job_id] for job in found},
            labels={job.job_id: job.method.label for job in found},
        )

    def _registered(self, grid: Grid, settings: Settings) -> Iterator[MethodPart]:
        """The methods of the folder that are registered here, each once."""
        usual = grid.backbones.get("molecule")
        known: list[MethodPart] = []
        for label in self.methods:
            try:
                part = method_part(parse_spec(label), settings.method_options, usual=usual)
            except BenchError as error:
                warn(f"{label} of {self.source} is left out: {error}")
                continue
            if not any((part.name, part.options) == (one.name, one.options) for one in known):
                known.append(part)
                yield part

    def _nothing(self, settings: Settings, jobs: Sequence[Job]) -> StoreError:
        asked = [record["job"] for record in self.records.values()]
        files = {
            record["job"]["dataset"]["label"]: record["data"]["file"]
            for record in self.records.values()
        }
        alike = {job.dataset.label for job in jobs} & files.keys()
        read = ", ".join(f"{label} from {files[label]}" for label in sorted(alike))
        hint = f" Its samples are those of {read}; another file may hold others." * bool(read)
        there = "; ".join(
            f"{kind} {', '.join(sorted({str(value) for value in values}))}"
            for kind, values in (
                ("data sets", [job["dataset"]["label"] for job in asked]),
                ("splits", [job["split"]["label"] for job in asked]),
                ("seeds", [job["seed"] for job in asked]),
                ("epochs", [job["training"]["epochs"] for job in asked]),
            )
        )
        return StoreError(
            f"Expected runs in {self.source} with the data sets, splits, seeds and training "
            f"settings asked for (epochs {settings.training.epochs}), but there is none. It has: "
            f"{there}.{hint} Ask for some of these; those of {REFERENCE} were made with --preset "
            "paper."
        )


def open_baselines(source: str | None, policy: Policy) -> Baselines | None:
    """The finished runs of a folder, or of those that come with the benchmark.

    Raises
    ------
    UsageError
        Everything is to be run again.
    StoreError
        There are no runs, or their archive is damaged.
    """
    if source is None:
        return None
    if policy.force:
        raise UsageError("--force and --baselines exclude each other: baselines are not trained.")
    shipped = Path(bench.__file__).parents[1] / "results" / REFERENCE
    folder = shipped if source == REFERENCE else Path(source)
    if source == REFERENCE and kind_of(folder / "records.tar.xz") is None:
        raise StoreError(
            f"Expected the runs that come with the benchmark in {folder}, but they are not part "
            "of this installation. Copy records.tar.xz and records.tar.xz.sha256 from the folder "
            f"results/{REFERENCE} of the repository, and name their folder: --baselines FOLDER."
        )
    store = Store(folder)
    files, plan = runs_to_join(store)
    if not files:
        raise store.without_runs()
    records = {job_id: json.loads(own[RECORD]) for job_id, own in files.items()}
    if plan is not None:
        labels = [job["method_label"] for job in plan["jobs"]]
    else:
        labels = sorted(record["job"]["method"]["label"] for record in records.values())
    return Baselines(source, files, records, tuple(dict.fromkeys(labels)))
