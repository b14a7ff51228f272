"""The stacks whose packages are installed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from bench.perf.contestants.contestant import Contestant
from bench.perf.contestants.stack import Stack

_STACKS = {
    "dgllife + DGL": ("bench.perf.contestants.dgl_stack", "DGLStack"),
    "PyG": ("bench.perf.contestants.pyg_stack", "PyGStack"),
}


def available_stacks() -> list[type[Stack]]:
    """Those of the stacks that can be imported."""
    found = []
    for module, name in _STACKS.values():
        try:
            found.append(getattr(importlib.import_module(module), name))
        except (ImportError, OSError):  # OSError: a library of dgl's that does not load
            continue
    return found


def remark_on_missing(stacks: Sequence[type[Contestant]]) -> str:
    """One line on the stacks that are left out; empty when there are none."""
    titles = {stack.title for stack in stacks}
    missing = " and ".join(title for title in _STACKS if title not in titles)
    return missing and (
        f"{missing}: left out, as the packages are not installed; "
        "pip install -r requirements-perf.txt"
    )
