"""Check methods and encoders against what all of them must do."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.text import Text

from bench.backbone import BACKBONES
from bench.checkout import PROGRAM
from bench.commands.console import console
from bench.conformance.encoder import EncoderUnderTest
from bench.conformance.run import VERDICTS, Result, encoder_of, run_checks, subject_of
from bench.conformance.subject import MethodUnderTest
from bench.conformance.trial import FinishedRuns
from bench.dataset import DATASETS
from bench.errors import UnknownNameError, UsageError
from bench.method import METHODS
from bench.plugin_files import import_file, plugin_files, reason_of
from bench.registry import Registry
from bench.spec import parse_spec
from bench.training.run import choose_device

_STYLES = {"ok": "green", "failed": "bold red", "skipped": "dim"}
_REGISTRIES: tuple[Registry[Any], ...] = (METHODS, BACKBONES)


def check_named(names: Sequence[str], device: str = "cpu") -> int:
    """Run the checks on each method or encoder and print a line as each ends.

    Parameters
    ----------
    names : sequence of str
        Registered methods and encoders, with options in brackets or without, or paths of Python
        files.
    device : str
        Where networks are trained: auto, cpu or cuda.

    Returns
    -------
    int
        0 when nothing failed, else 1.
    """
    # As in every run: one thread.
    torch.set_num_threads(1)
    chosen = choose_device(device)
    finished = FinishedRuns()

    def subject(text: str, registry: Registry[Any]) -> MethodUnderTest | EncoderUnderTest:
        if registry is BACKBONES:
            return encoder_of(text, chosen)
        return subject_of(text, finished, chosen)

    found = [
        pair
        for name in names
        for pair in (
            _registered_by(Path(name)) if name.endswith(".py") else [(name, _registry_of(name))]
        )
    ]
    # All names are looked up before the first check runs.
    subjects = [(text, subject(text, registry)) for text, registry in found]
    failures = [_check(text, subject) for text, subject in subjects]
    return 1 if any(failures) else 0


def _registry_of(text: str) -> Registry[Any]:
    """Whether `text` names a method or an encoder.

    Raises
    ------
    UsageError
        It names neither, or both, or what a file of the user's might have registered.
    UnavailableError
        It names one that cannot be imported.
    """
    name = parse_spec(text).name
    known = [registry for registry in _REGISTRIES if name in registry]
    if len(known) > 1:
        files = " and ".join(registry.get(name).origin for registry in known)
        raise UsageError(
            f"Expected the name of one method or encoder, but {name!r} names both: {files}. "
            "Give the path of the file, or rename one."
        )
    if known:
        return known[0]
    for registry in _REGISTRIES:
        if name in registry.unavailable():
            return registry
    for path in plugin_files():
        if reason := METHODS.unavailable().get(path.stem):
            raise UsageError(f"Expected {path} to be importable, but got {reason}.")
    raise UnknownNameError(
        "method or encoder", name, [other for registry in _REGISTRIES for other in registry.names()]
    )


def _check(text: str, subject: MethodUnderTest | EncoderUnderTest) -> int:
    """Print a line a check and a summary; the number of failures.

    Of checks that are skipped for the same reason the first is shown.
    """
    console.print(text, style="bold")
    results: list[Result] = []
    for result in run_checks(subject):
        again = result.verdict == "skipped" and result.text in {one.text for one in results}
        results.append(result)
        if not again:
            _show(result)
    counts = Counter(result.verdict for result in results)
    console.print(
        f"  {', '.join(f'{counts[verdict]} {verdict}' for verdict in VERDICTS)} "
        f"in {sum(result.seconds for result in results):.1f} s",
    )
    return counts["failed"]


def _show(result: Result) -> None:
    line = Text(f"  {result.verdict:8}", style=_STYLES[result.verdict])
    line.append(result.check, style="default")
    if result.text:
        line.append(f": {result.text}", style="default")
    console.print(line)


def _registered_by(path: Path) -> list[tuple[str, Registry[Any]]]:
    """What a file registers; it is imported unless it was found by itself."""
    if not path.is_file():
        raise UsageError(f"Expected the path of a Python file, but {path} is not there.")
    own, datasets = _of_file(path), _datasets_of(path)
    found_by_itself = datasets and path.resolve() not in map(Path.resolve, plugin_files())
    if not own and not datasets:
        before = {registry.kind: set(registry.names()) for registry in _REGISTRIES}
        _import(path)
        own = [
            (name, registry)
            for registry in _REGISTRIES
            for name in registry.names()
            if name not in before[registry.kind]
        ]
        datasets = _datasets_of(path)
    if datasets and not own:
        plugin = "" if found_by_itself else f"--plugin {shlex.quote(str(path))} "
        raise UsageError(
            f"Expected {path} to register a method or an encoder, but it registers data sets "
            f"alone. Describe and check one with: {PROGRAM} {plugin}data {datasets[0]}"
        )
    if not own:
        raise UsageError(
            f"Expected {path} to register a method or an encoder, but it does not. Put "
            "@register_method(...) or @register_backbone(...) before its class, as in "
            "CONTRIBUTING.md."
        )
    return own


def _of_file(path: Path) -> list[tuple[str, Registry[Any]]]:
    """What is registered already by a file."""
    return [
        (entry.name, registry)
        for registry in _REGISTRIES
        for entry in registry
        if Path(entry.origin).resolve() == path.resolve()
    ]


def _datasets_of(path: Path) -> list[str]:
    """Names of the data sets that are registered already by a file."""
    return [entry.name for entry in DATASETS if Path(entry.origin).resolve() == path.resolve()]


def _import(path: Path) -> None:
    try:
        import_file(path)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"Expected {path} to be importable, but got {reason_of(error)}."
        ) from error
