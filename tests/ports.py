"""Ports for servers that a test starts as processes: the number is known before the process listens."""

from __future__ import annotations

import secrets
import socket

# Above what browsers refuse to call, below what the kernel gives outgoing connections (/proc/sys/net/ipv4/ip_local_port_range):
# a number from there, which a bind to port 0 yields, may belong to somebody's connection by the time the server has started.
FIRST, END = 12_000, 32_768


def free_port() -> int:
    """A loopback port that nobody listens at. Chosen by chance of its own, so that two workers do not choose alike:
    Hypothesis seeds `random`."""
    while True:
        port = FIRST + secrets.randbelow(END - FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
