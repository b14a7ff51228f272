"""An activation whose shape is learned, and how far its authors move the logits."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

Adjustment = Literal["raw", "rel"]

# Beyond it softplus is its argument, to the last bit of float64.
_LINEAR = 40.0


def adaptive_parametric_activation(x: Tensor, shape: Tensor, slope: Tensor) -> Tensor:
    """``APA(x) = (l exp(-k x) + 1)^(-1 / l)``, between 0 and 1, of the shape of `x`.

    Parameters
    ----------
    x : Tensor
    shape : Tensor, scalar
        l > 0. 1: the sigmoid of ``k x``; to 0: ``exp(-exp(-k x))``, Gumbel's distribution.
    slope : Tensor, scalar
        k.

    References
    ----------
    Alexandridis et al., "Adaptive Parametric Activation", ECCV 2024, arXiv 2407.08567.

    Examples
    --------
    >>> import torch
    >>> one = torch.tensor(1.0)
    >>> adaptive_parametric_activation(torch.tensor([-2.0, 0.0, 1.5]), one, one)
    tensor([0.1192, 0.5000, 0.8176])
    """
    # As a logarithm: l exp(-k x) is infinite before its power is 0.
    return (-softplus(shape.log() - slope * x, threshold=_LINEAR) / shape).exp()


def adaptive_linear_unit(x: Tensor, shape: Tensor, slope: Tensor) -> Tensor:
    """``AGLU(x) = x APA(x)``: SiLU where l and k are 1, ReLU where k is large.

    Parameters and source are those of :func:`adaptive_parametric_activation`.
    """
    return x * adaptive_parametric_activation(x, shape, slope)


def logit_adjustments(class_counts: Tensor, adjustment: Adjustment) -> Tensor:
    """What is added to the logits to predict, float64, shape (K,).

    ``log(N / n_k)`` (`raw`), or ``log((N - n_k) / n_k)`` (`rel`), the authors' default, which for
    two classes takes the prior off twice. A class without training samples counts as one with a
    single sample.

    Examples
    --------
    >>> import torch
    >>> logit_adjustments(torch.tensor([90, 10]), "rel").exp()
    tensor([0.1111, 9.0000], dtype=torch.float64)
    """
    counts = class_counts.double().clamp_min(1)
    others = counts.sum() - counts if adjustment == "rel" else counts.sum()
    return (others / counts).log()
