"""True and predicted labels of a run, without the logits they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np

from bench.objects import arrays_from_bytes

_PARTS = ("valid", "test")
_NAMES = tuple(f"{part}_{what}" for part in _PARTS for what in ("labels", "predictions"))
_TYPES = (np.uint8, np.uint16, np.uint32)
# One entry: the order of several in a file is not the same each time.
_METADATA = "run"


def decisions_of(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What was decided from logits, by their largest.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        ``valid_labels`` (V,), ``valid_logits`` (V, K), ``test_labels`` and ``test_logits``.

    Returns
    -------
    dict of str to ndarray of int64
        ``valid_labels`` and ``valid_predictions`` (V,), ``test_labels`` and ``test_predictions``.

    Raises
    ------
    ValueError
        An array is absent or of another shape.
    """
    decisions = {}
    for part in _PARTS:
        labels, logits = (arrays.get(f"{part}_{what}") for what in ("labels", "logits"))
        if labels is None or logits is None:
            raise ValueError(f"expected {part} labels and logits, but they are not there")
        if logits.ndim != 2 or labels.shape != logits.shape[:1]:
            raise ValueError(
                f"expected {part} labels (n,) and logits (n, K), but got {labels.shape} and "
                f"{logits.shape}"
            )
        decisions[f"{part}_labels"] = labels.astype(np.int64)
        decisions[f"{part}_predictions"] = logits.argmax(axis=1)
    return decisions


def pack_decisions(job_id: str, decisions: Mapping[str, np.ndarray]) -> bytes:
    """A safetensors file of `decisions` in the smallest unsigned types; equal ones, equal bytes."""
    from safetensors.numpy import save

    arrays = {
        name: decisions[name].astype(np.min_scalar_type(decisions[name].max(initial=0)))
        for name in _NAMES
    }
    return save(arrays, {_METADATA: _seal(job_id, arrays)})


def unpack_decisions(job_id: str, content: bytes) -> dict[str, np.ndarray]:
    """What :func:`decisions_of` gave, from a file that :func:`pack_decisions` made of it.

    Raises
    ------
    ValueError
        The file is damaged or of another run.
    """
    try:
        arrays = arrays_from_bytes(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        seal = header["__metadata__"][_METADATA]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"its predicted labels cannot be read: {error}") from None
    if seal != _seal(job_id, arrays):
        raise ValueError("its predicted labels do not match their checksum, or are of another run")
    right = [array.ndim == 1 and array.dtype in _TYPES for array in arrays.values()]
    if sorted(arrays) != sorted(_NAMES) or not all(right):
        raise ValueError(f"expected class indices (n,) under {', '.join(_NAMES)}")
    return {name: array.astype(np.int64) for name, array in arrays.items()}


def _seal(job_id: str, arrays: Mapping[str, np.ndarray]) -> str:
    checksum = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        checksum.update(f"{name} {array.dtype} {array.shape}\n".encode())
        checksum.update(array.tobytes())
    return json.dumps({"job_id": job_id, "sha256": checksum.hexdigest()}, sort_keys=True)
