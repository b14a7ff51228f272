from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from bench.backbone import BACKBONES
from bench.data.batch import GraphBatch
from bench.data.featurise import featurise
from bench.models.gcn import GCN, GCNOptions
from bench.models.head import Head
from tests.real_data import real_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dgl_class():
    if "gcn_dgl" not in BACKBONES:
        pytest.skip(f"gcn_dgl: {BACKBONES.unavailable()['gcn_dgl']}")
    return BACKBONES.get("gcn_dgl").cls


def step(encoder: nn.Module, graphs: GraphBatch, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Logits, loss gradients and running statistics after one training step's passes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        head = Head(encoder.out_features, 3)
    model = nn.Sequential(encoder, head).to(dtype).train()
    logits = model(graphs.to(dtype=dtype))
    F.cross_entropy(logits, torch.arange(graphs.num_graphs) % 3).backward()
    seen = {"logits": logits.detach()}
    seen |= {f"grad {name}": value.grad for name, value in model.named_parameters()}
    seen |= {f"buffer {name}": value for name, value in model.named_buffers()}
    assert all(value is not None for value in seen.values())
    return seen


def assert_equal_steps(dgl_class, graphs: GraphBatch, dtype: torch.dtype, tolerance: float) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ours = GCN(74, GCNOptions())
    theirs = dgl_class(74, GCNOptions())
    theirs.load_state_dict(ours.state_dict())
    expected, got = step(theirs, graphs, dtype), step(ours, graphs, dtype)
    assert got.keys() == expected.keys()
    for name, value in got.items():
        if dtype == torch.float32 and name.startswith("grad"):
            # Rounding moves a few sums across the kink of a ReLU, and each takes an atom's whole
            # gradient along: with either backend, so float64 is what shows that they agree.
            apart = (value - expected[name]).norm()
            assert apart <= 5e-2 * expected[name].norm() + tolerance, f"{name}: {apart}"
            continue
        torch.testing.assert_close(
            value,
            expected[name],
            rtol=tolerance,
            atol=tolerance,
            msg=lambda text, name=name: f"{name}: {text}",
        )


PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)]
)


@PRECISIONS
@pytest.mark.fault(40)
def test_both_encoders_agree_on_random_graphs(dgl_class, make_graphs, make_batch, dtype, tolerance):
    """An encoder of our own that is subtly another network than the one it stands for."""
    assert_equal_steps(dgl_class, make_batch(graphs=make_graphs(60)), dtype, tolerance)


COLUMNS = {
    "hiv": ["smiles"],
    "uspto_50k": ["reactants_smiles", "product_smiles"],
    "chembl_ki": ["smiles"],
    "davis": ["smiles"],
}


def some_smiles(path: Path, columns: list[str]) -> list[str]:
    """Some eighty molecules from every part of the file."""
    table = pd.read_csv(path, usecols=columns)
    chosen = table.iloc[:: len(table) * len(columns) // 80]
    return sorted(set(chosen.to_numpy().flatten()))


@pytest.mark.parametrize("by_environment", [False, True])
@pytest.mark.parametrize("name", COLUMNS)
@PRECISIONS
def test_both_encoders_agree_on_real_molecules(
    dgl_class, make_batch, name, by_environment, dtype, tolerance
):
    smiles = some_smiles(real_file(f"{name}.csv.gz"), COLUMNS[name])
    graphs = featurise([*smiles, "C", "[Na+]", "O"]).graphs
    assert len(graphs) >= 20
    assert np.count_nonzero(graphs.atoms_per_graph() == 1) >= 3
    if by_environment:
        graphs = graphs.with_environments()
    assert_equal_steps(dgl_class, make_batch(graphs=graphs), dtype, tolerance)


def test_both_encoders_start_from_the_same_weights(dgl_class):
    states = []
    for encoder in (GCN, dgl_class):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            states.append(encoder(74, GCNOptions()).state_dict())
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def python(code: str, home: Path) -> str:
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("DGLBACKEND", None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_without_dgl_the_encoder_is_listed_with_its_reason_and_the_others_work(tmp_path):
    code = (
        "import sys; sys.modules['dgl'] = None\n"
        "from bench.backbone import BACKBONES\n"
        "assert 'gcn' in BACKBONES and 'gcn_dgl' not in BACKBONES\n"
        "print(BACKBONES.unavailable())"
    )
    out = python(code, tmp_path)
    assert out.startswith("{'gcn_dgl': ")
    assert "dgl" in out.removeprefix("{'gcn_dgl': ")


def test_importing_the_encoder_prints_and_writes_nothing(dgl_class, tmp_path):
    assert python("from bench.backbone import BACKBONES; BACKBONES.names()", tmp_path) == ""
    assert not (tmp_path / ".dgl").exists()
