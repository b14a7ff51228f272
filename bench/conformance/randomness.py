"""The global random state of torch, NumPy and Python, which no method may touch."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def global_random_state() -> dict[str, object]:
    """The state of every global generator, as values that compare."""
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": tuple(
            np.asarray(part).tobytes()
            for part in np.random.get_state()  # noqa: NPY002 - looked at, not drawn from
        ),
        "random": random.getstate(),
    }


@contextmanager
def keep_global_random_state(seed: int | None = None) -> Iterator[None]:
    """Put global random state back afterwards; with `seed`, begin from another one."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            if seed is not None:
                torch.default_generator.manual_seed(seed)
                np.random.seed(seed)  # noqa: NPY002
                random.seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
