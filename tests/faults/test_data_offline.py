from __future__ import annotations

import socket

import pytest

pytestmark = pytest.mark.fault(61)


@pytest.mark.parametrize(
    "leave",
    [
        lambda: socket.create_connection(("example.org", 80), timeout=1),
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
        lambda: socket.gethostbyname("example.org"),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9)),
    ],
    ids=["name", "address", "look-up", "datagram"],
)
def test_a_way_out_of_the_machine_is_refused(leave, outside_calls):
    """A test that passes only where there is a network says nothing on a cluster without one."""
    with pytest.raises(OSError, match="without a network"):
        leave()
    assert len(outside_calls) == 1
    outside_calls.clear()


def test_the_machine_itself_can_be_reached(outside_calls):
    """A guard that closes local sockets too would stop what runs side by side."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, server.getsockname()[1]), timeout=5).close()
    assert outside_calls == []
