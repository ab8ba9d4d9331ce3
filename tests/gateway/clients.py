"""The API's clients, down to the socket: a test decides when one reads, waits and hangs up."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import httpx

from tests.gateway.customers import Customer, TestModel, new_customer
from tests.gateway.processes import GatewayProcess
from tests.gateway.waiting import wait_for

CHAT = "/chat/completions"
MESSAGES = [{"role": "user", "content": "Say hello."}]
TIMEOUT_S = 60.0
# What new_model's prices and MESSAGES come to, in nano-USD a token and tokens.
INPUT, OUTPUT = 1_000, 2_000
PROMPT_BOUND = len(json.dumps(MESSAGES, separators=(",", ":"))) // 2 + 8  # half a token a byte of their JSON, and eight
PROMPT_ESTIMATE = 3 + 4  # four bytes a token, and four tokens a message


def chat(gateway: GatewayProcess, customer: Customer, model: TestModel, **fields: Any) -> httpx.Response:
    """A chat completion, answered whole (or a stream read to its end)."""
    return httpx.post(gateway.base_url + CHAT, headers=authorization(customer), json=body_for(model, **fields), timeout=TIMEOUT_S)


def body_for(model: TestModel, **fields: Any) -> dict[str, Any]:
    return {"model": model.name, "messages": MESSAGES, **fields}


def authorization(customer: Customer) -> dict[str, str]:
    return {"authorization": f"Bearer {customer.key}"}


def until_known(model: TestModel, *gateways: GatewayProcess) -> TestModel:
    """Waits until each process has read the model: they hear of changes a moment later. The asking costs nothing."""
    poor = penniless()
    for gateway in gateways:
        wait_for(lambda gateway=gateway: chat(gateway, poor, model, max_tokens=1).status_code == 402, what=f"{model.name} known")
    return model


@lru_cache
def penniless() -> Customer:
    return new_customer("0")


class OpenCall:
    """A streamed request whose client reads as much as the test says: `with OpenCall(gateway, customer, model) as call: …`."""

    def __init__(self, gateway: GatewayProcess, customer: Customer, model: TestModel, **fields: Any) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=TIMEOUT_S)
        body = json.dumps(body_for(model, **{"stream": True, **fields}), separators=(",", ":"))
        self._connection.request("POST", "/v1" + CHAT, body, {**authorization(customer), "content-type": "application/json"})
        self._response: http.client.HTTPResponse | None = None
        self._buffer = b""
        self.complete = False
        """The answer was read to its proper end."""

    def __enter__(self) -> OpenCall:
        return self

    def __exit__(self, *error: object) -> None:
        self.hang_up()

    @property
    def response(self) -> http.client.HTTPResponse:
        """Waits for status and headers."""
        if self._response is None:
            self._response = self._connection.getresponse()
        return self._response

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def inference_id(self) -> UUID:
        return UUID(self.response.headers["inference-id"])

    def events(self) -> Iterator[Any]:
        """The events as they come: JSON values, and "[DONE]" as a text. Ends where the stream ends or breaks."""
        while True:
            event, blank_line, rest = self._buffer.partition(b"\n\n")
            if blank_line:
                self._buffer = rest
                data = event.removeprefix(b"data: ")
                yield "[DONE]" if data == b"[DONE]" else json.loads(data)
                continue
            try:
                piece = self._chunk()
            except ConnectionError:
                return
            if not piece:
                return
            self._buffer += piece

    def _chunk(self) -> bytes:
        """The next HTTP chunk; empty at the end of the answer and where it breaks off. (http.client takes the two for the same.)"""
        file = self.response.fp
        size = file.readline().strip()
        if not size:
            return b""
        data = file.read(int(size, 16) + 2)
        self.complete = size == b"0"
        return data[:-2]

    def take(self, count: int) -> list[Any]:
        """The next `count` events."""
        events = self.events()
        return [next(events) for _ in range(count)]

    def rest(self) -> list[Any]:
        """All events up to the end."""
        return list(self.events())

    def hang_up(self) -> None:
        """FIN, as a client that closes its connection."""
        sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):  # the other side may have been first
                sock.shutdown(socket.SHUT_RDWR)
        self._close()

    def half_close(self) -> None:
        """FIN, but goes on listening: see `wait_closed`."""
        self._connection.sock.shutdown(socket.SHUT_WR)

    def wait_closed(self) -> bool:
        """Waits until the gateway has closed its side too, which it does when it notices. False when it sent something instead."""
        return self._connection.sock.recv(1) == b""

    def reset(self) -> None:
        """RST, as a client that died."""
        sock = self._connection.sock
        assert sock is not None
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._close()

    def _close(self) -> None:
        if self._response is not None:
            self._response.close()  # its file holds the socket open
        self._connection.close()


def text_of(events: Sequence[Any]) -> str:
    """The text that a stream's events carry."""
    deltas = [choice["delta"] for event in events if event != "[DONE]" for choice in event.get("choices", [])]
    return "".join(delta.get("content") or "" for delta in deltas)
