"""Distillation from a teacher whose predictions are flattened into virtual examples."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import kl_div, log_softmax


def virtual_examples(teacher_logits: Tensor, *, temperature: float, power: float) -> Tensor:
    """Logarithm of what the student should predict, shape (B, K).

    ``r ~ softmax(t / T)^q``, which is ``softmax(q t / T)``: the smaller q, the more of a head
    sample is spent on other classes, as examples of those.

    Parameters
    ----------
    teacher_logits : Tensor, shape (B, K)
    temperature : float
        T > 0.
    power : float
        q >= 0; 1 is ordinary distillation, 0 the uniform distribution.

    Examples
    --------
    Odds of 16 to 1 become 4 to 1 by the temperature and 2 to 1 by the power.

    >>> import torch
    >>> logits = torch.tensor([[16.0, 1.0]]).log()
    >>> virtual_examples(logits, temperature=2.0, power=0.5).exp()
    tensor([[0.6667, 0.3333]])
    """
    return log_softmax(power / temperature * teacher_logits, dim=1)


def distillation_loss(
    logits: Tensor, teacher_logits: Tensor, *, temperature: float, power: float
) -> Tensor:
    """``T^2 KL(r || softmax(s / T))``, averaged over the batch.

    The factor T^2 keeps the size of the gradient about the same for every T.

    Parameters
    ----------
    logits : Tensor, shape (B, K)
        s, of the student.
    teacher_logits : Tensor, shape (B, K)
        t; :func:`virtual_examples` makes r of them.
    temperature, power : float
        T > 0 and q >= 0.

    References
    ----------
    He, Wu, Wei, "Distilling Virtual Examples for Long-Tailed Recognition", ICCV 2021,
    arXiv 2103.15042, section 3.

    Examples
    --------
    The target is (2/3, 1/3), the student says (1/2, 1/2): 4 (log 2 - 0.636514).

    >>> import torch
    >>> teacher = torch.tensor([[16.0, 1.0]]).log()
    >>> round(distillation_loss(torch.zeros(1, 2), teacher, temperature=2.0, power=0.5).item(), 6)
    0.226532
    """
    target = virtual_examples(teacher_logits, temperature=temperature, power=power)
    predicted = log_softmax(logits / temperature, dim=1)
    return temperature**2 * kl_div(predicted, target, reduction="batchmean", log_target=True)
