"""Signals that wait while something is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

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
    if not _hears_signals():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _hears_signals() -> bool:
    return threading.current_thread() is threading.main_thread()
