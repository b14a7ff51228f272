"""Benchmarks from Python: run one, or open one that was run."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from bench.api.own_table import Data, own_data
from bench.api.results import Results, results_of
from bench.commands.archive import open_results
from bench.commands.arguments import policy_of
from bench.commands.console import called_from_python
from bench.commands.run import carry_out
from bench.config import resolve
from bench.errors import ArgumentError, BenchWarning
from bench.report.model.measures import MAIN, Measure, measures_named
from bench.report.model.registered import with_registered_names
from bench.report.writers.write import write_report
from bench.spec import split_list

DEFAULT_METHODS = ("vanilla", "balanced_softmax", "ecfp_forest", "calibrated_stack")
# Options of the command line of which a call may speak as they are.
_POLICY = {
    "max_minutes": None,
    "retries": 3,
    "retry_failed": False,
    "force": False,
    "keep_changed": False,
}
_FILE = ("delimiter", "sheet", "max_bad", "conflicts", "split_column", "date_column")


def compare(
    data: Data,
    *,
    smiles: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    protein: str | None = None,
    label_cut: str | float | Sequence[float] | None = None,
    standardise: bool = False,
    methods: str | Sequence[str] = DEFAULT_METHODS,
    splits: str | Sequence[str] = ("random",),
    seeds: Sequence[int] = (0, 1, 2),
    backbones: str | Sequence[str] | Mapping[str, str] | None = None,
    epochs: int | None = None,
    preset: str = "quick",
    name: str | None = None,
    metrics: str | Sequence[str] | None = None,
    out: str | PathLike[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
    baselines: str | PathLike[str] | None = None,
    jobs: int | None = None,
    progress: bool = True,
    **settings: Any,
) -> Results:
    """Compare methods on a table of molecules and classes.

    The call does what the command ``python run_bench.py --data FILE`` does: each method is trained
    once for each split and seed, runs that are in the results folder are reused, and the tables
    are written there. A call that was interrupted goes on where it was.

    Parameters
    ----------
    data : DataFrame, mapping, str or path
        A frame or columns by name; a ``.csv``, ``.tsv``, ``.tab``, ``.sdf``, ``.parquet`` or
        ``.xlsx`` file, with or without ``.gz`` or ``.zip`` behind it; or the name of a registered
        data set, such as ``"chembl_target"``, without `smiles` and `label`. A frame is written
        into the results folder, so that runs can be repeated.
    smiles : str or sequence of str
        Column of SMILES; several columns are several molecules a sample. Not of an SDF file.
    label : str or sequence of str
        Column of classes: words or whole numbers. Rows without a class are left out. Several
        columns are as many data sets, ``FILE:COLUMN``; a column with one class is left out with
        a warning.
    protein : str, optional
        Column of amino-acid sequences.
    label_cut : str or number or sequence of numbers, optional
        Classes of a column of measurements: ``"<=1000"`` and what is above; ``[100, 1000]`` for
        three.
    standardise : bool
        Clean up molecules by RDKit: of several fragments the largest organic one, neutralised.
    methods : sequence of str
        Names, with options in brackets: ``"cb[beta=0.99]"``; or ``"all"``.
        ``python run_bench.py --list methods`` describes them. A method of one's own is a file,
        not a cell of a notebook: runs are processes that import it.
    splits : sequence of str
        ``"random"`` (stratified), ``"standard"`` (balanced test set), ``"scaffold"``, or any other
        that ``python run_bench.py --list splits`` names.
    seeds : sequence of int
        One run each. From two seeds on, differences between methods can be tested.
    backbones : sequence of str, optional
        Encoders of molecules, each with every method that has a network: ``["gcn", "gin"]``. A
        mapping names one encoder for each kind of input: ``{"molecule": "gin"}``.
    epochs : int, optional
        Of every run; that of the preset, 10 for ``"quick"``, when None.
    preset : str
        A set of settings by name, or the path of a YAML file.
    name : str, optional
        What tables call the data; the name of the file, or ``"frame"``, when None.
    metrics : sequence of str, optional
        Figures of the table: ``["balanced_accuracy", "mcc", "bedroc"]``;
        ``python run_bench.py --list metrics`` names all.
    out : str or path, optional
        The results folder. When None, ``results/NAME-HASH`` in the working directory, with a hash
        of the content: the same data goes on in the same folder.
    data_dir : str or path, optional
        Folder with data files of registered data sets, looked in first.
    baselines : str or path, optional
        A results folder whose finished runs of the same data, splits, seeds and training stand in
        the table too; ``"reference"`` for those that come with this project, of preset
        ``"paper"``.
    jobs : int, optional
        Runs side by side; one a core when None.
    progress : bool
        Show what goes on. Remarks are warnings of the type :class:`bench.errors.BenchWarning`
        either way.
    **settings
        Any other setting, with two underscores for each dot: ``training__batch_size=256``,
        ``device="cpu"``, ``executor="in-process"``. Also ``force=True``, ``retry_failed=True``,
        ``keep_changed=True``, ``max_minutes=60``, ``retries=3``, and of a file or frame
        ``max_bad=0.05``, ``conflicts="drop"``, ``delimiter="tab"``, ``sheet="Sheet1"``, and
        ``split_column=`` and ``date_column=``, which ``splits="column"`` and ``splits="time"``
        read.

    Returns
    -------
    Results
        Also where runs failed: they are in ``Results.failed``, and a warning names them.

    Raises
    ------
    bench.errors.UsageError
        An unknown method, split, setting or value; the nearest names are offered. It is a
        :class:`bench.errors.ArgumentError`, which is also a ValueError, where a column is not
        there. Or a file of a method was edited since this Python process read it.
    bench.errors.DataError
        The data cannot be used as asked.
    bench.errors.StoreError
        The results folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import bench
    >>> alcohols = [f"{'C' * n}O" for n in range(1, 31)]
    >>> rings = [f"{'C' * n}c1ccccc1" for n in range(12)]
    >>> results = bench.compare(
    ...     {"smiles": alcohols + rings, "class": ["alcohol"] * 30 + ["ring"] * 12},
    ...     smiles="smiles", label="class", methods=["vanilla", "ecfp_forest"], seeds=[0, 1],
    ...     epochs=1, out=tempfile.mkdtemp(), progress=False, executor="in-process",
    ... )  # fmt: skip
    >>> results.table[["method", "n"]].sort_values("method").values.tolist()
    [['ecfp_forest', 2], ['vanilla', 2]]
    """
    shown = _measures(metrics)
    policy = policy_of({key: settings.pop(key, default) for key, default in _POLICY.items()})
    options = {key: settings.pop(key) for key in _FILE if key in settings}
    if isinstance(backbones, Mapping):
        settings["backbones"] = backbones
    elif backbones is not None:
        settings["encoders"] = _names("backbones", backbones)
    overrides = {
        "methods": _names("methods", methods),
        "splits": _names("splits", splits),
        "seeds": _seeds(seeds),
        **({} if epochs is None else {"training.epochs": epochs}),
        **({} if jobs is None else {"jobs": jobs}),
        **_dotted(settings),
    }
    with called_from_python(progress=progress, on_warning=_warn):
        own = own_data(
            data,
            smiles=smiles,
            label=label,
            protein=protein,
            label_cut=label_cut,
            standardise=standardise,
            name=name,
            out=out,
            options=options,
        )
        overrides["datasets"] = own.datasets
        resolved = resolve(preset, overrides, origin="the call")
        done = carry_out(
            resolved,
            policy,
            out=own.folder,
            data_dir=None if data_dir is None else Path(data_dir),
            baselines=None if baselines is None else str(baselines),
        )
        results = results_of(done.store, with_registered_names(done.plan), shown)
        write_report(own.folder, results.source.table)
    _warn_of_failures(results)
    return results


def load_results(
    folder: str | PathLike[str],
    preset: str | None = None,
    *,
    metrics: str | Sequence[str] | None = None,
) -> Results:
    """Open the results folder of an earlier benchmark, of Python or of the command line.

    Parameters
    ----------
    folder : str or path
        Such as ``"results"``.
    preset : str, optional
        The last benchmark with this preset; the last of all when None.
    metrics : sequence of str, optional
        Figures of the table. Those that are younger than a run are computed from what is stored of
        it; what cannot be computed is NaN.

    Returns
    -------
    Results

    Raises
    ------
    bench.errors.StoreError
        There is no benchmark, or its records break a rule.
    """
    shown = _measures(metrics)
    with called_from_python(progress=False, on_warning=_warn):
        store = open_results(Path(folder))
        return results_of(store, with_registered_names(store.read_plan(preset)), shown)


def _names(argument: str, given: str | Sequence[str]) -> list[str]:
    """A list of names, also out of a single text with commas."""
    names = split_list(given) if isinstance(given, str) else list(given)
    wrong = [name for name in names if not isinstance(name, str)]
    if not names or wrong:
        raise ArgumentError(
            f"Expected names in {argument}=, but got {wrong[0]!r}."
            if wrong
            else f"Expected at least one name in {argument}=, but got none."
        )
    return names


def _measures(metrics: str | Sequence[str] | None) -> tuple[Measure, ...]:
    return MAIN if metrics is None else measures_named(_names("metrics", metrics), "metrics=")


def _seeds(given: Sequence[int]) -> list[int]:
    try:
        seeds = list(given)
        if not seeds or any(isinstance(seed, bool) or int(seed) != seed for seed in seeds):
            raise ValueError
        return [int(seed) for seed in seeds]
    except (TypeError, ValueError):
        raise ArgumentError(
            f"Expected whole numbers in seeds=, such as [0, 1, 2], but got {given!r}."
        ) from None


def _dotted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted key; an executor may be given by its name alone."""
    named = {key.replace("__", "."): value for key, value in settings.items()}
    if isinstance(named.get("executor"), str):
        named["executor.name"] = named.pop("executor")
    return named


def _warn(text: str) -> None:
    """Warn at the line that called this package."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("bench."):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, BenchWarning, stacklevel=level)


def _warn_of_failures(results: Results) -> None:
    runs = results.source.table.runs
    if failed := [run for run in runs if run.status == "failed"]:
        first, *others = failed
        more = f", and {len(others)} more in .failed" if others else ""
        _warn(f"{len(failed)} of {len(runs)} runs failed: {first.name}: {first.reason}{more}.")
