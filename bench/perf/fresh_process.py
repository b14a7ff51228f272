"""A process of its own for each number of threads.

OpenMP reads its number of threads when a library loads, and DGL's OpenMP is another than torch's,
so ``torch.set_num_threads`` alone would not bind DGL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def in_fresh_process(
    threads: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """``function(*args, **kwargs)`` in a new process that computes with `threads` threads.

    What it raises is raised here.
    """
    with (
        _environment(dict.fromkeys(_VARIABLES, str(threads))),
        ProcessPoolExecutor(1, get_context("spawn"), use_threads, (threads,)) as pool,
    ):
        return pool.submit(function, *args, **kwargs).result()


def use_threads(threads: int) -> None:
    """Let torch compute with `threads` threads in this process."""
    import torch

    torch.set_num_threads(threads)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
