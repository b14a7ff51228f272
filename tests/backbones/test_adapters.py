"""Modules of PyTorch Geometric and DGL as encoders, beside the same modules called directly.

The graphs of a direct call are made one by one, from the packed arrays, with edges in an order of
their own.
"""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bench.conformance.encoder import MOLECULES, EncoderUnderTest
from bench.conformance.run import run_checks
from bench.data.collate import GraphCollator
from bench.data.featurise import featurise
from bench.options import Options
from tests.docs.pages import example

ROOT = Path(__file__).parents[2]
OUT = 8
FACTS = {"title": "Toy", "reference": "none", "version": 1}


@pytest.fixture
def pyg():
    pytest.importorskip("torch_geometric")
    return importlib.import_module("bench.backbones.pyg")


@pytest.fixture
def dgl():
    pytest.importorskip("dgl", exc_type=Exception)
    return importlib.import_module("bench.backbones.dgl")


@pytest.fixture(scope="module")
def packed():
    return featurise(MOLECULES, keys=False).graphs


@pytest.fixture
def batch(packed):
    return GraphCollator(packed, dtype=torch.float64)(np.arange(len(packed)))


def each_graph(packed):
    """Features of atoms, both directions of the bonds and their features, graph by graph."""
    for number in range(len(packed)):
        atoms = slice(*packed.atom_offsets[number : number + 2])
        bonds = slice(*packed.bond_offsets[number : number + 2])
        ends = packed.bonds[bonds].astype(np.int64)
        features = packed.bond_features[packed.bond_types[bonds]]
        yield (
            torch.from_numpy(packed.atom_features[packed.atom_types[atoms]]).double(),
            torch.from_numpy(np.concatenate([ends, ends[:, ::-1]])).T,
            torch.from_numpy(np.concatenate([features, features])).double(),
        )


def pyg_graphs(packed):
    from torch_geometric.data import Batch, Data

    return Batch.from_data_list(
        [Data(x=x, edge_index=edges, edge_attr=bonds) for x, edges, bonds in each_graph(packed)]
    )


def dgl_graphs(packed, *, self_loops=False):
    import dgl

    made = []
    for x, edges, bonds in each_graph(packed):
        graph = dgl.graph(tuple(edges), num_nodes=len(x))
        graph.ndata["h"], graph.edata["e"] = x, bonds
        if self_loops:
            graph = dgl.add_self_loop(graph, fill_data=0.0)
        made.append(graph)
    return dgl.batch(made)


def assert_equal_passes(encoder, batch, directly):
    """Embeddings and gradients of the encoder are those of its module on `directly` made graphs."""
    encoder = encoder.double().train()
    weights = torch.linspace(-1, 1, OUT, dtype=torch.float64).cos()

    def gradients(embeddings):
        encoder.zero_grad()
        (embeddings * weights).square().sum().backward()
        return {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}

    state = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    got = encoder(batch)
    got_gradients = gradients(got)
    encoder.load_state_dict(state)
    expected = directly(encoder.module)
    assert got.shape == (len(MOLECULES), OUT)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)
    expected_gradients = gradients(expected)
    assert got_gradients.keys() == expected_gradients.keys()
    assert got_gradients
    for name, gradient in expected_gradients.items():
        scale = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(
            got_gradients[name], gradient, rtol=1e-10, atol=1e-10 * scale, msg=name
        )


def failed_checks(cls):
    """Of a class that is not registered."""
    return {
        result.check: result.text
        for result in run_checks(EncoderUnderTest(cls, Options(), FACTS))
        if result.verdict == "failed"
    }


# ---------------------------------------------------------------- PyTorch Geometric


def test_pyg_reads_every_atom_and_bond(pyg, packed, batch):
    data, direct = pyg.to_pyg(batch), pyg_graphs(packed)

    def edges(graphs):
        return sorted(torch.cat([graphs.edge_index.T.double(), graphs.edge_attr], dim=1).tolist())

    assert torch.equal(data.x, direct.x)
    assert torch.equal(data.batch, direct.batch)
    assert torch.equal(data.ptr, direct.ptr)
    assert data.num_graphs == direct.num_graphs == len(MOLECULES)
    assert data.num_nodes == direct.num_nodes
    assert edges(data) == edges(direct)
    assert (data.edge_index[1].diff() >= 0).all()


def pyg_class(pyg, make, call):
    class Encoder(pyg.PyGBackbone):
        """An encoder of a test's."""

        out_features = OUT

        def build(self, num_features, num_bond_features):
            return make(num_features, num_bond_features)

        def embed(self, data):
            return call(self.module, data)

    return Encoder


def pyg_pna():
    from torch_geometric.nn import PNA, global_add_pool

    def make(num_features, num_bond_features):
        degrees = torch.tensor([2, 12, 22, 14, 2])
        return PNA(
            num_features, OUT, 2, edge_dim=num_bond_features, deg=degrees, norm="batch_norm",
            aggregators=["mean", "min", "max", "std"],
            scalers=["identity", "amplification", "attenuation"],
        )  # fmt: skip

    def call(module, data):
        atoms = module(data.x, data.edge_index, edge_attr=data.edge_attr)
        return global_add_pool(atoms, data.batch, data.num_graphs)

    return make, call


def pyg_gin():
    from torch_geometric.nn import GIN, global_mean_pool

    def make(num_features, num_bond_features):
        return GIN(num_features, OUT, 3, train_eps=True)

    def call(module, data):
        return global_mean_pool(module(data.x, data.edge_index), data.batch, data.num_graphs)

    return make, call


def pyg_attentivefp():
    from torch_geometric.nn import AttentiveFP

    def make(num_features, num_bond_features):
        return AttentiveFP(num_features, 8, OUT, num_bond_features, num_layers=2, num_timesteps=2)

    def call(module, data):
        return module(data.x, data.edge_index, data.edge_attr, data.batch)

    return make, call


@pytest.mark.parametrize("of", [pyg_pna, pyg_gin, pyg_attentivefp])
def test_a_pyg_model_is_the_model_called_directly(pyg, packed, batch, of):
    make, call = of()
    encoder = pyg_class(pyg, make, call)(packed.feature_count, Options())
    assert_equal_passes(encoder, batch, lambda module: call(module, pyg_graphs(packed)))


@pytest.mark.parametrize("of", [pyg_gin, pyg_attentivefp])
def test_a_pyg_encoder_passes_the_checks(pyg, of):
    assert failed_checks(pyg_class(pyg, *of())) == {}


# ---------------------------------------------------------------- DGL


@pytest.mark.parametrize("self_loops", [False, True])
def test_dgl_reads_every_atom_and_bond(dgl, packed, batch, self_loops):
    import dgl as library

    graph = dgl.to_dgl(batch, self_loops=self_loops)
    direct = dgl_graphs(packed, self_loops=self_loops)

    def edges(graphs):
        ends = torch.stack(graphs.edges(), dim=1).double()
        return sorted(torch.cat([ends, graphs.edata["e"]], dim=1).tolist())

    assert torch.equal(graph.ndata["h"], direct.ndata["h"])
    assert torch.equal(graph.batch_num_nodes(), direct.batch_num_nodes())
    assert torch.equal(graph.batch_num_edges(), direct.batch_num_edges())
    assert edges(graph) == edges(direct)
    for one, other in zip(library.unbatch(graph), library.unbatch(direct), strict=True):
        assert edges(one) == edges(other)


def dgl_class(dgl, make, call, loops=False):
    class Encoder(dgl.DGLBackbone):
        """An encoder of a test's."""

        out_features = OUT
        self_loops = loops

        def build(self, num_features, num_bond_features):
            return make(num_features, num_bond_features)

        def embed(self, graph):
            return call(self.module, graph)

    return Encoder


def dgl_gine():
    import dgl
    from dgl.nn.pytorch import GINEConv

    def make(num_features, num_bond_features):
        return nn.ModuleDict(
            {
                "atoms": nn.Linear(num_features, OUT),
                "bonds": nn.Linear(num_bond_features, OUT),
                "layer": GINEConv(nn.Linear(OUT, OUT), learn_eps=True),
            }
        )

    def call(module, graph):
        bonds = module["bonds"](graph.edata["e"])
        with graph.local_scope():
            graph.ndata["x"] = module["layer"](graph, module["atoms"](graph.ndata["h"]), bonds)
            graph.edata["w"] = bonds
            return dgl.mean_nodes(graph, "x") + dgl.sum_edges(graph, "w")

    return make, call


def dgl_gat():
    import dgl
    from dgl.nn.pytorch import GATConv

    def make(num_features, num_bond_features):
        return GATConv(num_features, OUT // 2, num_heads=2)

    def call(module, graph):
        with graph.local_scope():
            graph.ndata["x"] = module(graph, graph.ndata["h"]).flatten(1)
            return dgl.sum_nodes(graph, "x")

    return make, call, True


def dgllife_weave():
    from dgllife.model import WeavePredictor

    def make(num_features, num_bond_features):
        return WeavePredictor(
            num_features, num_bond_features, gnn_hidden_feats=8, graph_feats=8, n_tasks=OUT
        )

    def call(module, graph):
        return module(graph, graph.ndata["h"], graph.edata["e"])

    return make, call


def dgllife_attentivefp():
    from dgllife.model import AttentiveFPGNN, AttentiveFPReadout

    def make(num_features, num_bond_features):
        atoms = AttentiveFPGNN(num_features, num_bond_features, graph_feat_size=OUT)
        return nn.ModuleList([atoms, AttentiveFPReadout(OUT)])

    def call(module, graph):
        atoms, readout = module
        return readout(graph, atoms(graph, graph.ndata["h"], graph.edata["e"]))

    return make, call


@pytest.mark.parametrize("of", [dgl_gine, dgl_gat, dgllife_weave, dgllife_attentivefp])
def test_a_dgl_model_is_the_model_called_directly(dgl, packed, batch, of):
    if of.__name__.startswith("dgllife"):
        pytest.importorskip("dgllife")
    make, call, *loops = of()
    encoder = dgl_class(dgl, make, call, *loops)(packed.feature_count, Options())
    graphs = dgl_graphs(packed, self_loops=bool(loops))
    assert_equal_passes(encoder, batch, lambda module: call(module, graphs))


@pytest.mark.parametrize("of", [dgl_gine, dgl_gat])
def test_a_dgl_encoder_passes_the_checks(dgl, of):
    make, call, *loops = of()
    assert failed_checks(dgl_class(dgl, make, call, *loops)) == {}


# ---------------------------------------------------------------- what the documentation shows


def shown(name):
    """The example of the documentation that registers `name`."""
    return example(f'register_backbone("{name}"')


@pytest.mark.parametrize("name", ["pna", "attentivefp_dgl"])
def test_the_encoders_that_are_shown_are_short(name):
    code = [line for line in shown(name).splitlines() if line.strip()]
    assert len(code) < 20
    assert max(map(len, code)) <= 100


@pytest.mark.parametrize(
    ("name", "packages"), [("pna", ["torch_geometric"]), ("attentivefp_dgl", ["dgl", "dgllife"])]
)
def test_the_encoders_that_are_shown_pass_the_checks(name, packages, tmp_path):
    for package in packages:
        pytest.importorskip(package, exc_type=Exception)
    path = tmp_path / f"{name}_of_mine.py"
    path.write_text(shown(name))
    command = [sys.executable, "-W", "ignore", "run_bench.py", "--plugin", path, "check", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{name}\n")
    assert "bond_features: read" in done.stdout


# ---------------------------------------------------------------- without the packages

WITHOUT = """
import sys
sys.modules[{package!r}] = None
from bench.cli import main
sys.argv = ["run_bench.py", *{arguments!r}]
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("name", "package", "first"),
    [
        ("pna", "torch_geometric", ""),
        ("attentivefp_dgl", "dgl", "from bench.backbones.dgl import DGLBackbone\n"),
    ],
)
def test_without_the_package_the_reason_says_what_to_install(tmp_path, name, package, first):
    path = tmp_path / "mine_without.py"
    path.write_text(first + shown(name))

    def run(*arguments):
        code = WITHOUT.format(package=package, arguments=list(map(str, arguments)))
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    code, words = run("--plugin", path, "--list", "backbones")
    assert code == 0
    assert "mine_without not available: ModuleNotFoundError: " in words
    assert f"Run: pip install {package}" in words
    code, words = run("check", path)
    assert code == 2
    assert f"Run: pip install {package}" in words
    assert "Traceback" not in words
