"""Class-dependent temperatures."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy


def class_temperatures(class_counts: Tensor, *, gamma: float) -> Tensor:
    """``a_k = (n_max / n_k)^gamma``: 1 for the largest class, more for smaller ones.

    Parameters
    ----------
    class_counts : Tensor of int64, shape (K,)
        A class without training samples is treated as if it had one.
    gamma : float
        Not negative; 0 gives all ones.

    Returns
    -------
    Tensor of float64, shape (K,)

    References
    ----------
    Ye et al., "Identifying and Compensating for Feature Deviation in Imbalanced Deep Learning",
    2020, arXiv 2001.01385.

    Examples
    --------
    >>> import torch
    >>> class_temperatures(torch.tensor([160, 40, 10]), gamma=0.5)
    tensor([1., 2., 4.], dtype=torch.float64)
    """
    counts = class_counts.double().clamp_min(1)
    return (counts.max() / counts) ** gamma


def cdt_loss(logits: Tensor, target: Tensor, temperatures: Tensor) -> Tensor:
    """``CE(z / a, y)``, averaged over the batch; prediction uses the undivided `logits`.

    Unlike cross-entropy it changes when the same number is added to all logits of a sample.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
    target : Tensor of int64, shape (B,)
    temperatures : Tensor, shape (K,)
        From :func:`class_temperatures`.

    References
    ----------
    As :func:`class_temperatures`.

    Examples
    --------
    Under temperatures 1 and 2 the logits 1 and 2 are a draw: the loss is log 2.

    >>> import torch
    >>> logits, temperatures = torch.tensor([[1.0, 2.0]]), torch.tensor([1.0, 2.0])
    >>> round(cdt_loss(logits, torch.tensor([1]), temperatures).item(), 6)
    0.693147
    """
    return cross_entropy(logits / temperatures.to(logits.dtype), target)
