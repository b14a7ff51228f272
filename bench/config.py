"""Settings of a benchmark: preset and command line, merged, checked, each value with its origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from bench.errors import UnknownNameError, UsageError
from bench.options import Options
from bench.spec import explain
from bench.strict_yaml import load_yaml
from bench.training.settings import SELECT_BY, TrainingSettings

PRESETS = Path(__file__).parent / "presets"


class SplitSettings(Options):
    """Choices that hold for every split that knows them."""

    return_surplus: bool = Field(
        False, description="standard split: give surplus test samples back to training"
    )
    group_duplicates: bool = Field(
        False, description="keep equal molecules or reactions in one set"
    )


class BackboneSettings(Options):
    """Encoders by kind of entity, each NAME or NAME[key=value]."""

    molecule: str = Field("gcn", description="encoder of molecules")
    protein: str = Field("conjoint_triad", description="encoder of proteins")
    category: str = Field("category", description="encoder of categories")


class ExecutorSettings(Options):
    """Where runs are executed; none of it changes a result."""

    name: Literal["local", "ray", "slurm", "submitit-local", "in-process"] = Field(
        "local",
        description="local processes, a Ray cluster, SLURM, SLURM's way tried on this machine, or "
        "one run after the other in this process, for a debugger",
    )
    address: str | None = Field(
        None, description="ray: HOST:PORT of the cluster, or auto; none: one is started here"
    )
    gpus: int | float | None = Field(
        None,
        ge=0,
        le=64,
        description="ray, slurm: GPUs that a run asks for, on ray also a part of one, such as "
        "0.25; none: one where the device is cuda, none otherwise",
    )
    memory_gb: int = Field(4, ge=1, le=4096, description="slurm: memory that a run asks for")
    minutes: int = Field(720, ge=1, le=100_000, description="slurm: time limit of a run")
    partition: str | None = Field(None, description="slurm: partition")
    account: str | None = Field(None, description="slurm: account")
    qos: str | None = Field(None, description="slurm: quality of service")
    sbatch: dict[str, str | int] = Field(
        default_factory=dict, description="slurm: any other option of sbatch, such as constraint"
    )


Seed = Annotated[int, Field(ge=0)]


class TrialSettings(Options):
    """A search for the settings of each method before the table, on validation alone."""

    number: int | None = Field(
        None, ge=1, le=10_000, description="trials of each method, the first its defaults"
    )
    seed: Seed = Field(100, description="of the trials; no seed of the table")
    sampler: Literal["random", "tpe"] = Field(
        "random", description="draws at random, or proposals by Optuna from the trials before"
    )


class Settings(Options):
    """Everything a benchmark run depends on."""

    datasets: tuple[str, ...] = Field(("chembl_target",), min_length=1)
    methods: tuple[str, ...] = Field(("all",), min_length=1)
    splits: tuple[str, ...] = Field(("random", "standard"), min_length=1)
    seeds: tuple[Seed, ...] = Field((0,), min_length=1)
    training: TrainingSettings = TrainingSettings()
    contrastive_batch_size: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="samples a training step of contrastive methods; default: as of all others",
    )
    split: SplitSettings = SplitSettings()
    backbones: BackboneSettings = BackboneSettings()
    encoders: tuple[str, ...] = Field(
        (), description="encoders of molecules, each with every method; none: backbones.molecule"
    )
    method_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="options of a method wherever its plain name is run"
    )
    jobs: int = Field(
        0,
        ge=0,
        le=4096,
        description="runs side by side; 0: one a core, on a GPU also at most as many as its free "
        "memory bears, 16, and 4 without MPS; or the cluster's queue",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="of every run; runs side by side share GPUs, in turn where there are several. "
        "auto: the CPU, but GPUs where the runs would use fewer than 8 cores; on a cluster where "
        "executor.gpus asks for them",
    )
    deterministic: bool = Field(
        True,
        description="cuda: only algorithms that repeat bit for bit; an operation without one is an "
        "error",
    )
    keep_models: Literal["best", "all", "none"] = Field(
        "all",
        description="models of finished runs that are kept, besides those that others depend on. "
        "best: of each data set, split, method and encoder the seed that is best on validation; "
        "of trials none",
    )
    executor: ExecutorSettings = ExecutorSettings()
    trials: TrialSettings = TrialSettings()
    track: tuple[str, ...] = Field(
        (), description="who is told of every epoch: csv, tensorboard, mlflow, or a plug-in"
    )


@dataclass(frozen=True)
class Resolved:
    """Checked settings and where each value came from.

    `origins` maps dotted keys such as ``"training.epochs"`` to ``"default"``,
    ``"preset quick"`` or ``"command line"``; `given` maps those of the command line, or of a call
    from Python, to their values. `program` is the path of ``run_bench.py`` as it was typed, where
    it holds a folder, or the name of the installed command.
    """

    settings: Settings
    origins: dict[str, str]
    preset: str
    given: dict[str, Any]
    program: str | None = None


def resolve(preset: str, overrides: Mapping[str, Any], origin: str = "command line") -> Resolved:
    """Merge defaults, the preset and `overrides` (dotted keys from the command line).

    Parameters
    ----------
    preset : str
        Name of a file in ``bench/presets``, or the path of a YAML file.
    overrides : mapping
        Dotted key to value, stronger than the preset.
    origin : str
        Where the overrides come from, as messages name it.

    Raises
    ------
    UsageError
        No such preset, unreadable YAML, unknown key, wrong type or value.
    """
    values = _flatten(load_yaml(preset_path(preset)))
    origins = dict.fromkeys(values, f"preset {preset}")
    given = _flatten(overrides)
    values.update(given)
    origins.update(dict.fromkeys(given, origin))
    try:
        settings = Settings.model_validate_json(json.dumps(_nest(values)))
    except (ValidationError, TypeError, ValueError) as error:
        raise UsageError(f"Settings: {explain(error, Settings, origins)}") from None
    _check_unique("seeds", settings.seeds)
    check_figure(settings.training.select_by)
    return Resolved(settings, origins, preset, given)


def describe(resolved: Resolved) -> list[tuple[str, str, str]]:
    """(dotted key, value, origin) for every setting, in order of declaration."""
    rows = _flatten(resolved.settings.model_dump(mode="json"))
    rows.setdefault("training.select_by", resolved.settings.training.select_by)
    return [
        (key, json.dumps(value), resolved.origins.get(key, "default"))
        for key, value in rows.items()
    ]


def preset_names() -> list[str]:
    """Names of the presets that come with the benchmark."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def preset_path(preset: str) -> Path:
    """File of a preset given by name or path."""
    if preset in preset_names():
        return PRESETS / f"{preset}.yaml"
    if preset.endswith((".yaml", ".yml")):
        return Path(preset)
    raise UnknownNameError("preset", preset, preset_names(), where="--preset; or a .yaml file")


# Values below these keys are free-form mappings, kept whole.
_LEAVES = frozenset({"method_options", "executor.sbatch"})


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        inner = {name: value}
        if isinstance(value, Mapping) and value and name not in _LEAVES:
            inner = _flatten(value, f"{name}.")
        repeated = set(flat) & set(inner)
        if repeated:
            raise UsageError(f"The setting {min(repeated)!r} stands twice.")
        flat.update(inner)
    return flat


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        place = nested
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise UsageError(f"Setting {key!r}: {part!r} is a value, not a group of settings.")
        place[last] = value
    return nested


def _check_unique(key: str, values: tuple[int, ...]) -> None:
    if len(set(values)) != len(values):
        raise UsageError(f"Expected each of {key} once, but got {list(values)}.")


def check_figure(name: str) -> None:
    """Raise an :class:`.UnknownNameError` where no validation figure has this name."""
    if name == SELECT_BY:
        return
    from bench.metrics.evaluation import FIGURES  # SciPy takes its time

    if name not in FIGURES:
        raise UnknownNameError("figure", name, FIGURES, where="--select-by")
