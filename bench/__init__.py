"""A benchmark of long-tail methods on molecular graphs.

From Python: :func:`compare` methods on a table of one's own, :func:`load_results` of an earlier
benchmark, :class:`LongTailClassifier` for scikit-learn, and the functions of ``bench.losses``. For
plug-ins: :class:`Method`, :class:`Dataset` and :class:`MoleculeBackbone` with their decorators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.processor import pin_products

__version__ = "0.1.0"
__all__ = [
    "Dataset",
    "LongTailClassifier",
    "Method",
    "MoleculeBackbone",
    "Results",
    "compare",
    "load_results",
    "register_backbone",
    "register_dataset",
    "register_method",
]

if TYPE_CHECKING:
    from bench.api.classifier import LongTailClassifier
    from bench.api.compare import compare, load_results
    from bench.api.results import Results
    from bench.backbone import MoleculeBackbone, register_backbone
    from bench.dataset import Dataset, register_dataset
    from bench.method import Method, register_method

pin_products()

# Public name to the module that has it: they import torch, which `import bench` does not wait for.
_HOMES = {
    "Dataset": "bench.dataset",
    "LongTailClassifier": "bench.api.classifier",
    "Method": "bench.method",
    "MoleculeBackbone": "bench.backbone",
    "Results": "bench.api.results",
    "compare": "bench.api.compare",
    "load_results": "bench.api.compare",
    "register_backbone": "bench.backbone",
    "register_dataset": "bench.dataset",
    "register_method": "bench.method",
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
