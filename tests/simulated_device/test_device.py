"""Mistakes that only a device shows are seen on the simulated one."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from bench.conformance.run import run_check, subject_of
from bench.conformance.trial import FinishedRuns
from tests.simulated_device.device import simulated_device


@pytest.fixture
def present():
    with simulated_device() as device:
        yield device


@pytest.fixture
def x(present):
    """Real numbers on the device; nothing has been counted yet."""
    made = torch.arange(4.0).to(present.device)
    present.counts.clear()
    return made


@pytest.mark.parametrize(
    "mistake",
    [
        lambda x: x + torch.ones(4),
        lambda x: x.add_(torch.ones(4)),
        lambda x: torch.ones(4) + x,
        lambda x: torch.ones(4).add_(x),
        lambda x: torch.cat([x, torch.ones(4)]),
        lambda x: F.linear(x, torch.ones(2, 4)),
        lambda x: x.index_select(0, torch.tensor([0])),
        lambda x: x.gather(0, torch.tensor([0])),
        lambda x: torch.arange(4)[x.long()],
        lambda x: F.embedding(torch.tensor([1]), x[:, None]),
        lambda x: x @ torch.tensor(1.0).expand(4),
    ],
)
def test_tensors_of_two_devices_in_one_operation_raise(x, mistake):
    with pytest.raises(RuntimeError, match="same device, but found at least two"):
        mistake(x)


def test_numbers_and_indices_of_the_host_are_taken_as_cuda_takes_them(present, x):
    torch.testing.assert_close((x * torch.tensor(2.0)).tolist(), [0.0, 2.0, 4.0, 6.0])
    present.counts.clear()
    assert x[torch.tensor([3, 1])].device.type == present.device.type
    assert (present.counts.of("copies"), present.counts.of("waits")) == (1, 0)


def test_what_lies_on_the_device_is_no_array(x):
    with pytest.raises((RuntimeError, TypeError)):
        x.numpy()


@pytest.mark.parametrize(
    ("generator", "device"), [("cpu", "simulated"), ("simulated", "cpu")], ids=["host's", "its own"]
)
def test_generators_of_the_other_side_raise(present, generator, device):
    drawn = torch.Generator(device=generator)
    assert drawn.device.type == generator
    for draw in (torch.rand, torch.randperm):
        with pytest.raises(RuntimeError, match="device type for generator but found"):
            draw(4, generator=drawn, device=device)
        draw(4, generator=drawn, device=generator)
    assert not present.counts.of("unseeded")


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x[0].item(),
        lambda x: float(x.sum()),
        lambda x: bool((x > 1).any()),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: torch.empty(4).copy_(x),
        lambda x: x.nonzero(),
        lambda x: torch.where(x > 1),
        lambda x: x[x > 1],
        lambda x: x.index_put_((x > 1,), x[0]),
        lambda x: x.masked_select(x > 1),
        lambda x: x.long().bincount(minlength=4),
        lambda x: x.unique(),
        lambda x: x.unique_consecutive(),
        lambda x: x.repeat_interleave(x.long()),
        lambda x: torch.equal(x, x),
        lambda x: x.softmax(0).multinomial(1),
    ],
)
def test_what_makes_the_host_wait_is_counted_once(present, x, wait):
    wait(x)
    assert present.counts.of("waits") == 1, present.counts.lines()


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x.masked_fill(x > 1, 0.0),
        lambda x: torch.where(x > 1, x, 0.0),
        lambda x: x.repeat_interleave(x.long(), output_size=6),
        lambda x: x[x.long()],
        lambda x: x.max(),
        lambda x: x.sort(),
    ],
)
def test_what_the_device_does_alone_is_no_wait(present, x, work):
    work(x)
    assert present.counts.of("launches")
    assert not present.counts.of("waits") + present.counts.of("copies"), present.counts.lines()


def test_views_are_no_launches(present, x):
    _ = x[1:], x.view(2, 2).t(), x.detach(), x[None].expand(3, 4), torch.empty_like(x)
    assert not present.counts


@pytest.mark.parametrize(
    "copy",
    [
        lambda device: torch.ones(4).to(device),
        lambda device: torch.tensor([1.0, 2.0], device=device),
        lambda device: torch.zeros(4, device=device).copy_(torch.ones(4)),
    ],
)
def test_copies_of_the_host_are_counted(present, copy):
    assert copy(present.device).device.type == present.device.type
    assert (present.counts.of("copies"), present.counts.of("waits")) == (1, 0)


def test_draws_that_nobody_has_seeded_are_counted_and_depend_on_the_clock():
    def drawn(clock):
        with simulated_device(clock) as device:
            first = torch.rand(8, device=device.device)
            assert device.counts.of("unseeded") == 1
            with torch.random.fork_rng([device.device], device_type=device.device.type):
                torch.manual_seed(0)
                second = F.dropout(torch.ones(8, device=device.device))
            assert device.counts.of("unseeded") == 1
            third = torch.rand(8, device=device.device)
            assert device.counts.of("unseeded") == 2
            return first.tolist(), second.tolist(), third.tolist()

    one, other = drawn(1), drawn(2)
    assert one == drawn(1)
    assert one[1] == other[1]
    assert one[0] != other[0]
    assert one[2] != other[2]


def test_gradients_are_taken_and_their_operations_counted(present):
    layer = torch.nn.Linear(4, 3).to(present.device)
    x = torch.ones(2, 4, device=present.device)
    present.counts.clear()
    layer(x).square().sum().backward()
    assert layer.weight.grad.device.type == present.device.type
    expected = torch.func.grad(lambda w: F.linear(x.cpu(), w, layer.bias.cpu()).square().sum())
    torch.testing.assert_close(layer.weight.grad.cpu(), expected(layer.weight.detach().cpu()))
    assert ("launches", "mm", "outside bench and methods") in present.counts


def test_autocast_lowers_products(present):
    layer = torch.nn.Linear(4, 3).to(present.device)
    x = torch.ones(2, 4, device=present.device)
    with torch.autocast(present.device.type, dtype=torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer(x).dtype == torch.float32


def test_lines_of_the_project_are_named(present):
    from bench.training.finite import finite_loss

    finite_loss(torch.ones((), device=present.device), {}, 1, 1)
    assert present.counts.lines("waits").strip().startswith("1 waits _local_scalar_dense  bench/")


def test_afterwards_the_device_is_gone():
    generator = torch.Generator
    with simulated_device() as device:
        x = torch.ones(2, device=device.device)
    assert torch.Generator is generator
    with pytest.raises(RuntimeError, match="is over"):
        x + 1
    torch.manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.rand(2)


def test_a_method_is_checked_on_the_device_that_is_asked_for(present):
    finished = FinishedRuns()
    subject = subject_of("vanilla", finished, present.device)
    assert run_check("trains", subject).verdict == "ok"
    parameters = list(subject.first_run.trial.network.parameters())
    assert {parameter.device.type for parameter in parameters} == {"simulated"}
    for check in ("save_and_load", "goes_on_after_a_stop", "double_precision"):
        assert run_check(check, subject).text == ""
    # What another depends on, too.
    after = subject_of("logit_adjustment_posthoc", finished, present.device)
    assert run_check("trains", after).verdict == "ok"
    assert {case.device for *_, case in finished._trials} == {present.device}
