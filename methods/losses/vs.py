"""Vector-scaling loss: multiplicative and additive logit adjustment in one."""

from __future__ import annotations

from torch import Tensor

from .balanced_softmax import balanced_softmax_loss


def vs_loss(
    logits: Tensor, target: Tensor, temperatures: Tensor, log_priors: Tensor, *, tau: float
) -> Tensor:
    """``CE(z / a + tau log pi, y)``, averaged over the batch; prediction uses plain `logits`.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
    target : Tensor of int64, shape (B,)
    temperatures : Tensor, shape (K,)
        From :func:`bench.methods.losses.cdt.class_temperatures`; all ones give logit adjustment.
    log_priors : Tensor, shape (K,)
        From :func:`bench.methods.losses.balanced_softmax.log_prior`.
    tau : float
        Not negative; 0 gives class-dependent temperatures.

    References
    ----------
    Kini et al., "Label-Imbalanced and Group-Sensitive Classification under
    Overparameterization", NeurIPS 2021, arXiv 2103.01550.

    Examples
    --------
    Adjusted logits are ``1 / 1 + log 3/4`` and ``2 / 2 + log 1/4``: 3 to 1 for the first class.

    >>> import torch
    >>> logits, temperatures = torch.tensor([[1.0, 2.0]]), torch.tensor([1.0, 2.0])
    >>> log_priors = torch.tensor([0.75, 0.25]).log()
    >>> loss = vs_loss(logits, torch.tensor([1]), temperatures, log_priors, tau=1.0)
    >>> round(loss.item(), 6)  # log 4
    1.386294
    """
    return balanced_softmax_loss(logits / temperatures.to(logits.dtype), target, tau * log_priors)
