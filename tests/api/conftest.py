"""A small frame of real molecules in three classes, and one benchmark on it."""

import pandas as pd
import pytest

import bench
from tests.commands.conftest import ROWS

QUICK = {
    "epochs": 2,
    "training__batch_size": 16,
    "executor": "in-process",
    "progress": False,
    "method_options": {"ecfp_forest": {"trees": 30}},
}


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache, monkeypatch):
    monkeypatch.setenv("LTDD_CACHE_DIR", str(cache))


def frame(rows=ROWS):
    return pd.DataFrame(rows, columns=["smiles", "class"])


def compare(data=None, **more):
    """A benchmark of a second or two."""
    asked = {"smiles": "smiles", "label": "class", "methods": ["vanilla", "ecfp_forest"], **QUICK}
    return bench.compare(frame() if data is None else data, **{**asked, **more})


@pytest.fixture(scope="session")
def results(tmp_path_factory, cache):
    """Two methods on two splits and three seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LTDD_CACHE_DIR", str(cache))
        with pytest.warns(bench.errors.BenchWarning):  # of a small test set
            return compare(
                frame([*ROWS, *((f"N{'C' * n}c1ccccc1", "ring") for n in range(1, 20))]),
                out=tmp_path_factory.mktemp("results"),
                splits=["random", "standard"],
                name="toy",
            )
