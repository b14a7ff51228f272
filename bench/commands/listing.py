"""What is registered, and what the settings are."""

from __future__ import annotations

import inspect
import re
from typing import Any

from bench.backbone import BACKBONES
from bench.commands.console import console
from bench.config import PRESETS, Resolved, describe, preset_names
from bench.dataset import DATASETS
from bench.errors import UnavailableError, UsageError, nearest
from bench.method import GROUPS, METHODS
from bench.options import Choices, NotSearched, Range
from bench.registry import Entry, Registry
from bench.report.model.measures import KNOWN
from bench.split import SPLITS
from bench.strict_yaml import load_yaml
from bench.sweep.search_space import search_space

_REGISTRIES: dict[str, Registry[Any]] = {
    "methods": METHODS,
    "datasets": DATASETS,
    "splits": SPLITS,
    "backbones": BACKBONES,
}
# Lists that are no registries.
_OTHERS = ("metrics", "presets")


def show_registered(which: str, *, long: bool) -> int:
    """Print the entries of one registry or of all, and what could not be imported.

    Of anything else that is registered under the name `which`, print the card.

    Raises
    ------
    UsageError
        Nothing is called `which`.
    """
    if which not in ("all", *_OTHERS, *_REGISTRIES):
        return _show_named(which)
    for name, registry in _REGISTRIES.items():
        if which in ("all", name):
            _show(name, registry, long=long)
    if which in ("all", "metrics"):
        console.print("metrics", style="bold")
        for measure in KNOWN.values():
            console.print(f"  {measure.name:24} {measure.heading:16} {measure.says}")
    if which in ("all", "presets"):
        console.print("presets", style="bold")
        for preset in preset_names():
            settings = load_yaml(PRESETS / f"{preset}.yaml")
            summary = "; ".join(
                f"{key}: {', '.join(map(str, value))}"
                for key, value in settings.items()
                if isinstance(value, list)
            )
            console.print(f"  {preset:24} {summary}")
    return 0


def _show_named(name: str) -> int:
    found = [registry for registry in _REGISTRIES.values() if name in registry]
    reasons = [r.unavailable()[name] for r in _REGISTRIES.values() if name in r.unavailable()]
    if reasons and not found:
        raise UnavailableError(f"{name!r} cannot be used here: {reasons[0]}")
    if not found:
        kinds = ["all", *_OTHERS, *_REGISTRIES]
        known = [*kinds, *(name for registry in _REGISTRIES.values() for name in registry.names())]
        near = nearest(name, known)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(
            f"Expected one of {', '.join(kinds)}, or the name of something registered, after "
            f"--list, but got {name!r}. {hint}--list alone shows all names."
        )
    for registry in found:
        _show_entry(registry.get(name), long=True)
    return 0


def show_settings(resolved: Resolved) -> int:
    """Print each setting, its value and where it came from."""
    rows = describe(resolved)
    key_width, value_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for key, value, origin in rows:
        console.print(f"{key:{key_width}}  {value:{value_width}}  {origin}")
    return 0


def _show(name: str, registry: Registry[Any], *, long: bool) -> None:
    console.print(name, style="bold")
    entries = sorted(registry, key=lambda entry: (_group_rank(entry), entry.name))
    for entry in entries:
        _show_entry(entry, long=long)
    for module, reason in sorted(registry.unavailable().items()):
        console.print(f"  {module:24} not available: {reason}")


def _show_entry(entry: Entry[Any], *, long: bool) -> None:
    facts = [entry.facts[key] for key in ("group", "entity") if key in entry.facts]
    console.print(f"  {entry.name:24} {entry.facts['title']:28} {' '.join(facts)}".rstrip())
    if "group" in entry.facts and (reason := entry.cls.missing()):
        console.print(f"  {'':24} cannot be used here: {reason}")
    if long:
        _show_card(entry)


def _show_card(entry: Entry[Any]) -> None:
    card = f"{_plain(inspect.getdoc(entry.cls) or '')}\n\nReference: {entry.facts['reference']}"
    card += f"\nLicence: {entry.facts['licence']}" if entry.facts.get("licence") else ""
    space = search_space(entry.cls.options_type) if "group" in entry.facts else {}
    for key, field in entry.cls.options_type.model_fields.items():
        declared = (Range, Choices, NotSearched)
        legal = (item for item in field.metadata if not isinstance(item, declared))
        bounds = ", ".join(filter(None, map(_bound, legal)))
        card += f"\nOption {key} = {field.default!r}: {field.description or ''}"
        card += f" ({bounds})" if bounds else ""
        card += f"; --trials: {space[key]}" if key in space else ""
    console.print("\n".join(f"      {line}".rstrip() for line in card.splitlines()) + "\n")


def _plain(text: str) -> str:
    """A card with the name of a function or class where Sphinx has a link to it."""
    return re.sub(r":\w+:`[\w.]*?(\w+)`", r"``\1``", text)


def _bound(item: object) -> str:
    """``Ge(ge=0)`` as ``>= 0``; nothing of what is no bound of a number."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found = [(sign, getattr(item, name)) for name, sign in signs.items() if hasattr(item, name)]
    return f"{found[0][0]} {found[0][1]}" if len(found) == 1 else ""


def _group_rank(entry: Entry[Any]) -> int:
    group = entry.facts.get("group")
    return GROUPS.index(group) if group in GROUPS else 0
