"""Reference benchmark for long-tailed drug classification on molecular graphs.

From Python: :func:`compare` methods on a table of one's own, :func:`load_results` of an earlier
benchmark, :class:`LongTailClassifier` for scikit-learn, and the functions of ``bench.losses``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["LongTailClassifier", "Results", "compare", "load_results"]

if TYPE_CHECKING:
    from bench.api.classifier import LongTailClassifier
    from bench.api.compare import compare, load_results
    from bench.api.results import Results

# Public name to the module that has it: they import torch, which `import bench` does not wait for.
_HOMES = {
    "LongTailClassifier": "bench.api.classifier",
    "Results": "bench.api.results",
    "compare": "bench.api.compare",
    "load_results": "bench.api.compare",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
