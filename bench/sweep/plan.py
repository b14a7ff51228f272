"""From settings to jobs: the grid of data set, split, method and seed, each with a content hash."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from types import MappingProxyType
from typing import Any, TypeVar

from bench.backbone import BACKBONES
from bench.compliance.identity import job_id_of
from bench.config import BackboneSettings, Resolved, Settings
from bench.dataset import DATASETS, Dataset
from bench.errors import DataError, UnavailableError, UnknownNameError, UsageError
from bench.method import GROUPS, METHODS, Method, usable_methods
from bench.options import FOLD, Options
from bench.plugin_files import plugin_files
from bench.spec import (
    ENCODER,
    Spec,
    check_options,
    label_and_encoder,
    parse_spec,
    spec_of,
    specs_of_lists,
    without_encoder,
)
from bench.split import SPLITS
from bench.strict_yaml import parse_value
from bench.sweep.raw_samples import with_checked_samples
from bench.titles import method_title
from bench.training.settings import TrainingSettings, rule_of


@dataclass(frozen=True)
class Part:
    """A plug-in of a run with its checked options."""

    name: str
    label: str
    options: Options
    facts: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Name, label, full options and version."""
        return {
            "name": self.name,
            "label": self.label,
            "options": self.options.model_dump(mode="json"),
            "version": self.facts["version"],
        }


P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class MethodPart(Part):
    """A method, and the methods whose runs it depends on, by role.

    `backbone` is its encoder of molecules where that is not the grid's. A method without a network
    does not `follow` the grid's.
    """

    requires: Mapping[str, MethodPart]
    contrastive: bool
    backbone: Part | None = None
    follows: bool = True


@dataclass(frozen=True)
class Grid:
    """What the settings ask for, every name and option checked."""

    datasets: tuple[Part, ...]
    splits: tuple[Part, ...]
    methods: tuple[MethodPart, ...]
    backbones: Mapping[str, Part]
    seeds: tuple[int, ...]
    training: TrainingSettings
    contrastive_batch_size: int


@dataclass(frozen=True)
class Job:
    """One run. `job_id` is a hash of everything that can change its result.

    Refactoring does not change the hash; raising the version of a data set, split, method,
    backbone, the featuriser or the training loop does. Hardware and library versions are not part
    of it: they are recorded as provenance.
    """

    dataset: Part
    split: Part
    method: MethodPart
    backbones: Mapping[str, Part]
    seed: int
    training: TrainingSettings
    content_sha256: str
    requires: Mapping[str, Job]

    @cached_property
    def job_id(self) -> str:
        return job_id_of(self.to_json(), self.content_sha256)

    @property
    def title(self) -> str:
        """Row heading."""
        return method_title(self.method.label, self.encoder)

    @property
    def encoder(self) -> str:
        """Label of the encoder of molecules; nothing where none has a say."""
        part = self.backbones.get("molecule") if self.method.follows else None
        return "" if part is None else part.label

    def describe(self) -> str:
        """One line for people."""
        return f"{self.dataset.label} · {self.split.label} · {self.method.label} · seed {self.seed}"

    def to_json(self) -> dict[str, Any]:
        """Everything asked of this run, as plain values."""
        return {
            "dataset": self.dataset.to_json(),
            "split": self.split.to_json(),
            "method": self.method.to_json(),
            "backbones": {kind: part.to_json() for kind, part in self.backbones.items()},
            "seed": self.seed,
            "training": self.training.model_dump(mode="json"),
            "requires": {role: job.job_id for role, job in self.requires.items()},
        }


def expand(settings: Settings) -> Grid:
    """Look up every name and check every option; nothing is read or written.

    Raises
    ------
    UsageError
        An unknown name or option (the nearest are offered), or the same thing asked for twice.
    """
    datasets = [
        _dataset_part(spec)
        for text in settings.datasets
        for spec in _specs(DATASETS, parse_spec(text))
    ]
    splits = [
        _split_part(spec, settings)
        for text in settings.splits
        for spec in _specs(SPLITS, _with_folds(parse_spec(text)))
    ]
    usual = _encoder_part(settings.backbones.molecule)
    encoders = _unique("backbone", [_encoder_part(text) for text in settings.encoders])
    methods = [
        method_part(spec, settings.method_options, usual=usual, encoder=encoder)
        for text in settings.methods
        for spec in _methods_named(text)
        for encoder in encoders or [usual]
    ]
    unknown = set(settings.method_options) - set(METHODS.names())
    if unknown:
        raise UnknownNameError("method", min(unknown), METHODS.names(), where="method_options")
    backbones = {
        kind: _part(BACKBONES, parse_spec(text), "backbone")
        for kind, text in settings.backbones.model_dump().items()
    }
    for kind, part in backbones.items():
        if part.facts["entity"] != kind:
            raise UsageError(
                f"Expected a backbone for a {kind}, but {part.name!r} encodes a "
                f"{part.facts['entity']}. Choose another in backbones.{kind}."
            )
    return Grid(
        datasets=_unique("data set", datasets),
        splits=_unique("split", splits),
        methods=_unique("method", methods, merge=True),
        backbones=backbones,
        seeds=settings.seeds,
        training=settings.training,
        contrastive_batch_size=settings.contrastive_batch_size or settings.training.batch_size,
    )


def make_jobs(
    grid: Grid, content_sha256: Mapping[str, str], entity_kinds: Mapping[str, Sequence[str]]
) -> list[Job]:
    """Jobs in the order of the grid: data set, split, seed, method.

    Parameters
    ----------
    grid : Grid
    content_sha256 : mapping
        Data set label to the checksum of its samples (:attr:`PreparedData.content_sha256`).
    entity_kinds : mapping
        Data set label to the kinds of entity it has; only their backbones belong to the job.

    Raises
    ------
    UsageError
        Two of the jobs are the same run.
    DataError
        A method cannot take the inputs of a data set.
    """

    def make(dataset: Part, split: Part, seed: int, method: MethodPart) -> Job:
        cls = METHODS.get(method.name).cls
        if reason := cls.refusal(method.options, entity_kinds[dataset.label]):
            raise DataError(f"{dataset.label} · {method.label}: {reason}")
        training = grid.training
        if method.contrastive:
            training = training.model_copy(update={"batch_size": grid.contrastive_batch_size})
        kinds = sorted(set(entity_kinds[dataset.label]))
        backbones = dict(grid.backbones)
        if not method.follows:  # no other encoder may give another id to the same run
            backbones["molecule"] = _encoder_part(BackboneSettings().molecule)
        elif method.backbone is not None:
            backbones["molecule"] = method.backbone
        return Job(
            dataset=dataset,
            split=split,
            method=method,
            backbones={kind: backbones[kind] for kind in kinds},
            seed=seed,
            training=training,
            content_sha256=content_sha256[dataset.label],
            requires={
                role: make(dataset, split, seed, needed) for role, needed in method.requires.items()
            },
        )

    jobs = [
        make(*combination)
        for combination in product(grid.datasets, grid.splits, grid.seeds, grid.methods)
    ]
    _refuse_equal(jobs)
    return jobs


def _refuse_equal(jobs: Sequence[Job]) -> None:
    """Two rows or columns of a table must not be one and the same run."""
    known: dict[str, Job] = {}
    for job in jobs:
        other = known.setdefault(job.job_id, job)
        if other is not job:
            raise UsageError(
                f"Expected different runs, but {other.describe()} and {job.describe()} are the "
                "same by content. Leave one out."
            )


def with_required(jobs: Sequence[Job]) -> list[Job]:
    """`jobs` and every job they depend on, each once and after those that it depends on."""
    ordered: dict[str, Job] = {}

    def add(job: Job) -> None:
        for needed in job.requires.values():
            add(needed)
        ordered.setdefault(job.job_id, job)

    for job in jobs:
        add(job)
    return list(ordered.values())


def require_packages(jobs: Sequence[Job]) -> None:
    """Raise an :class:`.UnavailableError` where a method of `jobs` lacks a package."""
    for job in jobs:
        if reason := METHODS.get(job.method.name).cls.missing():
            raise UnavailableError(
                f"The method {job.method.name!r} cannot be trained here: {reason}"
            )


def left_out(methods: Sequence[str]) -> dict[str, str]:
    """What ``all`` or the name of a group among `methods` leaves out, and why."""
    return {
        entry.name: reason
        for entry in METHODS
        if (reason := entry.cls.missing()) and not {"all", entry.facts["group"]}.isdisjoint(methods)
    }


def _methods_named(text: str) -> list[Spec]:
    """The specs meant by a name, by ``all``, or by the name of a group."""
    if text == "all" or text in GROUPS:
        usable = usable_methods()
        return [Spec(name) for name in usable if text in ("all", METHODS.get(name).facts["group"])]
    return _specs(METHODS, parse_spec(text))


def _specs(registry: Any, spec: Spec) -> list[Spec]:
    """What `spec` asks for: several where an option is a list of values."""
    return specs_of_lists(spec, registry.get(spec.name).cls.options_type)


def _with_folds(spec: Spec) -> Spec:
    """The folds of a split that has some, where `spec` names none."""
    folds = SPLITS.get(spec.name).cls.folds
    if not folds or FOLD in spec.options:
        return spec
    return Spec(spec.name, {**spec.options, FOLD: list(range(folds))})


def _with_options(spec: Spec, method_options: Mapping[str, Mapping[str, Any]]) -> Spec:
    """Options in brackets are stronger than the settings' `method_options`."""
    return Spec(spec.name, {**method_options.get(spec.name, {}), **spec.options})


def dataset_part(text: str) -> Part:
    """The data set that the command line calls `text`.

    A data set may choose its own label, as a file of the user's does.

    Raises
    ------
    UsageError
        An unknown name or option.
    """
    return _dataset_part(parse_spec(text))


def _dataset_part(spec: Spec) -> Part:
    part = _part(DATASETS, spec, "data set")
    own = open_dataset(part).label()
    return part if own is None else replace(part, label=own)


def open_dataset(part: Part) -> Dataset:
    """The data set object of a job's or a grid's data set, whose samples are checked."""
    return with_checked_samples(DATASETS.get(part.name).cls(part.options))


def _encoder_part(text: str) -> Part:
    """An encoder of molecules.

    Raises
    ------
    UsageError
        An unknown name or option, or an encoder of something else.
    """
    part = _part(BACKBONES, parse_spec(str(text)), "backbone")
    if part.facts["entity"] != "molecule":
        raise UsageError(
            f"Expected a backbone for a molecule, but {part.name!r} encodes a "
            f"{part.facts['entity']}. Choose another, or set backbones.{part.facts['entity']}."
        )
    return part


def method_part(
    spec: Spec,
    method_options: Mapping[str, Mapping[str, Any]],
    above: tuple[str, ...] = (),
    *,
    usual: Part | None = None,
    encoder: Part | None = None,
) -> MethodPart:
    """A method with the methods it requires; shared options hold for those too.

    So does the encoder of molecules: the one in the brackets of `spec`, or else `encoder`. What a
    label does not name is `usual`, the grid's.
    """
    asked = spec
    spec, named = without_encoder(spec)
    if named is not None:
        encoder = _encoder_part(named)
    if usual is not None and encoder is not None and _same(encoder, usual):
        encoder = None
    if spec.name in above:
        raise UsageError(
            f"Expected methods that are built on others, but {' > '.join((*above, spec.name))} "
            "comes back to itself. Name another method within the brackets."
        )
    part = _part(METHODS, _with_options(spec, method_options), "method", spec.label)
    cls = METHODS.get(spec.name).cls
    needed = {role: parse_spec(text) for role, text in cls.requires(part.options).items()}
    within = (*above, spec.name)
    try:
        requires = {
            role: method_part(other, method_options, within, usual=usual, encoder=encoder)
            for role, other in needed.items()
        }
    except UsageError as error:
        # Said once, with what was typed; without options, nobody typed the other method.
        if above or not spec.options:
            raise
        raise UsageError(f"{asked.label}: {error}") from None
    follows = issubclass(cls, Method) or any(
        requires[role].follows and ENCODER not in other.options for role, other in needed.items()
    )
    if named is not None and not follows:
        raise UsageError(
            f"Expected no {ENCODER} for {spec.name!r}, which has no network that follows it, but "
            f"got {asked.label!r}. Leave it out."
        )
    backbone = encoder if follows else None
    label = part.label
    if backbone is not None:
        label = Spec(spec.name, {**spec.options, ENCODER: backbone.label}).label
    return MethodPart(
        part.name, label, part.options, part.facts, requires, cls.contrastive, backbone, follows
    )


def _same(one: Part | None, other: Part | None) -> bool:
    """Whether both are the same plug-in with equal options, however they are written."""
    if one is None or other is None:
        return one is other
    return (one.name, one.options) == (other.name, other.options)


def _split_part(spec: Spec, settings: Settings) -> Part:
    """A split takes from the shared split settings the ones that it knows."""
    known = SPLITS.get(spec.name).cls.options_type.model_fields
    changed = settings.split.model_dump(exclude_defaults=True)
    shared = {key: value for key, value in changed.items() if key in known}
    return _part(SPLITS, Spec(spec.name, {**shared, **spec.options}), "split")


def _part(registry: Any, spec: Spec, kind: str, label: str | None = None) -> Part:
    entry = registry.get(spec.name)
    options = check_options(entry.cls.options_type, spec, kind)
    return Part(spec.name, label or spec.label, options, entry.facts)


def _unique(kind: str, parts: Sequence[P], *, merge: bool = False) -> tuple[P, ...]:
    """`parts` without repetitions; unless `merge`, a repetition is refused.

    The same plug-in with equal options is a repetition however it is written, since it would be
    the same run; two different things under one label would be one row, and are always refused.
    """
    unique: list[P] = []
    for part in parts:
        same = [
            other
            for other in unique
            if _same(other, part)
            and _same(getattr(other, ENCODER, None), getattr(part, ENCODER, None))
        ]
        if same and not merge:
            raise UsageError(f"The {kind} {part.label!r} is asked for twice.")
        if not same and any(other.label == part.label for other in unique):
            raise UsageError(f"Two different {kind}s are called {part.label!r}. Rename one.")
        if not same:
            unique.append(part)
    return tuple(unique)


def plan_document(
    resolved: Resolved,
    jobs: Sequence[Job],
    kept: Mapping[str, Sequence[str] | None] = MappingProxyType({}),
    trials: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The plan as reports read it: the settings for the caption, and an entry for each job.

    `kept` names, by job id, the files that have changed since a run that is reused all the same;
    None where it is not known which code made it. `trials` says how settings were chosen.
    """
    training = resolved.settings.training
    return {
        "schema": 1,
        "settings": {
            "preset": resolved.preset,
            **({} if resolved.program is None else {"program": resolved.program}),
            **({"plugins": plugins} if (plugins := [*map(str, plugin_files())]) else {}),
            "epochs": training.epochs,
            "batch_size": training.batch_size,
            "learning_rate": training.learning_rate,
            "weight_decay": training.weight_decay,
            "schedule": training.schedule,
            "seeds": list(resolved.settings.seeds),
            "method_options": _changed_options(jobs),
            "backbones": {
                kind: parse_spec(getattr(resolved.settings.backbones, kind)).label
                for kind in dict.fromkeys(kind for job in jobs for kind in job.backbones)
            },
            **({} if trials is None else {"trials": trials}),
            "selection": rule_of(training.select_by),
            "datasets": {job.dataset.label: _as_asked(job.dataset) for job in jobs},
            "given": [
                f"{key}={_text(value)}"
                for key, value in sorted(resolved.given.items())
                if key.partition(".")[0] not in _GRID_OR_PLACE
            ]
            # Labels say what was chosen: a repeat of an entry needs neither trials nor encoders of
            # the preset's.
            + ["trials.number=null"]
            * (trials is not None and "trials.number" not in resolved.given)
            + ["encoders=[]"]
            * (bool(resolved.settings.encoders) and "encoders" not in resolved.given),
        },
        "jobs": [
            {
                "job_id": job.job_id,
                "dataset": job.dataset.name,
                "dataset_label": job.dataset.label,
                "split": job.split.name,
                "split_label": job.split.label,
                "method": job.method.name,
                "method_label": job.method.label,
                "title": job.title,
                "group": job.method.facts["group"],
                "backbone": job.encoder,
                "seed": job.seed,
                **({"changed": list(kept[job.job_id] or ())} if job.job_id in kept else {}),
            }
            for job in jobs
        ],
    }


# Settings of the command line that say which cells, where they are run, or what is kept.
_GRID_OR_PLACE = frozenset(
    (
        "datasets",
        "methods",
        "encoders",
        "splits",
        "seeds",
        "jobs",
        "device",
        "deterministic",
        "executor",
        "trials",
        "keep_models",
        "track",
    )
)


def _text(value: Any) -> str:
    """`value` as the command line reads it."""
    if isinstance(value, str) and parse_value(value) == value:
        return value
    return json.dumps(value)


def _as_asked(dataset: Part) -> str:
    """The data set as the command line names it; a file of the user's by the path that was typed.

    Options that are no part of a run's identity, such as that path, stand in no label.
    """
    fields = type(dataset.options).model_fields
    if not any(field.exclude for field in fields.values()):
        return dataset.label
    inside = {
        name: value
        for name, field in fields.items()
        if (value := getattr(dataset.options, name)) != field.get_default()
    }
    return f"{dataset.name}[{','.join(f'{key}={_inside(inside[key])}' for key in inside)}]"


_PLAIN = re.compile(r"[\w./~ +-]+")


def _inside(value: Any) -> str:
    """`value` as it is read within the brackets of a data set, with quotes where it needs them."""
    if isinstance(value, tuple):
        return f"[{','.join(map(_inside, value))}]"
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return json.dumps(value, ensure_ascii=False)
    return _text(value)


def _changed_options(jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """Options that differ from a method's defaults without standing in its label, by label."""
    return {
        job.method.name: changed
        for job in jobs
        if job.method.name == label_and_encoder(job.method.label)[0]
        and (changed := spec_of(job.method.name, job.method.options).options)
    }
