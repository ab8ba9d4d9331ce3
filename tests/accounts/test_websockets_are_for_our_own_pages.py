"""Promise (acceptance 41): a WebSocket opens for a page of this site whose visitor is logged in, and for nobody else."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from django.conf import settings as site
from django.test import Client
from pytest_django import Settings
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from apps.accounts.actions import Registered
from apps.accounts.models import Session
from apps.accounts.session_cookie import seal
from apps.accounts.websockets import Door, is_own_origin, is_still_logged_in
from tests.gateway.processes import gateways_running
from tests.people import new_customer

NEXT_KEY = "another secret key, long enough to be one of production"


async def who_am_i(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """A consumer that answers each message with whom it serves, and whether they still are logged in."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        answer = {"email": scope["user"].email, "account": scope["account"].pk, "still": await is_still_logged_in(scope)}
        await send({"type": "websocket.send", "text": json.dumps(answer)})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server in this process, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Door({"/ws/test": who_am_i}), lifespan="off", log_level="error"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture
def customer() -> Registered:
    return new_customer()


def cookie_of(customer: Registered) -> str:
    client = Client()
    client.force_login(customer.user)
    return client.cookies[site.SESSION_COOKIE_NAME].value


Open = Callable[..., ClientConnection]


@pytest.fixture
def open_socket(port: int) -> Open:
    def opened(cookie: str, origin: str | None = f"http://127.0.0.1:{port}", path: str = "/ws/test") -> ClientConnection:
        headers = {"Cookie": f"theme=dark; {site.SESSION_COOKIE_NAME}={cookie}; a=b"}
        if origin is not None:
            headers["Origin"] = origin
        return connect(f"ws://127.0.0.1:{port}{path}", additional_headers=headers)

    return opened


def ask(connection: ClientConnection) -> dict[str, Any]:
    connection.send("?")
    answer: dict[str, Any] = json.loads(connection.recv(timeout=10))
    return answer


@pytest.mark.parametrize("path", ["/ws/test", "/ws/test/"])
def test_a_page_of_ours_is_served_as_its_user(open_socket: Open, customer: Registered, path: str) -> None:
    with open_socket(cookie_of(customer), path=path) as connection:
        assert ask(connection) == {"email": customer.user.email, "account": customer.account.pk, "still": True}


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "https://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://127.0.0.1:{port}.evil.example",
        "http://evil.example@127.0.0.1:{port}",
        "https://127.0.0.1:{port}",
        "file://",
        "http://[",
    ],
)
def test_a_page_of_any_other_origin_is_refused(open_socket: Open, customer: Registered, port: int, origin: str | None) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        open_socket(cookie_of(customer), origin and origin.replace("{port}", str(port)))
    assert refusal.value.response.status_code == 403


def test_a_visitor_without_a_session_of_a_user_is_refused(open_socket: Open, customer: Registered) -> None:
    anonymous = Client()
    anonymous.session["note"] = "x"
    with open_socket(cookie_of(customer)) as connection:
        assert ask(connection)["still"]
    stored = Session.objects.get(user=customer.user)
    cookies = [
        "",
        "x",
        "ключ".encode().decode("latin-1"),
        anonymous.cookies[site.SESSION_COOKIE_NAME].value,
        stored.session_key,
        seal("a" * 32),
    ]
    for cookie in cookies:
        with pytest.raises(InvalidStatus) as refusal:
            open_socket(cookie)
        assert refusal.value.response.status_code == 403, cookie


def test_a_consumer_learns_that_a_session_was_ended(open_socket: Open, customer: Registered) -> None:
    cookie = cookie_of(customer)
    with open_socket(cookie) as connection:
        assert ask(connection)["still"] is True
        customer.user.set_password("a new password")
        customer.user.save()
        assert ask(connection)["still"] is False
    cookie = cookie_of(customer)
    with open_socket(cookie) as connection:
        Session.objects.filter(user=customer.user).delete()
        assert ask(connection)["still"] is False
    with pytest.raises(InvalidStatus):
        open_socket(cookie)


def test_a_rotated_secret_key_keeps_the_session_for_pages_and_sockets_alike(
    open_socket: Open, customer: Registered, settings: Settings
) -> None:
    cookie = cookie_of(customer)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], NEXT_KEY
    for _ in range(2):
        with open_socket(cookie) as connection:
            assert ask(connection)["still"] is True


def test_a_host_that_is_not_ours_makes_no_origin_ours(settings: Settings) -> None:
    assert is_own_origin(settings.BASE_URL, "anything behind a proxy")
    assert is_own_origin("http://localhost:8000", "localhost:8000")
    assert not is_own_origin("http://evil.example", "evil.example")
    settings.ALLOWED_HOSTS, settings.BASE_URL = ["ai.example.com"], "https://ai.example.com"
    assert is_own_origin("https://ai.example.com", "ai.example.com")
    assert not is_own_origin("http://ai.example.com", "ai.example.com")  # somebody between us and the visitor could have made it


def test_the_product_refuses_what_no_consumer_waits_for(customer: Registered) -> None:
    with gateways_running(1, SERVE="all") as [process]:
        for path, origin in (("/ws/nothing/", process.url), ("/", process.url), ("/ws/playground/", "https://evil.example")):
            headers = {"Cookie": f"{site.SESSION_COOKIE_NAME}={cookie_of(customer)}", "Origin": origin}
            with pytest.raises(InvalidStatus) as refusal:
                connect(f"ws://127.0.0.1:{process.port}{path}", additional_headers=headers)
            assert refusal.value.response.status_code == 403
