"""A gateway for the tests of real clients, in front of a scripted model, and customers with keys of all kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.customers import PRICES, Keys, make_keys
from tests.clients.scripted import ScriptedModel
from tests.fakes import FakeBackend
from tests.gateway.clients import until_known
from tests.gateway.conftest import pytest_runtest_makereport, pytest_runtest_protocol
from tests.gateway.customers import TestModel, new_model
from tests.gateway.processes import GatewayProcess, gateways_running

__all__ = ["pytest_runtest_makereport", "pytest_runtest_protocol"]  # they show the gateway's log when a test fails


@pytest.fixture(scope="session")
def gateway() -> Iterator[GatewayProcess]:
    """One running process for all tests of clients; they leave it as they found it."""
    with gateways_running(1, LEASE_S="5") as [process]:
        yield process


@pytest.fixture(scope="module")
def backend() -> Iterator[FakeBackend]:
    """The scripted model's server, for the tests of a module."""
    with FakeBackend() as running:
        running.choose(ScriptedModel())
        yield running
        running.wait_for(lambda: running.open == 0, what="the end of every request at the backend")
    assert not running.errors, f"the fake backend ran into errors: {running.errors}"


@pytest.fixture(scope="module")
def model(gateway: GatewayProcess, backend: FakeBackend) -> TestModel:
    """The scripted model, known to the gateway."""
    return until_known(new_model(backend.base_url, prices=PRICES, output_modalities=["text"]), gateway)


@pytest.fixture(scope="module")
def keys() -> Keys:
    """Keys of all kinds, for the tests of a module."""
    return make_keys()
