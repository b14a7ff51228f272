"""Mixed samples and their loss."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def draw_mixing(
    rng: np.random.Generator, *, alpha: float, batch_size: int
) -> tuple[float, np.ndarray]:
    """One share ``lam ~ Beta(alpha, alpha)`` for a batch and the partner of each sample.

    Parameters
    ----------
    rng : Generator
    alpha : float
        At 0 or below the share is 1: nothing is mixed.
    batch_size : int
        B.

    Returns
    -------
    lam : float
        In [0, 1].
    partners : ndarray of int64, shape (B,)
        A permutation.
    """
    lam = float(rng.beta(alpha, alpha)) if alpha > 0 else 1.0
    return lam, rng.permutation(batch_size)


def mix(values: Tensor, partners: Tensor, lam: float) -> Tensor:
    """``lam x_i + (1 - lam) x_[partner of i]``, shape (B, D), from `values` (B, D).

    Examples
    --------
    >>> mix(torch.tensor([[0.0], [4.0]]), torch.tensor([1, 0]), 0.75)
    tensor([[1.],
            [3.]])
    """
    return lam * values + (1 - lam) * values[partners]


def mixup_loss(
    logits: Tensor, target: Tensor, partner_target: Tensor, label_share: float | Tensor
) -> Tensor:
    """``1/B sum_i [l_i CE(z_i, y_i) + (1 - l_i) CE(z_i, y'_i)]``: CE to the mixed labels.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
        Of the mixed samples.
    target, partner_target : Tensor of int64, shape (B,)
        Labels of the two samples mixed.
    label_share : float or Tensor of shape (B,)
        The first label's share l in [0, 1], of the whole batch or of each sample.

    References
    ----------
    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv 1710.09412,
    section 2.

    Examples
    --------
    The two terms are 0.407606 and 2.407606.

    >>> logits = torch.tensor([[1.0, 0.0, -1.0]])
    >>> round(mixup_loss(logits, torch.tensor([0]), torch.tensor([2]), 0.3).item(), 6)
    1.807606
    """
    own = cross_entropy(logits, target, reduction="none")
    other = cross_entropy(logits, partner_target, reduction="none")
    # A single number stays on the CPU: a device takes it along without a copy.
    share = torch.as_tensor(label_share, dtype=own.dtype)
    return (share * own + (1 - share) * other).mean()
