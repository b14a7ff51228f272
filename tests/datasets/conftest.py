from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.folders import search_folders


@pytest.fixture
def real_file() -> Callable[[str], Path]:
    """The real data file of a name; the test is skipped where no data folder has it."""

    def find(name: str) -> Path:
        for _, folder in search_folders(None):
            if (folder / name).is_file():
                return folder / name
        pytest.skip(f"{name} is in no data folder")

    return find
