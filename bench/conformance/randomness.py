"""The global random state of torch, NumPy and Python, which no method may touch."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def global_random_state(device: torch.device) -> dict[str, object]:
    """The state of every global generator, that of `device` too, as values that compare."""
    of_device = {}
    if device.type != "cpu":
        state = torch.get_device_module(device).get_rng_state(device)
        of_device[f"torch on {device.type}"] = state.numpy().tobytes()
    return {
        **of_device,
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": tuple(
            np.asarray(part).tobytes()
            for part in np.random.get_state()  # noqa: NPY002 - looked at, not drawn from
        ),
        "random": random.getstate(),
    }


@contextmanager
def keep_global_random_state(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Put global random state back afterwards, that of `device`, too; begin from `seed`, if any."""
    devices = [] if device.type == "cpu" else [device]
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=devices, device_type=device.type):
            if seed is not None:
                torch.default_generator.manual_seed(seed)
                if device.type != "cpu":
                    torch.get_device_module(device).manual_seed_all(seed)
                np.random.seed(seed)  # noqa: NPY002
                random.seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
