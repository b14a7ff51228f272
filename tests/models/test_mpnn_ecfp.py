from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.models.mpnn_ecfp import MPNNECFP, MPNNECFPOptions

BITS = 32


def made(seed: int = 0, **options) -> MPNNECFP:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MPNNECFP(74, MPNNECFPOptions(bits=BITS, **options))


@pytest.fixture
def graphs(make_batch):
    batch = make_batch()
    counts = np.random.default_rng(0).poisson(0.5, (batch.num_graphs, BITS))
    return batch.with_fingerprints(torch.from_numpy(counts).float())


@pytest.mark.parametrize("graph", ["gcn", "dmpnn", "gine"])
def test_embeddings_equal_a_plain_computation_beside_the_graph_encoder(graphs, graph):
    graphs = graphs.to(dtype=torch.float64)
    model = made(graph=graph).double().eval()
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    read = np.log(1 + graphs.fingerprints.numpy()) @ state["fragments.weight"].T
    read = np.maximum(read + state["fragments.bias"], 0)
    both = np.concatenate([model.graph(graphs).detach().numpy(), read], axis=1)
    expected = both @ state["output.weight"].T + state["output.bias"]
    np.testing.assert_allclose(model(graphs).detach(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("graph", ["gcn", "dmpnn", "gine"])
def test_gradients_reach_every_parameter(graphs, graph):
    model = made(graph=graph)
    model(graphs).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_fragments_are_dropped_in_training_alone(graphs):
    model = made(graph="dmpnn")
    assert not torch.equal(model(graphs), model(graphs))
    model.eval()
    assert torch.equal(model(graphs), model(graphs))


def test_a_batch_without_fingerprints_is_refused(make_batch):
    with pytest.raises(ValueError, match="fingerprints of 32 places"):
        made()(make_batch())


def test_fingerprints_of_another_length_are_refused(make_batch):
    graphs = make_batch()
    with pytest.raises(ValueError, match="16"):
        made()(graphs.with_fingerprints(torch.zeros(graphs.num_graphs, 16)))


def test_one_molecule_of_one_atom(make_batch):
    graphs = make_batch([2]).with_fingerprints(torch.ones(1, BITS))
    model = made()
    model(graphs).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_the_encoder_names_the_fingerprints_that_batches_must_carry():
    assert made().fingerprint_bits == BITS
