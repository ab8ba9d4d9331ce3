"""The two doors, and Django servers of other kinds, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.doors import MAX_REQUEST_BYTES, Doors
from tests.gateway.customers import Customer, new_customer
from tests.gateway.processes import gateways_running


@pytest.fixture(scope="session")
def doors() -> Iterator[Doors]:
    """Both doors, with a lease and a request size that tests can reach."""
    common = {"LEASE_S": "5", "BACKEND_TIMEOUT_S": "30", "MAX_REQUEST_BYTES": str(MAX_REQUEST_BYTES)}
    with gateways_running(1, SERVE="all", **common) as [fast], gateways_running(1, SERVE="pages", **common) as [slow]:
        yield Doors(fast, slow)


@pytest.fixture
def customer() -> Customer:
    """An account with ten dollars and an API key without limits."""
    return new_customer("10")
