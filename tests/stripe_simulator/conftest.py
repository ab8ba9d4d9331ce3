"""One simulator for all tests of this folder; each makes customers of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stripe

from tests.simulator import SECRET_KEY, Simulator


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest.fixture(scope="module")
def client(simulator: Simulator) -> stripe.StripeClient:
    return client_of(simulator)


def client_of(simulator: Simulator, key: str = SECRET_KEY) -> stripe.StripeClient:
    return stripe.StripeClient(
        key, base_addresses={"api": simulator.address}, max_network_retries=0, http_client=stripe.RequestsClient(timeout=30)
    )


@pytest.fixture
def customer(client: stripe.StripeClient) -> str:
    return client.v1.customers.create({"email": "payer@example.com"}).id
