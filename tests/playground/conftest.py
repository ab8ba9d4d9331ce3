"""A process that serves pages and sockets, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.clients import until_known
from tests.gateway.conftest import customer, gateways, pytest_runtest_makereport, pytest_runtest_protocol
from tests.gateway.customers import Customer, TestModel, new_model
from tests.gateway.processes import GatewayProcess, gateways_running
from tests.playground.talking import Tab

__all__ = ["customer", "gateways", "pytest_runtest_makereport", "pytest_runtest_protocol"]
WORDS = ["one ", "two ", "three ", "four ", "five"]
GRACE_S = 2


@pytest.fixture(scope="package")
def gateway() -> Iterator[GatewayProcess]:
    with gateways_running(1, SERVE="all", PLAYGROUND_GRACE_S=str(GRACE_S)) as [process]:
        yield process


@pytest.fixture
def model(gateway: GatewayProcess, backend) -> TestModel:
    """Answers with five words."""
    backend.reply(chunks=WORDS, prompt_tokens=10)
    return until_known(new_model(backend.base_url), gateway)


@pytest.fixture
def tab(gateway: GatewayProcess, customer: Customer) -> Iterator[Tab]:
    with Tab(gateway, customer) as opened:
        yield opened
