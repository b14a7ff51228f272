"""Remix: mixed labels that lean to the smaller class."""

from __future__ import annotations

import torch
from torch import Tensor


def remix_label_shares(
    lam: float, own_counts: Tensor, partner_counts: Tensor, *, kappa: float, tau: float
) -> Tensor:
    """Share of each sample's own label when it is mixed by ``lam x + (1 - lam) x'``.

    0 if its class is at least `kappa` times as large as the partner's and ``lam < tau``; 1 if the
    partner's is at least `kappa` times as large and ``1 - lam < tau``; `lam` otherwise, which is
    mixup.

    Parameters
    ----------
    lam : float
        In [0, 1].
    own_counts, partner_counts : Tensor, shape (B,)
        Training samples of the classes of the two samples mixed.
    kappa : float
        At least 1; infinite gives mixup.
    tau : float
        In [0, 1]; 0 gives mixup.

    Returns
    -------
    Tensor of float64, shape (B,)

    References
    ----------
    Chou et al., "Remix: Rebalanced Mixup", ECCV Workshops 2020, arXiv 2007.03943.

    Examples
    --------
    >>> own, partner = torch.tensor([100, 20, 5]), torch.tensor([20, 20, 20])
    >>> remix_label_shares(0.3, own, partner, kappa=3.0, tau=0.5)
    tensor([0.0000, 0.3000, 0.3000], dtype=torch.float64)
    >>> remix_label_shares(0.7, own, partner, kappa=3.0, tau=0.5)
    tensor([0.7000, 0.7000, 1.0000], dtype=torch.float64)
    """
    own, partner = own_counts.double(), partner_counts.double()
    to_partner = (own >= kappa * partner) & (lam < tau)
    to_own = (partner >= kappa * own) & (1 - lam < tau)
    shares = torch.full_like(own, lam)
    return shares.masked_fill(to_own, 1.0).masked_fill(to_partner, 0.0)
