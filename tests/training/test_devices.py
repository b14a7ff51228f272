from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.data.collate import Collator
from bench.models.gcn import GCNOptions
from bench.models.network import build_network
from bench.training.run import choose_device, peak_gpu_memory
from tests.simulated_device.costs import CASE
from tests.simulated_device.subjects import (
    SUBJECTS,
    WAIT_FOR_NOTHING,
    train_and_repeat,
    train_without_waits,
)
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


@pytest.fixture
def with_cuda(monkeypatch):
    """As if there were a GPU; what is set for one is as before afterwards."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = True
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    yield
    torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
    products.allow_tf32, convolutions.allow_tf32 = before


@pytest.mark.parametrize("deterministic", [True, False])
def test_float32_on_cuda_is_float32(with_cuda, deterministic):
    """cuDNN rounds what convolutions read to ten bits unless it is told not to."""
    assert choose_device("cuda", deterministic=deterministic).type == "cuda"
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_an_operation_that_cannot_repeat_on_cuda_is_an_error_that_names_it(with_cuda):
    choose_device("cuda")
    assert torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="put_ does not have a deterministic implementation"):
        torch.zeros(3).put_(torch.tensor([0]), torch.tensor([1.0]))


def test_new_tensors_on_cuda_are_not_filled(with_cuda):
    """Deterministic algorithms alone would fill each, by a launch of its own."""
    choose_device("cuda")
    assert not torch.utils.deterministic.fill_uninitialized_memory


def test_cuda_may_be_left_to_choose_its_algorithms(with_cuda):
    choose_device("cuda", deterministic=False)
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_memory_of_a_gpu_is_told_of_a_gpu_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7)
    assert peak_gpu_memory(torch.device("cuda")) == {"peak_gpu_memory_bytes": 7}
    assert peak_gpu_memory(torch.device("cpu")) == {}


@pytest.fixture
def on_cuda():
    """The GPU, set as for every run; settings are as before afterwards."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    yield choose_device("cuda")
    torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)


@cuda
@pytest.mark.usefixtures("on_cuda")
def test_cuda_agrees_with_the_cpu_and_repeats_bit_for_bit():
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


@cuda
@pytest.mark.parametrize(("text", "case"), SUBJECTS.values(), ids=SUBJECTS)
def test_every_method_repeats_on_cuda_with_a_stop_and_without_one(on_cuda, text, case):
    train_and_repeat(text, replace(case, device=on_cuda), nullcontext)


@cuda
@pytest.mark.parametrize("text", WAIT_FOR_NOTHING)
def test_steps_on_cuda_never_wait(on_cuda, text):
    set_mode = torch.cuda.set_sync_debug_mode
    try:
        train_without_waits(
            text,
            replace(CASE, device=on_cuda),
            forbid=lambda: set_mode("error"),
            allow=lambda: set_mode("default"),
        )
    finally:
        set_mode("default")
