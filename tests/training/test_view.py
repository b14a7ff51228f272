"""What a view of the data gives, and how it leaves the network that it asks."""

import pytest
import torch

from bench.models.gcn import GCNOptions
from bench.models.network import build_network
from bench.training.view import SplitView
from tests.toy import toy_data, toy_split


@pytest.fixture
def viewed():
    data = toy_data((20, 15, 10))
    split = toy_split(data)
    network = build_network(data, {"molecule": ("gcn", GCNOptions(hidden=8, out=8))}, seed=0)
    view = SplitView(network.collator(data.knowing(split.train, split.valid)), split, "cpu")
    return data, split, network, view


@pytest.mark.parametrize("part", ["train", "valid"])
def test_gives_labels_and_positions_of_a_part(viewed, part):
    data, split, _, view = viewed
    positions = getattr(split, part)
    assert view.positions(part).tolist() == positions.tolist()
    assert view.labels(part).tolist() == data.labels[positions].tolist()


@pytest.mark.parametrize("ask", ["embeddings", "logits"])
def test_a_network_is_asked_in_evaluation_mode_and_put_back_into_the_mode_of_each_part(viewed, ask):
    _, split, network, view = viewed
    network.train()
    network.encoders.eval()  # as in a stage that trains the head alone
    before = [module.training for module in network.modules()]
    modes = []
    hooks = [
        module.register_forward_hook(lambda module, *_: modes.append(module.training))
        for module in (network.encoders["molecule"], network.head)
    ]
    found = getattr(view, ask)(network, "train")
    for hook in hooks:
        hook.remove()
    assert modes
    assert not any(modes)
    assert len(found) == len(split.train)
    assert not found.requires_grad
    assert [module.training for module in network.modules()] == before
    assert True in before
    assert False in before


def test_the_mode_is_put_back_when_the_network_raises(viewed):
    _, _, network, view = viewed
    network.train()
    network.head = torch.nn.Linear(1, 1)
    with pytest.raises((RuntimeError, AttributeError)):
        view.logits(network)
    assert network.training
