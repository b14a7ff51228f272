from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.data.collate import Collator
from bench.models.gcn import GCNOptions
from bench.models.network import build_network
from bench.training.run import choose_device
from tests.toy import toy_data

cuda = pytest.mark.gpu


def network_and_batch(precision="float32", device="cpu"):
    data = toy_data((40, 20))
    network = build_network(data, {"molecule": ("gcn", GCNOptions())}, seed=0, precision=precision)
    network = network.to(device)
    return network, network.collator(data)(np.arange(32)).to(torch.device(device))


def test_in_bfloat16_weights_logits_and_losses_are_float32_and_close():
    network, batch = network_and_batch()
    mixed, _ = network_and_batch("bfloat16")
    logits = mixed(batch)
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, network(batch))
    torch.testing.assert_close(logits, network(batch), rtol=0.05, atol=0.05)
    torch.nn.functional.cross_entropy(logits, batch.labels).backward()
    for parameter in mixed.parameters():
        assert parameter.dtype == parameter.grad.dtype == torch.float32


def test_features_are_held_where_the_network_is():
    data = toy_data((40, 20))
    held = Collator(data, device=torch.device("meta"))
    assert held(np.arange(4)).inputs["molecule"].atom_features.is_meta


def test_the_cpu_needs_no_deterministic_algorithms():
    before = torch.are_deterministic_algorithms_enabled()
    assert choose_device("cpu").type == "cpu"
    assert torch.are_deterministic_algorithms_enabled() == before


@cuda
def test_cuda_agrees_with_the_cpu_and_repeats_bit_for_bit():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    choose_device("cuda")
    seen = []
    for device in ("cpu", "cuda", "cuda"):
        network, batch = network_and_batch(device=device)
        logits = network(batch)
        torch.nn.functional.cross_entropy(logits, batch.labels).backward()
        gradients = [parameter.grad.cpu() for parameter in network.parameters()]
        seen.append([logits.detach().cpu(), *gradients])
    for one, other, again in zip(*seen, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)
        assert torch.equal(other, again)
