"""Real data files, where somebody has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.folders import search_folders


def real_file(name: str) -> Path:
    """The data file `name`, in any folder where a benchmark looks; skips the test without one."""
    for _, folder in search_folders(None):
        if (folder / name).is_file():
            return folder / name
    pytest.skip(f"{name} is in no data folder")
