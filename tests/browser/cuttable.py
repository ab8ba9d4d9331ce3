"""A wire between the browser and the site that a test can cut."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

CHUNK = 65_536
# Closing sends RST: the other side learns that the connection is lost, not that it was closed.
ABORT = struct.pack("ii", 1, 0)


class Wire:
    """Listens on a port of its own and carries every connection to `port`. Use it as a context."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.netloc = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._whole = True
        self._lock = threading.Lock()

    def __enter__(self) -> Wire:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Loses every connection, and refuses new ones until `mend`."""
        with self._lock:
            self._whole = False
            for one in self._open:
                with suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._open.clear()

    def mend(self) -> None:
        with self._lock:
            self._whole = True

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._listener.accept()
            except OSError:
                return  # closed
            with self._lock:
                if not self._whole:
                    browser.close()
                    continue
                site = socket.create_connection(("127.0.0.1", self._target))
                self._open |= {browser, site}
            for one, other in ((browser, site), (site, browser)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(CHUNK):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
