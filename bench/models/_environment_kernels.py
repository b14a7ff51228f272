"""Layers and read-out on distinct environments as compiled loops, forward and backward.

As array operations they are some sixty, each of which writes a matrix to memory and reads it
again; as loops they go over it once or twice. They run on one thread and add in a fixed order, so
results repeat bit for bit. Moments and gradients of parameters, which are sums over all rows, are
taken in double precision; sums over the neighbours or the atoms of one graph have the type of the
features. A result that NaN has a part in is NaN. Inner loops touch few arrays each: with many, the
compiler cannot rule out overlaps and gives up vector instructions.

A level has R environments that refer to S of the level below; see
:class:`bench.data.batch.LevelBatch`. H is the number of features.
"""

from __future__ import annotations

import numpy as np

from bench.data.compiled import compiled

Arrays = tuple[np.ndarray, ...]


@compiled
def side_by_side(weight: np.ndarray, own_weight: np.ndarray) -> np.ndarray:
    """``[weight, own_weight^T]``, (D, 2H), of a layer's weights (D, H) and (H, D)."""
    rows, width = weight.shape
    both = np.empty((rows, 2 * width), weight.dtype)
    both[:, :width] = weight
    both[:, width:] = own_weight.T
    return both


@compiled
def apart(both: np.ndarray) -> Arrays:
    """The inverse of :func:`side_by_side`."""
    rows, width = both.shape[0], both.shape[1] // 2
    weight, own_weight = np.empty((rows, width), both.dtype), np.empty((width, rows), both.dtype)
    weight[:] = both[:, :width]
    own_weight[:] = both[:, width:].T
    return weight, own_weight


@compiled
def convolve(
    both: np.ndarray,
    bias: np.ndarray,
    own_bias: np.ndarray,
    centres: np.ndarray,
    neighbours: np.ndarray,
    offsets: np.ndarray,
) -> Arrays:
    """ReLU(sum over neighbours + bias) + ReLU(own + own_bias).

    Parameters
    ----------
    both : ndarray, shape (S or more, 2H)
        What each sends to its neighbours and itself, then its own branch.
    bias, own_bias : ndarray, shape (H,)
    centres, neighbours, offsets : ndarray of int32

    Returns
    -------
    tuple of ndarray, shape (R, H)
        The result, and the neighbours' part of it before the ReLU.
    """
    rows, width = len(centres), len(bias)
    result = np.empty((rows, width), both.dtype)
    before = np.empty((rows, width), both.dtype)
    zero = both.dtype.type(0)
    for row in range(rows):
        summed, own, out = before[row], both[centres[row], width:], result[row]
        for h in range(width):
            summed[h] = bias[h]
        for place in range(offsets[row], offsets[row + 1]):
            sent = both[neighbours[place]]
            for h in range(width):
                summed[h] += sent[h]
        for h in range(width):
            one, other = summed[h], own[h] + own_bias[h]
            out[h] = (zero if one < zero else one) + (zero if other < zero else other)
    return result, before


@compiled
def weighted_moments(x: np.ndarray, counts: np.ndarray) -> Arrays:
    """Mean and biased variance, float64 (H,), of the rows of `x`, each of which counts `counts`."""
    rows, width = x.shape
    mean, variance = np.zeros(width), np.zeros(width)
    total = 0.0
    for row in range(rows):
        count = float(counts[row])
        total += count
        for h in range(width):
            mean[h] += count * x[row, h]
    mean /= total
    for row in range(rows):
        count = float(counts[row])
        for h in range(width):
            deviation = x[row, h] - mean[h]
            variance[h] += count * (deviation * deviation)
    return mean, variance / total


@compiled
def normalise(
    x: np.ndarray, mean: np.ndarray, factor: np.ndarray, shift: np.ndarray, padded: int
) -> np.ndarray:
    """``(x - mean) * factor + shift``, each (H,) of the type of `x`; then zeros, (padded, H)."""
    rows, width = x.shape
    result = np.empty((padded, width), x.dtype)
    for row in range(rows):
        for h in range(width):
            result[row, h] = (x[row, h] - mean[h]) * factor[h] + shift[h]
    result[rows:] = 0
    return result


@compiled
def convolve_and_normalise(
    both: np.ndarray,
    bias: np.ndarray,
    own_bias: np.ndarray,
    centres: np.ndarray,
    neighbours: np.ndarray,
    offsets: np.ndarray,
    mean: np.ndarray,
    factor: np.ndarray,
    shift: np.ndarray,
    padded: int,
) -> np.ndarray:
    """:func:`convolve`, then :func:`normalise`, with nothing kept for a backward pass."""
    rows, width = len(centres), len(bias)
    result = np.empty((padded, width), both.dtype)
    zero = both.dtype.type(0)
    for row in range(rows):
        out, own = result[row], both[centres[row], width:]
        for h in range(width):
            out[h] = bias[h]
        for place in range(offsets[row], offsets[row + 1]):
            sent = both[neighbours[place]]
            for h in range(width):
                out[h] += sent[h]
        for h in range(width):
            one, other = out[h], own[h] + own_bias[h]
            out[h] = (zero if one < zero else one) + (zero if other < zero else other)
        for h in range(width):
            out[h] = (out[h] - mean[h]) * factor[h] + shift[h]
    result[rows:] = 0
    return result


@compiled
def layer_gradients(
    grad: np.ndarray,
    x: np.ndarray,
    before: np.ndarray,
    both: np.ndarray,
    own_bias: np.ndarray,
    mean: np.ndarray,
    spread: np.ndarray,
    scale: np.ndarray,
    counts: np.ndarray,
    centres: np.ndarray,
    neighbours: np.ndarray,
    offsets: np.ndarray,
) -> Arrays:
    """Backwards through :func:`normalise` with moments of `x` itself, then :func:`convolve`.

    Parameters
    ----------
    grad : ndarray, shape (R or more, H)
        Of the normalised rows; a row's gradient is the sum over the atoms it stands for.
    x, before : ndarray, shape (R, H)
        What :func:`convolve` returned.
    both, own_bias : ndarray
        What it was given.
    mean, spread, scale : ndarray, shape (H,)
        Mean of `x`, one over its standard deviation, scale of the normalisation.
    counts, centres, neighbours, offsets : ndarray of int32

    Returns
    -------
    tuple of ndarray
        Gradients of `both`, and of bias, own bias, scale and shift (H,).
    """
    rows, width = x.shape
    dtype = both.dtype.type
    zero = dtype(0)
    total = 0.0
    grad_shift, products = np.zeros(width), np.zeros(width)
    for row in range(rows):
        total += float(counts[row])
        given, values = grad[row], x[row]
        for h in range(width):
            grad_shift[h] += given[h]
        for h in range(width):
            products[h] += given[h] * (values[h] - mean[h])
    grad_scale = products * spread

    # What comes to a row is `factor * grad`, less what moving mean and variance took from all:
    # as often as the row counts, `constant + slope * (x - mean)`.
    factor = scale * spread
    constant = (factor * grad_shift).astype(both.dtype)
    slope = (factor * spread * grad_scale).astype(both.dtype)
    grad_both = np.zeros_like(both)
    grad_bias, grad_own_bias = np.zeros(width), np.zeros(width)
    moved = np.empty(width, both.dtype)
    for row in range(rows):
        share = dtype(float(counts[row]) / total)
        given, values, summed = grad[row], x[row], before[row]
        own, grad_own = both[centres[row], width:], grad_both[centres[row], width:]
        for h in range(width):
            taken = constant[h] + slope[h] * (values[h] - mean[h])
            moved[h] = factor[h] * given[h] - share * taken
        for h in range(width):
            grad_own[h] += zero if own[h] + own_bias[h] <= zero else moved[h]
        for h in range(width):
            moved[h] = zero if summed[h] <= zero else moved[h]
            grad_bias[h] += moved[h]
        for place in range(offsets[row], offsets[row + 1]):
            grad_sent = grad_both[neighbours[place]]
            for h in range(width):
                grad_sent[h] += moved[h]
    for place in range(len(grad_both)):
        grad_own = grad_both[place, width:]
        for h in range(width):
            grad_own_bias[h] += grad_own[h]
    return grad_both, grad_bias, grad_own_bias, grad_scale, grad_shift


@compiled
def read_out(x: np.ndarray, gates: np.ndarray, rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sum of the gated rows and maximum of the rows of each graph's atoms, in the type of `x`.

    Parameters
    ----------
    x : ndarray, shape (R, H)
    gates : ndarray, shape (R,)
    rows : ndarray of int32, shape (N,)
        Row of each atom.
    offsets : ndarray of int64, shape (G + 1,)
        Atoms of graph g are ``offsets[g]:offsets[g + 1]``.

    Returns
    -------
    ndarray, shape (G, 2H)
        Sums, then maxima.
    """
    graphs, width = len(offsets) - 1, x.shape[1]
    result = np.empty((graphs, 2 * width), x.dtype)
    for graph in range(graphs):
        summed, highest = result[graph, :width], result[graph, width:]
        summed[:] = 0
        highest[:] = -np.inf
        for atom in range(offsets[graph], offsets[graph + 1]):
            row = rows[atom]
            gate, values = gates[row], x[row]
            for h in range(width):
                summed[h] += gate * values[h]
                # Of NaN, no comparison is true but that with itself.
                keep = highest[h] >= values[h] or highest[h] != highest[h]
                highest[h] = highest[h] if keep else values[h]
    return result


@compiled
def read_out_gradients(
    grad: np.ndarray, result: np.ndarray, x: np.ndarray, rows: np.ndarray, offsets: np.ndarray
) -> Arrays:
    """Backwards through :func:`read_out`; atoms that tie share the maximum's gradient equally.

    Parameters
    ----------
    grad, result : ndarray, shape (G, 2H)
    x, rows, offsets : ndarray

    Returns
    -------
    tuple of ndarray, shape (R, H)
        Gradients of the gated rows, and of the rows by way of the maximum.
    """
    graphs, width = len(offsets) - 1, x.shape[1]
    of_gated, of_highest = np.zeros_like(x), np.zeros_like(x)
    one, zero = x.dtype.type(1), x.dtype.type(0)
    from_sum, highest = np.empty(width, x.dtype), np.empty(width, x.dtype)
    shares = np.empty(width, x.dtype)
    for graph in range(graphs):
        from_sum[:] = grad[graph, :width]
        highest[:] = result[graph, width:]
        shares[:] = zero
        for atom in range(offsets[graph], offsets[graph + 1]):
            # Unsigned, so that no negative index needs to be thought of in the loop.
            row = np.uintp(rows[atom])
            for h in range(width):
                shares[h] += one if x[row, h] == highest[h] else zero
        for h in range(width):
            # Nothing equals a maximum that is NaN.
            shares[h] = grad[graph, width + h] / max(shares[h], one)
        for atom in range(offsets[graph], offsets[graph + 1]):
            row = np.uintp(rows[atom])
            for h in range(width):
                of_gated[row, h] += from_sum[h]
            for h in range(width):
                of_highest[row, h] += shares[h] if x[row, h] == highest[h] else zero
    return of_gated, of_highest
