"""Letters of a sequence as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def letter_codes(sequence: str, groups: Sequence[str]) -> np.ndarray:
    """Number of the group each letter stands in, -1 for letters in none; case is ignored.

    Returns
    -------
    ndarray of int64, shape (len(sequence),)
    """
    table = np.full(128, -1)
    for number, letters in enumerate(groups):
        table[[ord(letter) for letter in letters]] = number
    # Characters beyond ASCII become "?", one for one, which must stand in no group.
    return table[np.frombuffer(sequence.encode("ascii", "replace").upper(), dtype=np.uint8)]
