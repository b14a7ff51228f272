import pytest
import torch

from bench.models._plain import is_plain


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_real_numbers_on_the_cpu_are_plain(dtype):
    assert is_plain(torch.ones(2, dtype=dtype))
    assert is_plain(torch.ones(2, 2, dtype=dtype, requires_grad=True).t())


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.complex64]
)
def test_other_numbers_are_not(dtype):
    assert not is_plain(torch.ones(2, dtype=dtype))


def test_those_of_another_device_are_not():
    assert not is_plain(torch.ones(2, device="meta"))


def test_nothing_is_under_autocast_of_the_cpu():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not is_plain(torch.ones(2))
        with torch.autocast("cpu", enabled=False):
            assert is_plain(torch.ones(2))


@pytest.mark.parametrize("transform", [torch.func.vmap, torch.func.grad])
def test_nothing_is_within_a_transform_of_torch_func(transform):
    seen = []

    def look(x):
        seen.append(is_plain(x))
        return x.sum()

    transform(look)(torch.ones(2))
    assert seen == [False]
