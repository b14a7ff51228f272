"""What the timings were taken on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = ("torch", "numpy", "rdkit", "dgl", "dgllife", "torch_geometric")
_CPUINFO = Path("/proc/cpuinfo")


def machine_facts() -> dict[str, str]:
    """Processor, cores, what else it is busy with, and versions."""
    return {
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "load before": ", ".join(f"{load:.2f}" for load in os.getloadavg())
        + " (processes busy in the last 1, 5, 15 minutes)",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
    }


def _cpu_model() -> str:
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
