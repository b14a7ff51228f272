from __future__ import annotations

import copy

import pytest
import torch

from bench.models import _linear
from bench.models._linear import Linear, matmul


def gradients(layer: torch.nn.Linear, x: torch.Tensor) -> list[torch.Tensor]:
    y = layer(x)
    (y * y.detach().cos()).sum().backward()
    return [y.detach(), x.grad, layer.weight.grad, layer.bias.grad]


def both(dtype: torch.dtype, rows: int = 7) -> list[list[torch.Tensor]]:
    torch.manual_seed(0)
    ours = Linear(5, 3).to(dtype)
    theirs = torch.nn.Linear(5, 3).to(dtype)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(rows, 5, dtype=dtype)
    return [gradients(layer, x.clone().requires_grad_()) for layer in (ours, theirs)]


@pytest.mark.parametrize("rows", [0, 1, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_those_of_torch(dtype, rows):
    for found, expected in zip(*both(dtype, rows), strict=True):
        torch.testing.assert_close(found, expected)


def test_torch_multiplies_where_onednn_is_missing(monkeypatch):
    monkeypatch.setattr(_linear, "_linear", None)
    for found, expected in zip(*both(torch.float32), strict=True):
        assert torch.equal(found, expected)


def test_products_of_transposed_matrices_are_right():
    a, b = torch.randn(6, 4), torch.randn(6, 5)
    torch.testing.assert_close(matmul(a.t(), b), a.t() @ b)
    torch.testing.assert_close(matmul(b.t(), a), b.t() @ a)


def test_second_derivatives_and_those_of_torch_func_are_right():
    layer = Linear(4, 2)
    plain = copy.deepcopy(layer.double())

    def penalty(of: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
        x = x.clone().requires_grad_()
        (grad,) = torch.autograd.grad(of(x).square().sum(), x, create_graph=True)
        grad.square().sum().backward()
        return of.weight.grad

    x = torch.randn(3, 4, dtype=torch.float64)
    expected = penalty(plain, x)
    layer = layer.float()
    torch.testing.assert_close(penalty(layer, x.float()).double(), expected, rtol=1e-4, atol=1e-4)
    per_sample = torch.func.vmap(torch.func.grad(lambda row: layer(row[None]).sum()))(x.float())
    torch.testing.assert_close(per_sample, layer.weight.sum(0).expand(3, 4))


def test_autocast_still_lowers_the_precision():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Linear(4, 2)(torch.randn(3, 4)).dtype == torch.bfloat16
