"""The source fingerprint of a run: which code trained it and made its predictions.

The code that scores them is not in it: a change there needs no training. Reports and ``verify``
score the stored predictions again with the present code, and refuse records that say otherwise.

The fingerprint is recorded and not part of a job id. A run of an equal id and another fingerprint
is run again, unless the user keeps it, or ``verify --repeat`` shows that the change changes no
figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from bench.backbone import BACKBONES
from bench.dataset import DATASETS
from bench.method import METHODS
from bench.registry import Registry
from bench.sources import edited, is_installed, sources_of
from bench.split import SPLITS
from bench.sweep.plan import Job
from bench.training.selector import FIGURES
from bench.training.settings import SELECT_BY

Json = Mapping[str, Any]

# What trains and predicts for every method: featuriser, network, loop.
_SHARED = ("bench.data.prepared_arrays", "bench.models.network", "bench.training.run")
# Rooms whose code can change a prediction. Others word, check, store and show.
_ROOMS = (
    "bench.backbone",
    "bench.backbones",
    "bench.data",
    "bench.dataset",
    "bench.method",
    "bench.metrics",
    "bench.models",
    "bench.seeds",
    "bench.split",
    "bench.training",
    "bench.datasets",
    "bench.losses",
    "bench.methods",
)
# By the names that code has for them.
_REGISTRIES: Mapping[str, Any] = {
    "BACKBONES": BACKBONES, "DATASETS": DATASETS, "METHODS": METHODS, "SPLITS": SPLITS,
}  # fmt: skip
# Of files that have changed, those that a sentence names.
_NAMED = 4


def sources_of_job(job: Job) -> dict[str, str]:
    """File to hash of all code behind the figures of `job`, as it is now.

    These are the modules of method, data set, split and encoders with what they import, and what
    all runs share: featuriser, network and training. Runs that it depends on are included.
    """
    found = _own_sources(job)
    for needed in job.requires.values():
        found |= sources_of_job(needed)
    return dict(sorted(found.items()))


def sources_of_run(job: Job, read: Callable[[str], Json | None]) -> dict[str, str]:
    """What to record of `job`: its code now, and that recorded of the runs it depends on.

    Those may have been made by other code and kept. Nothing, where one of them does not say.

    Parameters
    ----------
    job : Job
    read : callable
        Gives the stored record of a job id.
    """
    found = _own_sources(job)
    for needed in job.requires.values():
        recorded = (read(needed.job_id) or {}).get("sources")
        if not recorded:
            return {}
        found |= recorded
    return dict(sorted(found.items()))


def sources_of_model(method: str, backbones: Iterable[str]) -> dict[str, str]:
    """File to hash of the code by which a model of these plug-ins predicts, as it is now."""
    modules = _modules(METHODS, method).union(*(_modules(BACKBONES, name) for name in backbones))
    return dict(_sources(frozenset(modules)))


def edited_files_of(jobs: Iterable[Job]) -> list[str]:
    """Files behind `jobs` that were edited since this process read them.

    Runs, which are other processes, may have the new code, and what plans them has the old.
    """
    behind = {file for job in jobs for file in sources_of_job(job)}
    return edited(behind)


def changed_files(record: Json, now: Mapping[str, str]) -> tuple[str, ...] | None:
    """Files whose code has changed since the run of `record` was made or last confirmed.

    Parameters
    ----------
    record : mapping
        Of a finished run.
    now : mapping of str to str
        :func:`sources_of_job` of its job.

    Returns
    -------
    tuple of str or None
        None where the record does not say which code made it.
    """
    before = record.get("sources")
    if not before:
        return None
    files = before.keys() | now.keys()
    return tuple(sorted(file for file in files if before.get(file) != now.get(file)))


def changes_in_words(changes: Iterable[tuple[str, ...] | None]) -> list[str]:
    """Which files have changed, those behind most runs first, and since how many runs.

    `changes` holds what :func:`changed_files` gave of each run; runs without a change do not count.
    """
    sets = Counter(files for files in changes if files != ())
    unknown = sets.pop(None, 0)
    runs: Counter[str] = Counter()
    for files, count in sets.items():
        runs.update(dict.fromkeys(files or (), count))
    lines = []
    if runs:
        most = sorted(runs, key=lambda file: (-runs[file], file))
        others = f" and {len(most) - _NAMED} more" if len(most) > _NAMED else ""
        verb = "has" if len(most) == 1 else "have"
        fewer = ", some since fewer" if len(sets) > 1 else ""
        named = ", ".join(most[:_NAMED])
        lines.append(f"{named}{others} {verb} changed since {sets.total()} of these runs{fewer}.")
    if unknown:
        lines.append(f"The code that made {unknown} of these runs is not recorded.")
    return lines


def registering_modules(job: Job) -> set[str]:
    """Modules that registered the plug-ins of `job` and of the runs that it depends on.

    Those of installed packages are left out: an entry point may do more than such a module.
    """
    own = {
        entry.module
        for registry, name in _plugins(job)
        if registry.is_own(entry := registry.get(name))
    }
    return own.union(*(registering_modules(needed) for needed in job.requires.values()))


def _plugins(job: Job) -> list[tuple[Registry[Any], str]]:
    return [
        (DATASETS, job.dataset.name),
        (SPLITS, job.split.name),
        (METHODS, job.method.name),
        *((BACKBONES, part.name) for part in job.backbones.values()),
    ]


def _own_sources(job: Job) -> dict[str, str]:
    modules = {module for registry, name in _plugins(job) for module in _modules(registry, name)}
    if job.training.select_by != SELECT_BY:  # otherwise what scores a run stands behind none
        modules.add(FIGURES)
    return dict(_sources(frozenset(modules)))


@cache
def _sources(plugins: frozenset[str]) -> Mapping[str, str]:
    # A package from outside counts as a whole room: nobody here knows what of it matters.
    outside = {name.partition(".")[0] for name in plugins} - {"bench"}
    return sources_of([*_SHARED, *plugins], within=[*_ROOMS, *outside], registered=_registered)


def _modules(registry: Registry[Any], name: str) -> set[str]:
    """Those of a plug-in; a class of PyTorch that it derives from is no part of it."""
    entry = registry.get(name)
    return {entry.module, *(one for one in entry.modules if not is_installed(one))} - {""}


def _registered(registry: str, name: str) -> set[str]:
    """Those of a plug-in that code looks up by its name."""
    known = _REGISTRIES.get(registry)
    return _modules(known, name) if known is not None and name in known else set()


# Hashed when this is imported: the server from which runs are forked holds the code of that moment.
sources_of(_SHARED, within=_ROOMS)
