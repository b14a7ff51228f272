"""Layer and read-out on environments beside the same written out with torch operations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.batch import EnvironmentBatch, LevelBatch
from bench.models._environment_kernels import read_out
from bench.models._environment_layer import EnvironmentLayer, EnvironmentReadOut


def random_level(rng: np.random.Generator, below: int, rows: int) -> LevelBatch:
    lists = [rng.integers(0, below, rng.integers(1, 5)) for _ in range(rows)]
    return LevelBatch(
        counts=torch.from_numpy(rng.integers(1, 6, rows).astype(np.int32)),
        centres=torch.from_numpy(rng.integers(0, below, rows).astype(np.int32)),
        neighbours=torch.from_numpy(np.concatenate(lists).astype(np.int32)),
        offsets=torch.from_numpy(np.cumsum([0, *map(len, lists)]).astype(np.int32)),
    )


def spelled_out(x, weight, bias, own_weight, own_bias, scale, shift, level, epsilon):
    owners = torch.repeat_interleave(torch.arange(len(level.counts)), level.offsets.diff())
    sums = torch.zeros(len(level.counts), weight.shape[1], dtype=x.dtype)
    sums = sums.index_add(0, owners, (x @ weight)[level.neighbours])
    rows = (sums + bias).relu() + (x @ own_weight.t() + own_bias).relu()[level.centres]
    counts = level.counts.to(x.dtype)
    shares = (counts / counts.sum())[:, None]
    mean = (shares * rows).sum(0)
    variance = (shares * (rows - mean) ** 2).sum(0)
    return (rows - mean) / torch.sqrt(variance + epsilon) * scale + shift, mean, variance


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 20), st.sampled_from([1, 3, 17]))
def test_a_layer_and_its_gradients_are_those_of_the_formula(seed, rows, width):
    rng = np.random.default_rng(seed)
    level = random_level(rng, below=6, rows=rows)
    shapes = [(6, 4), (4, width), (width,), (width, 4), (width,), (width,), (width,)]
    inputs = [torch.from_numpy(rng.standard_normal(shape)).requires_grad_() for shape in shapes]
    incoming = torch.from_numpy(rng.standard_normal((rows, width)))
    seen = []
    for function in (EnvironmentLayer.apply, spelled_out):
        padded, *moments = function(*inputs, level, 1e-5)
        assert not padded[rows:].any()
        gradients = torch.autograd.grad(padded[:rows], inputs, incoming)
        seen.append([padded[:rows].detach(), *moments, *gradients])
    for found, expected in zip(*seen, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


# Rows of the atoms of three graphs; the first holds row 2 twice.
ROWS = torch.tensor([0, 2, 2, 1, 0, 2], dtype=torch.int32)
OFFSETS = torch.tensor([0, 3, 4, 6])
BATCH = EnvironmentBatch(torch.empty(0, dtype=torch.int32), (), ROWS)


def test_rows_of_zeros_below_what_comes_in_change_nothing():
    rng = np.random.default_rng(1)
    level = random_level(rng, below=6, rows=9)
    shapes = [(6, 4), (4, 3), (3,), (3, 4), (3,), (3,), (3,)]
    x, *others = (torch.from_numpy(rng.standard_normal(shape)) for shape in shapes)
    expected = EnvironmentLayer.apply(x, *others, level, 1e-5)
    padded = torch.cat([x, torch.zeros(5, 4, dtype=x.dtype)]).requires_grad_()
    found = EnvironmentLayer.apply(padded, *others, level, 1e-5)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    found[0].cos().sum().backward()
    assert not padded.grad[6:].any()


def test_atoms_that_tie_share_the_gradient_of_a_maximum():
    x = torch.tensor([[1.0, 5.0], [-2.0, 0.0], [1.0, 7.0], [9.0, 9.0]], requires_grad=True)
    read = EnvironmentReadOut.apply(x, torch.zeros(4), BATCH, OFFSETS)
    assert read[:, 2:].tolist() == [[1, 7], [-2, 0], [1, 7]]
    of_maxima = torch.tensor([[6.0, 2.0], [3.0, 4.0], [8.0, -2.0]])
    read.backward(torch.cat([torch.zeros(3, 2), of_maxima], dim=1))
    assert x.grad.tolist() == [[6.0, 0.0], [3.0, 4.0], [8.0, 0.0], [0.0, 0.0]]


def test_sums_are_gated_and_have_the_right_gradients():
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    gates = torch.rand(4, dtype=torch.float64, requires_grad=True)
    read = EnvironmentReadOut.apply(x, gates, BATCH, OFFSETS)
    gated = x * gates[:, None]
    parts = [gated[ROWS[a:b]].sum(0) for a, b in ((0, 3), (3, 4), (4, 6))]
    torch.testing.assert_close(read[:, :3], torch.stack(parts))
    assert torch.autograd.gradcheck(
        lambda *inputs: EnvironmentReadOut.apply(*inputs, BATCH, OFFSETS), (x, gates)
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(value):
    x = torch.ones(4, 3)
    x[2, 1] = value
    read = EnvironmentReadOut.apply(x, torch.ones(4), BATCH, OFFSETS)
    assert read[:, 1].isfinite().tolist() == [False, True, False]
    level = random_level(np.random.default_rng(0), below=4, rows=5)
    outputs = EnvironmentLayer.apply(
        torch.full((4, 2), value),
        *(torch.ones(s) for s in [(2, 3), 3, (3, 2), 3, 3, 3]),
        level,
        1e-5,
    )
    assert not outputs[0][:5].isfinite().any()


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_nan_in_any_atom_is_nan_in_the_read_out(order):
    """A maximum that loses it where the atom comes first hides that training diverged."""
    x = np.array([[np.nan, 2.0], [1.0, 3.0], [0.0, -1.0]], dtype=np.float32)
    rows = np.array(order, dtype=np.int32)
    result = read_out(x, np.ones(3, np.float32), rows, np.array([0, 3]))
    np.testing.assert_array_equal(result, [[np.nan, 4.0, np.nan, 3.0]])


def test_a_read_out_sums_in_the_type_of_the_features():
    x = np.array([[1.0], [2.0**-24], [2.0**-24]], dtype=np.float32)
    for dtype, expected in ((np.float32, 1.0), (np.float64, 1.0 + 2.0**-23)):
        summed = read_out(x.astype(dtype), np.ones(3, dtype), np.arange(3, dtype=np.int32),
                          np.array([0, 3]))  # fmt: skip
        assert (summed.dtype, summed[0, 0]) == (dtype, expected)
