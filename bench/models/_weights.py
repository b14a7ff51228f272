"""Initial weights that depend on a seed and the name of a part, and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bench.seeds import derive_seed


@contextmanager
def initial_weights(seed: int, part: str) -> Iterator[None]:
    """Within, the CPU's default generator runs from (`seed`, `part`); then it is put back.

    Draw on the CPU and move what was drawn: generators of other devices are not touched.
    """
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also reseed the generators of all devices.
        torch.default_generator.manual_seed(derive_seed(seed, "weights", part))
        yield
