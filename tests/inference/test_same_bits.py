"""What a stored run predicted, its loaded model predicts again, bit for bit."""

import subprocess
import sys

import numpy as np
import pytest

from bench.dataset import Entity
from bench.inference.model import load_model
from bench.method import usable_methods

_IN_ANOTHER_PROCESS = """
import json, sys
from pathlib import Path
import numpy as np
from bench.dataset import Entity
from bench.inference.model import load_model

for line in sys.stdin:
    folder, to, smiles = json.loads(line)
    found = load_model(Path(folder)).predict([Entity("smiles", "molecule", smiles)])
    np.save(to, found.logits)
"""


@pytest.fixture(scope="module")
def elsewhere(every_method, tmp_path_factory):
    """What models say in another process, by method: of the run's folder, and once saved."""
    import json

    folder = tmp_path_factory.mktemp("elsewhere")
    smiles = every_method.smiles("test")
    lines = []
    for name in usable_methods():
        saved = folder / name
        load_model(every_method.folder(name)).save(saved)
        lines.append([str(every_method.folder(name)), str(folder / f"{name}_run.npy"), smiles])
        lines.append([str(saved), str(folder / f"{name}_saved.npy"), smiles])
    subprocess.run(
        [sys.executable, "-c", _IN_ANOTHER_PROCESS],
        input="\n".join(map(json.dumps, lines)), text=True, check=True, timeout=600,
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("form", ["run", "saved"])
@pytest.mark.parametrize("name", usable_methods())
def test_a_loaded_model_predicts_as_its_run_did(every_method, elsewhere, name, form):
    found = np.load(elsewhere / f"{name}_{form}.npy")
    expected = every_method.logits(name)
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()


def test_the_order_of_environments_is_what_makes_the_bits_equal(every_method):
    # Without it some sums are rounded otherwise; were that not so, it would not be needed.
    model = load_model(every_method.folder("vanilla"))
    smiles = [Entity("smiles", "molecule", every_method.smiles("test"))]
    model.predictor._order = None
    found, expected = model.predict(smiles).logits, every_method.logits("vanilla")
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert found.tobytes() != expected.tobytes()
