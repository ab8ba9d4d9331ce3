"""One Stripe simulator and one web server for the tests of this folder; each test makes customers of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.payments.shop import Shop, web_server
from tests.simulator import SECRET_KEY, WEBHOOK_SECRET, Simulator


@pytest.fixture(scope="package")
def stripe_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("stripe")) as simulator:
        yield simulator


@pytest.fixture(scope="package")
def web() -> Iterator[str]:
    """The address of a web server in this process; what it hands to workers is done within the request."""
    with web_server() as address:
        yield address


@pytest.fixture
def shop(stripe_running: Simulator, web: str) -> Iterator[Shop]:
    """Payments are on; webhooks come as they happen. What a test changed about the simulator is undone."""
    simulator = stripe_running
    webhooks = {"url": f"{web}/stripe/webhook", "secret": WEBHOOK_SECRET, "paused": False, "copies": 1, "order": "created"}
    with override_settings(
        STRIPE_SECRET_KEY=SECRET_KEY, STRIPE_WEBHOOK_SECRET=WEBHOOK_SECRET, STRIPE_API_BASE=simulator.address, STRIPE_TIMEOUT_S=60
    ):
        simulator.ask("webhooks/drop", {})
        simulator.ask("webhooks", webhooks | {"first_retry_s": 0.1})
        simulator.ask("faults", {})
        yield Shop(simulator, web)
