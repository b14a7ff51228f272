"""Seeds for separate purposes, derived from the one seed of a run."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *purpose: str) -> int:
    """A seed of its own for each purpose, the same on every machine and in every process.

    Parameters
    ----------
    seed : int
        Seed of the run.
    *purpose : str
        What the seed is for, such as ``"split", "hiv", "random"``.

    Returns
    -------
    int
        The first 64 bits of a sha256 over the words, each with its length before it, shifted
        to 63 bits so that NumPy, torch and a signed 64-bit column all take it.
    """
    digest = hashlib.sha256()
    for word in (str(seed), *purpose):
        data = word.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return int.from_bytes(digest.digest()[:8], "little") >> 1
