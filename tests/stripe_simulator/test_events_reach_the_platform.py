"""Webhooks: signed so that Stripe's own library believes them, sent again until they are taken, twice and out of order on demand."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from tests.simulator import WEBHOOK_SECRET, Simulator

PATIENCE_S = 30


class Receiver:
    """`status` is what it answers, after `pause_s`; `got` are the events whose signature was right, with the time of their arrival."""

    def __init__(self) -> None:
        self.pause_s = 0.0
        self.status, self.got = 200, []  # type: int, list[tuple[float, stripe.Event]]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                event = stripe.Webhook.construct_event(body, self.headers["Stripe-Signature"], WEBHOOK_SECRET)
                status = receiver.status
                receiver.got.append((time.monotonic(), event))
                time.sleep(receiver.pause_s)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def ids(self) -> list[str]:
        return [event.id for _, event in self.got]

    def wait_for(self, number: int) -> list[str]:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.got) < number:
            assert time.monotonic() < deadline, f"{len(self.got)} of {number} events arrived"
            time.sleep(0.02)
        return self.ids


@pytest.fixture
def receiver(simulator: Simulator) -> Iterator[Receiver]:
    receiver = Receiver()
    simulator.ask("webhooks/drop", {})
    simulator.ask(
        "webhooks",
        {"url": f"http://127.0.0.1:{receiver.server.server_port}/", "paused": False, "copies": 1, "order": "created", "first_retry_s": 0.2},
    )
    yield receiver
    simulator.ask("webhooks", {"url": ""})
    receiver.server.shutdown()


def make(client: stripe.StripeClient, number: int = 1) -> None:
    for _ in range(number):
        client.v1.customers.create({"metadata": {"made": "here"}})


def test_events_arrive_signed(client: stripe.StripeClient, receiver: Receiver) -> None:
    make(client)
    receiver.wait_for(1)
    [(_, event)] = receiver.got
    assert (event.type, event.data.object.metadata["made"], event.livemode) == ("customer.created", "here", False)
    assert client.v1.events.retrieve(event.id).id == event.id
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(b"{}", "t=1,v1=00", WEBHOOK_SECRET)


def test_what_is_refused_comes_again_after_growing_pauses(simulator: Simulator, client: stripe.StripeClient, receiver: Receiver) -> None:
    receiver.status = 500
    make(client)
    receiver.wait_for(3)
    receiver.status = 200
    receiver.wait_for(4)
    moments = [moment for moment, _ in receiver.got]
    assert len(set(receiver.ids)) == 1
    pauses = [after - before for before, after in itertools.pairwise(moments)]
    assert pauses[0] >= 0.2
    assert pauses[1] >= 0.4
    assert pauses[2] >= 0.8
    [delivery] = [each for each in simulator.ask("deliveries") if each["event"] == receiver.ids[0]]
    assert delivery["attempts"] >= 3


def test_duplicates_and_order_on_demand(simulator: Simulator, client: stripe.StripeClient, receiver: Receiver) -> None:
    simulator.ask("webhooks", {"paused": True})
    make(client, 3)
    sent = simulator.ask("webhooks/flush", {"order": "reversed", "copies": 2})
    assert [each["statuses"] for each in sent] == [[200, 200]] * 3
    newest = [event.id for event in client.v1.events.list({"limit": 3}).data]
    assert receiver.ids == [one for one in newest for _ in range(2)]
    again = simulator.ask("webhooks/send", {"event": newest[0], "copies": 50})
    assert again["statuses"] == [200] * 50
    assert receiver.ids.count(newest[0]) == 52


def test_events_can_be_lost(simulator: Simulator, client: stripe.StripeClient, receiver: Receiver) -> None:
    simulator.ask("webhooks", {"paused": True})
    make(client, 2)
    assert simulator.ask("webhooks/drop", {}) == {"dropped": 2}
    simulator.ask("webhooks", {"paused": False})
    make(client)
    receiver.wait_for(1)
    assert len(receiver.got) == 1


def test_what_was_not_sent_is_sent_after_a_kill(simulator: Simulator, client: stripe.StripeClient, receiver: Receiver) -> None:
    simulator.ask("webhooks", {"paused": True})
    make(client)
    simulator.kill()
    simulator.start()
    assert receiver.got == []
    simulator.ask("webhooks", {"paused": False})
    receiver.wait_for(1)


def test_what_was_dropped_on_its_way_says_nothing_about_what_comes_after(
    simulator: Simulator, client: stripe.StripeClient, receiver: Receiver
) -> None:
    receiver.pause_s = 1
    make(client)
    receiver.wait_for(1)  # it has arrived, and is not answered yet
    simulator.ask("webhooks/drop", {})
    receiver.status = 500
    make(client)
    receiver.wait_for(3)  # the second is sent again: the first one's answer was not taken for its own
    assert len(set(receiver.ids[1:])) == 1
