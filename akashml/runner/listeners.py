"""Listening sockets that the runner binds once and hands to its children, so that a restarted one finds its port again."""

from __future__ import annotations

import socket

BACKLOG = 4096


def bind(port: int, address: str = "127.0.0.1") -> socket.socket:
    """A listening socket. From here on nobody else can take the port. Raises OSError."""
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. uvicorn takes a handed listener for a Unix socket and would leave Nagle's algorithm on: what follows the
        # first frames of a stream would wait for the client's acknowledgement, 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
