"""Arrays by safetensors, objects of scikit-learn by skops; nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np


def arrays_from_bytes(data: bytes) -> dict[str, np.ndarray]:
    """The arrays in a file of safetensors.

    Raises
    ------
    ValueError
        It is no such file, or has numbers of a type that NumPy lacks.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, np.ndarray] = load(data)
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"it holds no arrays that can be read ({error})") from None
    return arrays


def objects_to_bytes(state: Mapping[str, Any]) -> bytes:
    """A file of `state`."""
    from skops.io import dumps

    data: bytes = dumps(dict(state), compression=ZIP_DEFLATED, compresslevel=1)
    return data


def objects_from_bytes(data: bytes) -> dict[str, Any]:
    """The state in a file; only types that skops trusts of its own accord are made.

    Raises
    ------
    ValueError
        It is no such file, or asks for other types.
    """
    from skops.io import get_untrusted_types, loads

    try:
        untrusted = get_untrusted_types(data=data)
        state = None if untrusted else loads(data)
    except Exception as error:  # whatever a file makes of a reader
        raise ValueError(f"{type(error).__name__}: {error}") from None
    if untrusted:
        raise ValueError(f"it asks for types that are not trusted: {', '.join(untrusted[:5])}")
    if not isinstance(state, dict):
        raise ValueError("it holds no state of a method")
    return state
