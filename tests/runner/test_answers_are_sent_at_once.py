"""Promise: no part of an answer waits for the acknowledgement of the part before: 40 ms at the end of every stream."""

from __future__ import annotations

import socket

import pytest

from akashml.runner.listeners import bind


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_connections_of_a_handed_listener(address: str) -> None:
    """Whatever server gets the listener: it is the kernel that hands the option on."""
    try:
        listener = bind(0, address)
    except OSError:
        pytest.skip(f"this machine has no {address}")
    with listener, socket.create_connection(listener.getsockname()[:2]):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
