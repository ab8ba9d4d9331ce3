"""A tab of the Playground over a real socket, without a browser."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
from django.conf import settings
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from apps.accounts.models import User
from tests.gateway.customers import Customer, TestModel
from tests.gateway.processes import GatewayProcess

PATIENCE_S = 60.0
Frame = dict[str, Any]


def cookie_of(gateway: GatewayProcess, customer: Customer) -> str:
    """Of a session at this process: the cookie's name has its port."""
    client = Client()
    client.force_login(User.objects.get(email=customer.email))
    return f"sessionid_{gateway.port}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


class Tab:
    """A connection of a customer's, with a conversation of its own that is made by the first run."""

    def __init__(self, gateway: GatewayProcess, customer: Customer, cookie: str = "", conversation: str = "") -> None:
        self.cookie = cookie or cookie_of(gateway, customer)
        self.gateway, self.customer = gateway, customer
        self.conversation = conversation
        self.socket: ClientConnection = connect(  # type: ignore[call-overload]
            f"ws://127.0.0.1:{gateway.port}/ws/playground",
            additional_headers={"Cookie": self.cookie, "Origin": gateway.url},
            compression=None,
            max_size=None,
            close_timeout=5,
            legacy=True,
        )
        self.hello = self.next()

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    # --- The JSON addresses, of the same server

    def ask(self, method: str, address: str, body: Any = None) -> httpx.Response:
        token = "t" * 32
        headers = {"cookie": f"{self.cookie}; csrftoken={token}", "x-csrftoken": token, "origin": self.gateway.url}
        return httpx.request(method, f"{self.gateway.url}/playground/{address}", headers=headers, json=body, timeout=PATIENCE_S)

    def begin(self) -> str:
        """Makes a conversation."""
        self.conversation = str(uuid4())
        pane = {"model": "m", "system_prompt": "", "parameters": {}, "head": None, "preset": None}
        answer = self.ask("POST", "conversations", {"id": self.conversation, "title": "A test", "panes": [pane]})
        assert answer.status_code == 200, answer.text
        return self.conversation

    def kept(self, message: str) -> dict[str, Any]:
        """A message as it is kept."""
        [found] = [one for one in self.whole()["messages"] if one["id"] == message]
        return dict(found)

    def whole(self) -> dict[str, Any]:
        return dict(self.ask("GET", f"conversations/{self.conversation}").json())

    # --- The socket

    def say(self, **frame: Any) -> None:
        self.socket.send(json.dumps(frame))

    def run(
        self, model: TestModel, text: str | list[Any] = "Say hello.", *, parent: str | None = None, run: str = "", **request: Any
    ) -> str:
        """Asks for an answer to a new message; returns the run's id."""
        if not self.conversation:
            self.begin()
        run = run or str(uuid4())
        messages = [{"id": str(uuid4()), "role": "user", "content": text}] if text else []
        wanted = {"model": model.name, "system_prompt": request.pop("system_prompt", ""), "parameters": request}
        self.say(type="run", run=run, conversation=self.conversation, parent=parent, messages=messages, request=wanted)
        return run

    def next(self) -> Frame:
        text = self.socket.recv(timeout=PATIENCE_S)
        assert isinstance(text, str)
        return dict(json.loads(text))

    def until(self, condition: Callable[[Frame], bool]) -> list[Frame]:
        """The frames up to the first that fulfils it."""
        frames = [self.next()]
        while not condition(frames[-1]):
            frames.append(self.next())
        return frames

    def hear(self, text: str) -> list[Frame]:
        """The frames until the answers have said so much; of one run at a time."""
        heard = ""
        frames: list[Frame] = []
        while not heard.endswith(text):
            frames.append(self.next())
            heard += text_of(frames[-1:])
        return frames

    def until_read(self) -> list[Frame]:
        """What comes until the server has done all that was said so far: it does one thing after the other, and refuses nonsense last."""
        self.say(type="nonsense")
        return self.until(lambda frame: frame["type"] == "refused" and frame["run"] is None)[:-1]

    def rest(self, run: str) -> list[Frame]:
        """The frames of a run up to its end."""
        frames = self.until(lambda frame: frame["type"] in ("done", "failed", "refused") and frame["run"] == run)
        return [frame for frame in frames if frame.get("run") == run]

    def closed(self) -> int:
        """Waits until the server has closed; its code."""
        try:
            while True:
                self.next()
        except ConnectionClosed as closing:
            return closing.rcvd.code if closing.rcvd else 1006

    def break_off(self) -> None:
        """The connection is lost: no closing handshake (1006)."""
        self.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.socket.close()


def text_of(frames: list[Frame]) -> str:
    return "".join(frame.get("content", "") for frame in frames if frame["type"] == "delta")


def check_seqs(frames: list[Frame], after: int = 0) -> None:
    assert [frame["seq"] for frame in frames] == list(range(after + 1, after + 1 + len(frames)))
