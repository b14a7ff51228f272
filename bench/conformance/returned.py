"""What a method or an encoder returns, looked at before anything is made of it.

Whatever uses a value of another shape or kind fails later, with words about something else.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.conformance.verdicts import ConformanceError


def require_loss(loss: object, source: str) -> None:
    """The loss of a batch is a scalar tensor with a gradient; `source` is what returned it.

    Raises
    ------
    ConformanceError
    """
    expected = f"the loss of a batch as a scalar tensor of floats from {source}"
    if not isinstance(loss, Tensor):
        mend = "end it with return" if loss is None else "return the tensor, without float or item"
        raise ConformanceError(expected, f"{_kind(loss)}; {mend}")
    if loss.numel() != 1:  # shape (1,) trains as () does
        raise ConformanceError(expected, f"shape {tuple(loss.shape)}; take its mean")
    if not loss.is_floating_point():
        raise ConformanceError(expected, f"{loss.dtype}; a loss of whole numbers has no gradient")
    if not loss.requires_grad:
        raise ConformanceError(
            expected, "one without a gradient; compute it without detach, no_grad and argmax"
        )


def require_logits(
    logits: object, rows: int, classes: int, source: str, kind: type[Tensor] | type[np.ndarray]
) -> None:
    """Predictions are floats of shape (rows, classes), a tensor or an array as `kind` says.

    Raises
    ------
    ConformanceError
    """
    name = "a tensor" if kind is Tensor else "an array"
    _require_floats(
        logits,
        (rows, classes),
        f"a row for each sample and a score for each class from {source}, {name}",
        kind,
    )


def require_order(order: object, source: str) -> None:
    """The order of an epoch is an array of whole numbers, and not empty.

    Raises
    ------
    ConformanceError
    """
    expected = f"positions of training samples from {source}, whole numbers in one dimension"
    if not isinstance(order, np.ndarray):
        raise ConformanceError(expected, _kind(order))
    if order.ndim != 1 or order.dtype.kind not in "iu" or len(order) == 0:
        raise ConformanceError(expected, f"{order.dtype} of shape {order.shape}")


def require_width(width: object, source: str) -> int:
    """The width of an encoder's embeddings is a whole number from 1.

    Raises
    ------
    ConformanceError
    """
    if isinstance(width, int | np.integer) and not isinstance(width, bool) and width > 0:
        return int(width)
    raise ConformanceError(
        f"self.out_features in the constructor of {source}, the width of what forward returns",
        f"{width!r}" if width is not None else "none",
    )


def require_embeddings(embeddings: object, rows: int, width: int, source: str) -> None:
    """Embeddings are a tensor of floats of shape (rows, width), a row for each input.

    Raises
    ------
    ConformanceError
    """
    expected = f"a row for each input and out_features columns from {source}, a tensor"
    _require_floats(embeddings, (rows, width), expected, Tensor)


def _require_floats(
    values: object,
    shape: tuple[int, int],
    expected: str,
    kind: type[Tensor] | type[np.ndarray],
) -> None:
    expected = f"{expected} of floats of shape {shape}"
    if not isinstance(values, (Tensor, np.ndarray)) or not isinstance(values, kind):
        mend = "; end it with return" if values is None else ""
        raise ConformanceError(expected, f"{_kind(values)}{mend}")
    got = f"{values.dtype} of shape {tuple(values.shape)}"
    if values.ndim == 1:
        got += ", as of class numbers or of one class"
    floats = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    is_float = values.dtype in floats if isinstance(values, Tensor) else values.dtype.kind == "f"
    if tuple(values.shape) != shape or not is_float:
        raise ConformanceError(expected, got)


def _kind(value: object) -> str:
    """The kind of a value in words."""
    return "None" if value is None else f"a value of type {type(value).__name__}"
