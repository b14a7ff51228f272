import os
import signal
import subprocess
import sys

import pytest

from bench.sweep.signals import interrupts_heard, signals_held


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


def test_what_a_command_in_the_background_starts_can_be_interrupted():
    """What a command started with & has started goes on after it was stopped."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_heard():
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    finally:
        signal.signal(signal.SIGINT, before)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) != 0


def test_handlers_are_as_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    for held in (signals_held, interrupts_heard):
        with held():
            pass
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
