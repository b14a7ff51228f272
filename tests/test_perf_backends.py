from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from bench.data.checksums import sha256_of
from bench.data.prepare import prepare
from bench.data.prepared import PreparedData
from bench.dataset import DATASETS
from bench.perf.backends.available import (
    available_peer,
    available_stacks,
    remark_on_missing,
    remark_on_missing_peers,
)
from bench.perf.backends.backend import Backend
from bench.perf.backends.equality import UnequalLogitsError, require_equal_logits
from bench.perf.backends.ours import Ours
from bench.perf.measures.training_step import TrainingStep
from bench.spec import parse_spec

# Rings, chains, charges, salts, stereo centres, single atoms, and an aluminium compound that
# RDKit's valence check refuses.
MOLECULES = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "C[C@H](N)C(=O)O",
    "[Na+].[Cl-]",
    "C",
    "O=C(NO)c1ccccc1",
    "FC(F)(F)c1ccncc1",
    "C1CC1",
    "[O-][N+](=O)c1ccc(Br)cc1",
    "CC[Al]1(C)(C)OCC1",
)
EVERYONE = np.arange(len(MOLECULES))


@pytest.fixture
def prepared(tmp_path) -> PreparedData:
    """Ten pairs of real molecules in three classes."""
    rows = zip(MOLECULES, MOLECULES[1:] + MOLECULES[:1], EVERYONE % 3, strict=True)
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(["a,b,class", *(",".join(map(str, row)) for row in rows)]) + "\n")
    cls = DATASETS.get("csv").cls
    options = cls.options_type(path=str(path), smiles_columns=("a", "b"), label_column="class")
    return prepare("csv", cls(options), path, sha256_of(path), cache_dir=tmp_path / "cache")


@pytest.fixture(params=["dgllife + DGL", "PyG"])
def pair(request, prepared) -> list[Backend]:
    """Ours and one other with the same weights."""
    stacks = {stack.title: stack for stack in available_stacks()}
    if request.param not in stacks:
        pytest.skip(remark_on_missing(list(stacks.values())))
    ours = Ours(prepared)
    return [ours, stacks[request.param](prepared, EVERYONE, ours.network.state_dict())]


def test_the_logits_of_real_molecules_are_equal(pair):
    require_equal_logits(pair, EVERYONE)
    ours, other = (backend.predict(EVERYONE[::-1]) for backend in pair)
    assert ours.shape == (10, 3)
    np.testing.assert_allclose(other, ours, atol=1e-5)


def test_the_gradients_of_real_molecules_are_equal(pair):
    gradients = []
    for backend in pair:
        backend.network.train()
        batch = backend.collate(EVERYONE)
        assert backend.labels(batch).tolist() == (EVERYONE % 3).tolist()
        cross_entropy(backend.network(batch), backend.labels(batch)).backward()
        gradients.append({n: p.grad for n, p in backend.network.named_parameters()})
    ours, other = gradients
    assert ours.keys() == other.keys()
    for name, gradient in ours.items():
        torch.testing.assert_close(other[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_a_training_step_changes_the_logits(pair):
    for backend in pair:
        before = backend.predict(EVERYONE)
        backend.network.train()
        TrainingStep(backend)(EVERYONE)
        assert np.abs(backend.predict(EVERYONE) - before).max() > 1e-3


@pytest.mark.parametrize("value", [1.0, float("nan")])
def test_other_weights_are_refused(pair, value):
    with torch.no_grad():
        pair[1].network.encoders["molecule"].gate.bias.add_(value)
    with pytest.raises(UnequalLogitsError, match=r"Expected the same logits .* in training mode"):
        require_equal_logits(pair, EVERYONE)


def test_saved_graphs_are_opened_again(pair, tmp_path):
    other = pair[1]
    assert other.num_graphs == len(MOLECULES)
    graphs, more = other.save_and_opener(tmp_path)()
    if other.title == "PyG":  # all graphs in one, and where each begins
        assert len(more["x"]) == len(MOLECULES) + 1
    else:
        assert len(graphs) == len(MOLECULES)


@pytest.mark.parametrize(
    ("package", "module", "title"),
    [("dgllife", "dgl_stack", "dgllife + DGL"), ("torch_geometric", "pyg_stack", "PyG")],
)
def test_without_its_packages_a_stack_is_left_out(monkeypatch, package, module, title):
    monkeypatch.delitem(sys.modules, f"bench.perf.backends.{module}", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    stacks = available_stacks()
    assert title not in {stack.title for stack in stacks}
    remark = remark_on_missing(stacks)
    assert title in remark
    assert "pip install -r requirements-perf.txt" in remark


@pytest.fixture(
    params=["gin", "gine", "gat", "dmpnn", "dmpnn[read_out=norm]", "attentivefp[bonds=scores]"]
)
def peers(request, prepared) -> list[Backend]:
    """An encoder of ours and another package's with the same weights."""
    peer = available_peer(parse_spec(request.param).name)
    if peer is None:
        pytest.skip(remark_on_missing_peers())
    ours = Ours(prepared, request.param)
    with torch.no_grad():  # so that a shift that is not taken over shows
        for parameter in ours.network.encoders.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5)
    return [ours, peer(prepared, EVERYONE, ours.network)]


def test_a_peer_has_the_logits_of_an_encoder_and_as_many_weights(peers):
    require_equal_logits(peers, EVERYONE)
    ours, other = (backend.predict(EVERYONE[::-1]) for backend in peers)
    np.testing.assert_allclose(other, ours, rtol=1e-4, atol=1e-4)
    sizes = [sum(p.numel() for p in peer.network.parameters()) for peer in peers]
    assert sizes[0] == sizes[1]


def test_the_gradients_of_a_peer_are_as_long_as_an_encoders(peers):
    lengths = []
    for backend in peers:
        backend.network.double().train()
        batch = backend.cast(backend.collate(EVERYONE), torch.float64)
        cross_entropy(backend.network(batch), backend.labels(batch)).backward()
        gradients = [p.grad.square().sum() for p in backend.network.parameters()]
        lengths.append(sorted(map(float, gradients)))
    # Whatever the weights are called.
    np.testing.assert_allclose(lengths[1], lengths[0], rtol=1e-8, atol=1e-20)


def test_a_training_step_changes_the_logits_of_peers_alike(peers):
    before = [backend.predict(EVERYONE) for backend in peers]
    for backend in peers:
        backend.network.train()
        TrainingStep(backend)(EVERYONE)
    after = [backend.predict(EVERYONE) for backend in peers]
    assert np.abs(after[0] - before[0]).max() > 1e-3
    assert np.abs(after[1] - before[1]).max() > 1e-3


def test_a_peer_with_other_weights_is_refused(peers):
    with torch.no_grad():
        next(peers[1].network.encoders.parameters()).add_(0.1)
    with pytest.raises(UnequalLogitsError, match=r"Expected the same logits .* in training mode"):
        require_equal_logits(peers, EVERYONE)


def test_an_encoder_that_no_package_has_stands_alone():
    assert available_peer("mpnn_ecfp") is None
    assert "mpnn_ecfp" not in remark_on_missing_peers()


@pytest.mark.parametrize(
    ("package", "module", "said"),
    [
        ("torch_geometric", "pyg_encoders", "PyG for gin, gine, gat, attentivefp"),
        ("chemprop", "chemprop_encoder", "chemprop for dmpnn"),
    ],
)
def test_without_its_package_a_peer_is_said_to_be_absent(monkeypatch, package, module, said):
    monkeypatch.delitem(sys.modules, f"bench.perf.backends.{module}", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    remark = remark_on_missing_peers()
    assert said in remark
    assert "pip install -r requirements-perf.txt" in remark
