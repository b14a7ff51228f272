from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.modules import module as modules

from bench.models import _linear
from bench.models._linear import Linear, matmul, relu_layers


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


def layers(dtype: torch.dtype = torch.float32) -> torch.nn.ModuleList:
    torch.manual_seed(0)
    return torch.nn.ModuleList([Linear(5, 4), Linear(4, 6), Linear(6, 3)]).to(dtype)


def one_by_one(x: torch.Tensor, parts: torch.nn.ModuleList) -> torch.Tensor:
    for layer in parts:
        x = layer(x).relu()
    return x


@pytest.mark.parametrize("frozen", [(), ("input",), ("input", "0.weight", "0.bias", "1.weight")])
def test_relu_layers_are_linear_layers_with_relu_bit_for_bit(frozen):
    seen = []
    for function in (relu_layers, one_by_one):
        parts, x = layers(), torch.randn(7, 5, generator=torch.Generator().manual_seed(1))
        leaves = {"input": x} | dict(parts.named_parameters())
        for name, leaf in leaves.items():
            leaf.requires_grad_(name not in frozen)
        y = function(x, parts)
        (y * y.detach().cos()).sum().backward()
        seen.append([y.detach(), *(leaf.grad for leaf in leaves.values())])
        assert [leaf.grad is None for leaf in leaves.values()] == [n in frozen for n in leaves]
    for found, expected in zip(*seen, strict=True):
        assert found is expected is None or torch.equal(found, expected)


def test_second_derivatives_of_relu_layers_and_those_of_torch_func_are_right():
    x = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    seen = []
    for function in (relu_layers, one_by_one):
        parts, own = layers(), x.clone().requires_grad_()
        y = function(own, parts).square().sum()
        (grad,) = torch.autograd.grad(y, own, create_graph=True)
        grad.square().sum().backward()
        per_sample = torch.func.vmap(torch.func.grad(lambda row: function(row[None], parts).sum()))  # noqa: B023
        seen.append([own.grad, per_sample(x), *(p.grad for p in parts.parameters())])
    for found, expected in zip(*seen, strict=True):
        assert found is expected is None or torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_relu_layers_of_other_types_hooked_or_under_autocast_are_taken_one_by_one(dtype):
    parts, calls = layers(dtype), []
    parts[1].register_forward_hook(lambda *_: calls.append(1))
    x = torch.randn(7, 5).to(dtype)
    assert torch.equal(relu_layers(x, parts), one_by_one(x, parts))
    assert len(calls) == 2
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = relu_layers(x, layers(dtype)), one_by_one(x, layers(dtype))
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    "register",
    [
        modules.register_module_forward_hook,
        modules.register_module_forward_pre_hook,
        modules.register_module_full_backward_hook,
        modules.register_module_full_backward_pre_hook,
    ],
)
def test_hooks_on_all_modules_see_each_of_relu_layers(register):
    parts, seen = layers(), []
    handle = register(lambda module, *_: seen.append(module))
    try:
        relu_layers(torch.randn(7, 5, requires_grad=True), parts).sum().backward()
    finally:
        handle.remove()
    assert set(parts) <= set(seen)


def test_relu_layers_may_be_anything():
    parts = torch.nn.ModuleList([Linear(5, 4), torch.nn.Identity(), Linear(4, 3, bias=False)])
    x = torch.randn(7, 5)
    assert torch.equal(relu_layers(x, parts), one_by_one(x, parts))
