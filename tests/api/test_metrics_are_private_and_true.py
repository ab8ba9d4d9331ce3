"""`/metrics` tells this machine, or who has the token, what the gateway of the process does."""

from __future__ import annotations

import re

import httpx
import pytest
from django.conf import settings
from django.test import Client, override_settings

from tests.api.doors import CHAT, Doors, bearer, chat
from tests.fakes.backend import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.customers import Customer
from tests.gateway.waiting import wait_for

SAMPLE = re.compile(r"^akashml_[a-z_]+ \d+$")


def metrics(url: str) -> dict[str, int]:
    response = httpx.get(f"{url}/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [line for line in response.text.splitlines() if not line.startswith("#")]
    assert all(map(SAMPLE.match, samples)), samples
    return {name.removeprefix("akashml_"): int(value) for name, value in (line.split() for line in samples)}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_may_read_them(address: str) -> None:
    assert Client(REMOTE_ADDR=address).get("/metrics").status_code == 200


@pytest.mark.parametrize("address", ["10.0.0.7", "203.0.113.5", "2001:db8::1", "", "unix:"])
def test_other_machines_may_not(address: str) -> None:
    assert Client(REMOTE_ADDR=address).get("/metrics").status_code == 403


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_who_comes_through_a_proxy_on_this_machine_may_not(header: str) -> None:
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics", headers={header: "127.0.0.1"}).status_code == 403


@pytest.mark.parametrize(
    ("authorization", "status"), [("Bearer s3cret", 200), ("bearer s3cret", 200), ("Bearer s3cre", 403), ("s3cret", 403), ("Bearer ä", 403)]
)
def test_the_token_opens_them_from_anywhere(authorization: str, status: int) -> None:
    with override_settings(METRICS_TOKEN="s3cret"):
        response = Client(REMOTE_ADDR="10.0.0.7").get("/metrics", headers={"authorization": authorization})
    assert response.status_code == status


def test_without_a_token_no_token_opens_them() -> None:
    assert settings.METRICS_TOKEN == ""
    assert Client(REMOTE_ADDR="10.0.0.7").get("/metrics", headers={"authorization": "Bearer "}).status_code == 403


def test_they_are_for_reading() -> None:
    assert Client().post("/metrics").status_code == 405


@pytest.mark.parametrize("door", ["fast", "slow"])
def test_open_requests_are_counted_while_they_are_open(door: str, doors: Doors, backend: FakeBackend, customer: Customer) -> None:
    process = getattr(doors, door)
    backend.reply("one two three")
    gate = backend.gate("before_chunk:1")
    wait_for(lambda: metrics(process.url)["open_requests"] == 0)
    body = chat(offer(process, backend.base_url).name, stream=True)
    with httpx.stream("POST", process.url + CHAT, json=body, headers=bearer(customer)) as response:
        gate.wait_reached(1)
        assert metrics(process.url)["open_requests"] == 1
        gate.release()
        response.read()
    now = metrics(process.url)
    assert (now["gateway_up"], now["open_requests"], now["admission_queue"], now["settlement_queue"]) == (1, 0, 0, 0)
