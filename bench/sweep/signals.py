"""Signals that wait while something is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold a first interrupt or termination back until the block has ended.

    A second one is not held back: whoever asks twice means at once. Only the main thread hears
    signals; in others, nothing is done.
    """
    if not _hears_signals():
        yield
        return
    received: list[int] = []

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def hold(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            restore()
            signal.raise_signal(number)

    before = {number: signal.getsignal(number) for number in _HELD}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # what is ignored stays so
            signal.signal(number, hold)
    try:
        yield
    finally:
        restore()
        if len(received) == 1:
            signal.raise_signal(received[0])


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Processes that are started in the block ignore interrupts, as this one does meanwhile."""
    with _interrupts_to(signal.SIG_IGN):
        yield


@contextmanager
def interrupts_heard() -> Iterator[None]:
    """Processes that are started in the block hear interrupts, as this one does meanwhile.

    A command that a script starts in the background ignores them, and so would they.
    """
    with _interrupts_to(signal.default_int_handler):
        yield


@contextmanager
def _interrupts_to(handler: Any) -> Iterator[None]:
    if not _hears_signals():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _hears_signals() -> bool:
    return threading.current_thread() is threading.main_thread()
