from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.models._linear import Linear, is_hooked, matmul
from bench.perf.flops import ONEDNN, PRODUCTS, TORCH, MatrixProduct, count_multiply_adds


@pytest.mark.parametrize("linear", [nn.Linear, Linear])
def test_the_products_of_two_linear_layers_are_counted_forward_and_backward(linear):
    network = nn.Sequential(linear(3, 4), nn.ReLU(), linear(4, 2))
    x = torch.ones(5, 3)
    forward = 5 * 3 * 4 + 5 * 4 * 2
    # Gradients of both weights, and of what enters the second layer; of x none is asked for.
    backward = 3 * 5 * 4 + 4 * 5 * 2 + 5 * 2 * 4
    assert count_multiply_adds(lambda: network(x)) == forward
    assert count_multiply_adds(lambda: network(x).sum().backward()) == forward + backward


def test_counting_is_seen_by_no_module():
    """Layers that something waits for are computed one by one, which multiplies more."""
    parts = nn.ModuleList([Linear(3, 4), Linear(4, 2)])
    hooked = []
    count_multiply_adds(lambda: hooked.extend(is_hooked(part) for part in parts))
    assert hooked == [False, False]


def test_element_wise_work_counts_nothing():
    x = torch.ones(8, 8)
    assert count_multiply_adds(lambda: (x * x + x).relu().sum()) == 0


def test_the_floor_knows_every_library_that_multiplies_here():
    assert PRODUCTS[TORCH] is torch.mm
    onednn = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    assert list(PRODUCTS) == ([TORCH, ONEDNN] if onednn else [TORCH])
    left, right = torch.randn(5, 3), torch.randn(3, 4)
    for product in PRODUCTS.values():
        torch.testing.assert_close(product(left, right), left @ right)


@pytest.mark.parametrize("product", [torch.mm, matmul])
def test_a_timed_product_knows_how_much_it_multiplies(product):
    product = MatrixProduct(4, 3, 2, product)
    assert product.multiply_adds == count_multiply_adds(lambda: product(0))
    assert product.multiply_adds % (4 * 3 * 2) == 0
