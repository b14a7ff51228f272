"""Whether this code is a checkout or an installed package."""

from __future__ import annotations

from pathlib import Path

_PARENT = Path(__file__).resolve().parents[1]

CHECKOUT = _PARENT if (_PARENT / "run_bench.py").is_file() else None
"""The folder of ``run_bench.py``; None where the package is installed."""

# What people type, with the arguments behind it.
PROGRAM = "ltdd-bench" if CHECKOUT is None else "python run_bench.py"
