"""Methods on a device that is not the CPU, of which the meta device has all but the numbers."""

from types import SimpleNamespace

import pytest
import torch

from bench.method import METHODS, Method
from bench.methods.losses.bcl import balanced_contrastive_loss
from bench.models.protein_transformer import ProteinTransformer, ProteinTransformerOptions
from tests.dispatched import META, Dispatched
from tests.methods.trials import trial

METHODS.discover()
NETWORKS = [name for name in METHODS.names() if issubclass(METHODS.get(name).cls, Method)]


@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")
@pytest.mark.parametrize("name", NETWORKS)
def test_initial_weights_are_drawn_on_the_cpu_wherever_the_network_is(name):
    """The generators of devices are not seeded before an epoch begins."""
    found = trial(name)
    network, method = found.network.to(META), found.method.to(META)
    with Dispatched() as seen:
        method.initialise(network)
        for index, _ in enumerate(method.stages()):
            method.begin_stage(index, network)
    assert seen.draws == []


def test_a_draw_elsewhere_is_seen():
    with Dispatched() as seen:
        torch.nn.Linear(2, 2, device=META)
        torch.nn.Linear(2, 2).to(META)
    assert seen.draws == ["aten.uniform_.default"] * 2
    assert seen.waits == ["aten._to_copy.default"] * 2


@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")
@pytest.mark.parametrize("size", [1, 8, 9])
@pytest.mark.parametrize("name", ["mixup", "remix", "bbn", "ride", "tlc", "rf_dlc", "vanilla"])
def test_a_step_waits_for_nothing_on_the_device(name, size, monkeypatch):
    found = trial(name)
    network, method = found.network.to(META), found.method.to(META)
    method.initialise(network)
    method.begin_epoch(2, network)
    embeddings = torch.zeros(size, network.head.layers[0].in_features, device=META)
    labels = torch.zeros(size, dtype=torch.int64, device=META)

    class Batch(SimpleNamespace):
        def __len__(self):
            return size

    monkeypatch.setattr(type(network), "encode", lambda *_: embeddings.requires_grad_())
    with Dispatched() as seen:
        method.training_step(network, Batch(labels=labels)).backward()
    assert seen.waits == []


def test_balanced_contrast_asks_the_device_for_no_number():
    features, prototypes = torch.zeros(8, 3, device=META), torch.zeros(5, 3, device=META)
    labels = torch.zeros(4, dtype=torch.int64, device=META)
    with Dispatched() as seen:
        loss = balanced_contrastive_loss(features, labels, prototypes, temperature=0.1)
    assert loss.shape == ()
    assert seen.waits == []


def test_the_protein_transformer_asks_the_device_for_no_length():
    encoder = ProteinTransformer(ProteinTransformerOptions(positions=20)).to(META)
    rows = torch.zeros(3, 20, dtype=torch.int16, device=META)
    with Dispatched() as seen:
        assert encoder(rows).shape == (3, 64)
    assert seen.waits == []
