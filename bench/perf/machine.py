"""What the timings were taken on."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from bench.processor import processor

_PACKAGES = ("torch", "numpy", "rdkit", "dgl", "dgllife", "torch_geometric", "chemprop")


def machine_facts() -> dict[str, str]:
    """Processor, cores, what else it is busy with, and versions."""
    return {
        "CPU": f"{processor()['cpu']}, {os.cpu_count()} cores",
        "load before": ", ".join(f"{load:.2f}" for load in os.getloadavg())
        + " (processes busy in the last 1, 5, 15 minutes)",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
    }


def gpu_facts(device: str) -> str:
    """What `device` is called, its memory, and the CUDA that torch was built for."""
    import torch

    if device != "cuda":
        return f"none, {device} in its place"
    properties = torch.cuda.get_device_properties(0)
    memory = properties.total_memory / 2**30
    return f"{properties.name}, {memory:.0f} GiB, CUDA {torch.version.cuda}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
