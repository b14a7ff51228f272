"""Layers and read-out on environments beside the same written out with torch operations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.batch import EnvironmentBatch, LevelBatch
from bench.models._environment_kernels import normalise, read_out
from bench.models._environment_layer import EnvironmentEncoder
from bench.models._environment_layer import read_out as evaluated_read_out


def random_level(rng: np.random.Generator, below: int, rows: int) -> LevelBatch:
    lists = [rng.integers(0, below, rng.integers(1, 5)) for _ in range(rows)]
    return LevelBatch(
        counts=torch.from_numpy(rng.integers(1, 6, rows).astype(np.int32)),
        centres=torch.from_numpy(rng.integers(0, below, rows).astype(np.int32)),
        neighbours=torch.from_numpy(np.concatenate(lists).astype(np.int32)),
        offsets=torch.from_numpy(np.cumsum([0, *map(len, lists)]).astype(np.int32)),
    )


def layer_spelled_out(x, weight, bias, own_weight, own_bias, scale, shift, level, epsilon):
    owners = torch.repeat_interleave(torch.arange(len(level.counts)), level.offsets.diff())
    sums = torch.zeros(len(level.counts), weight.shape[1], dtype=x.dtype)
    sums = sums.index_add(0, owners, (x @ weight)[level.neighbours])
    rows = (sums + bias).relu() + (x @ own_weight.t() + own_bias).relu()[level.centres]
    counts = level.counts.to(x.dtype)
    shares = (counts / counts.sum())[:, None]
    mean = (shares * rows).sum(0)
    variance = (shares * (rows - mean) ** 2).sum(0)
    return (rows - mean) / torch.sqrt(variance + epsilon) * scale + shift, mean, variance


def read_out_spelled_out(x, weight, bias, rows, offsets):
    gated = torch.sigmoid(x @ weight.t() + bias) * x
    atoms = list(rows.long().split(offsets.diff().tolist()))
    sums = torch.stack([gated[own].sum(0) for own in atoms])
    return torch.cat([sums, torch.stack([x[own].amax(0) for own in atoms])], dim=1)


def encode(x, weight, bias, environments, offsets, *parameters):
    """The function's outputs, of layers with one epsilon."""
    epsilons = [1e-5] * len(environments.levels)
    return EnvironmentEncoder.apply(x, weight, bias, environments, offsets, epsilons, *parameters)


def encode_spelled_out(x, weight, bias, environments, offsets, *parameters):
    moments = []
    for number, level in enumerate(environments.levels):
        x, *found = layer_spelled_out(x, *parameters[6 * number : 6 * number + 6], level, 1e-5)
        moments += found
    return read_out_spelled_out(x, weight, bias, environments.rows, offsets), *moments


def random_encoder(rng: np.random.Generator, rows: list[int], width: int):
    """Inputs that have gradients, environments and offsets; of 6 types and these many rows."""
    levels = tuple(
        random_level(rng, below, own) for below, own in zip([6, *rows], rows, strict=False)
    )
    atoms, offsets = rng.integers(0, rows[-1], 3 * rows[-1]), np.arange(rows[-1] + 1) * 3
    shapes = [(6, 4), (1, width), (1,)]
    for before in [4, *[width] * (len(rows) - 1)]:
        shapes += [(before, width), (width,), (width, before), (width,), (width,), (width,)]
    inputs = [torch.from_numpy(rng.standard_normal(shape)).requires_grad_() for shape in shapes]
    environments = EnvironmentBatch(
        torch.empty(0, dtype=torch.int32), levels, torch.from_numpy(atoms.astype(np.int32))
    )
    return inputs, environments, torch.from_numpy(offsets)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 20), min_size=1, max_size=3),
    st.sampled_from([1, 3, 17]),
)
def test_an_encoder_and_its_gradients_are_those_of_the_formula(seed, rows, width):
    """Beyond the first layer, rows of zeros lie below what comes in; they change nothing."""
    rng = np.random.default_rng(seed)
    inputs, environments, offsets = random_encoder(rng, rows, width)
    incoming = torch.from_numpy(rng.standard_normal((len(offsets) - 1, 2 * width)))
    seen = []
    for function in (encode, encode_spelled_out):
        read, *moments = function(*inputs[:3], environments, offsets, *inputs[3:])
        gradients = torch.autograd.grad(read, inputs, incoming)
        seen.append([read.detach(), *moments, *gradients])
    for found, expected in zip(*seen, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)


def test_rows_of_zeros_below_what_comes_in_change_nothing():
    rng = np.random.default_rng(1)
    (x, *others), environments, offsets = random_encoder(rng, [9], 3)
    padded = torch.cat([x.detach(), torch.zeros(5, 4, dtype=x.dtype)]).requires_grad_()
    expected = encode(x, *others[:2], environments, offsets, *others[2:])
    found = encode(padded, *others[:2], environments, offsets, *others[2:])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    found[0].cos().sum().backward()
    assert not padded.grad[6:].any()


def test_rows_are_normalised_and_below_them_there_are_zeros():
    vectors = (np.array(values) for values in ([1.0, 2.0], [3.0, 0.5], [0.0, 1.0]))
    found = normalise(np.array([[2.0, 2.0], [1.0, 4.0]]), *vectors, 5)
    assert found.tolist() == [[3.0, 1.0], [0.0, 2.0], *[[0.0, 0.0]] * 3]


@pytest.mark.parametrize("place", range(9))
def test_an_input_that_is_written_to_before_the_backward_pass_is_an_error(place):
    inputs, environments, offsets = random_encoder(np.random.default_rng(2), [5], 3)
    read, *_ = encode(*inputs[:3], environments, offsets, *inputs[3:])
    with torch.no_grad():
        inputs[place].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        read.sum().backward()


# Rows of the atoms of three graphs; the first holds row 2 twice.
ROWS = torch.tensor([0, 2, 2, 1, 0, 2], dtype=torch.int32)
OFFSETS = torch.tensor([0, 3, 4, 6])
BATCH = EnvironmentBatch(torch.empty(0, dtype=torch.int32), (), ROWS)


def read_alone(x, weight, bias):
    """The read-out of an encoder without layers."""
    (read,) = encode(x, weight, bias, BATCH, OFFSETS)
    return read


def test_atoms_that_tie_share_the_gradient_of_a_maximum():
    x = torch.tensor([[1.0, 5.0], [-2.0, 0.0], [1.0, 7.0], [9.0, 9.0]], requires_grad=True)
    read = read_alone(x, torch.ones(1, 2), torch.zeros(1))
    assert read[:, 2:].tolist() == [[1, 7], [-2, 0], [1, 7]]
    of_maxima = torch.tensor([[6.0, 2.0], [3.0, 4.0], [8.0, -2.0]])
    read.backward(torch.cat([torch.zeros(3, 2), of_maxima], dim=1))
    assert x.grad.tolist() == [[6.0, 0.0], [3.0, 4.0], [8.0, 0.0], [0.0, 0.0]]


def test_sums_are_gated_and_have_the_right_gradients():
    shapes = [(4, 3), (1, 3), (1,)]
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    expected = read_out_spelled_out(*inputs, ROWS, OFFSETS)
    torch.testing.assert_close(read_alone(*inputs), expected)
    assert torch.autograd.gradcheck(read_alone, inputs)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(value):
    x = torch.ones(4, 3)
    x[2, 1] = value
    # Gates of one half, whatever the features are.
    read = evaluated_read_out(x, torch.full((4, 1), 0.5), BATCH, OFFSETS)
    assert read[:, 1].isfinite().tolist() == [False, True, False]
    level = random_level(np.random.default_rng(0), below=4, rows=5)
    parameters = [torch.ones(s) for s in [(2, 3), 3, (3, 2), 3, 3, 3]]
    batch = EnvironmentBatch(torch.empty(0, dtype=torch.int32), (level,), ROWS)
    outputs = encode(
        torch.full((4, 2), value), torch.ones(1, 3), torch.ones(1), batch, OFFSETS, *parameters
    )
    assert not any(output.isfinite().any() for output in outputs)


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
