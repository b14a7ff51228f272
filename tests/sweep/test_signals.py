import os
import signal

import pytest

from bench.sweep.signals import signals_held


def _interrupted(times, finished):
    with signals_held():
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        finished.append(True)


@pytest.fixture
def _hears_interrupts():
    """A process that was started in the background of a shell ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_hears_interrupts")
@pytest.mark.parametrize(("times", "finishes"), [(1, True), (2, False)])
def test_a_first_interrupt_waits_for_the_end_of_the_block_and_a_second_does_not(times, finishes):
    finished = []
    with pytest.raises(KeyboardInterrupt):
        _interrupted(times, finished)
    assert bool(finished) is finishes


def test_handlers_are_as_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with signals_held():
        pass
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
