"""The whole suite runs without a network, one thread a process."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import os
import socket
import sys

import pytest
from hypothesis import settings

# How long an example takes says more of the machine than of the code. Where CI is set, as by any
# service that tests changes and by .ci/run, examples are the same each time: a change is not red
# for what another one did. Elsewhere they are drawn each time, and find more.
settings.register_profile("drawn", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "drawn")

# Before torch is imported: tests run side by side, a core each.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is imported and collected stays to the end: a quarter of the time of collecting the tests is
# that of looking for garbage among it after every few hundred objects, as Python does.
gc.set_threshold(10_000)

_ATTEMPTS: list[str] = []


def _own_addresses() -> set[str]:
    """Names and addresses of this machine; nothing is sent to find them."""
    own = {"", "localhost", "localhost.localdomain", socket.gethostname()}
    with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # a route is looked up, and no more
        own.add(probe.getsockname()[0])
    with contextlib.suppress(OSError):
        own.update(info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None))
    return own


_OWN = _own_addresses()


def _is_outside(host: object) -> bool:
    if host is None or not isinstance(host, (str, bytes)):
        return False
    name = host.decode() if isinstance(host, bytes) else host
    if name in _OWN:
        return False
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return True
    return not (address.is_loopback or address.is_unspecified)


def _refuse_outside(event: str, arguments: tuple) -> None:
    """Audit hook: calls of any library in this process that would leave the machine."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        opened, address = arguments
        # A datagram socket that is connected sends nothing by it: so one's own address is found.
        if event == "socket.connect" and opened.type == socket.SOCK_DGRAM:
            return
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if _is_outside(host):
        _ATTEMPTS.append(f"{event} {host}")
        raise OSError(f"The tests run without a network, but {event} was called with {host!r}.")


# It cannot be taken away again: neither a library nor a test can open a way out unseen.
sys.addaudithook(_refuse_outside)


@pytest.fixture(autouse=True)
def outside_calls():
    """Attempts to leave the machine; a test that makes one, even if it is caught, fails."""
    _ATTEMPTS.clear()
    yield _ATTEMPTS
    assert not _ATTEMPTS
