"""The gateway of tests/gateway, for this dialect."""

from __future__ import annotations

import pytest

from tests.fakes import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.conftest import customer, gateway, gateways, pytest_runtest_makereport, pytest_runtest_protocol
from tests.gateway.customers import TestModel
from tests.gateway.processes import GatewayProcess

__all__ = ["customer", "gateway", "gateways", "pytest_runtest_makereport", "pytest_runtest_protocol"]


@pytest.fixture
def model(gateway: GatewayProcess, backend: FakeBackend) -> TestModel:
    """A model at the fake backend, known to the gateway."""
    return offer(gateway, backend.base_url)
