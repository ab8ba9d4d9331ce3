"""A process that serves the API and the Playground, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.conftest import customer, pytest_runtest_makereport, pytest_runtest_protocol
from tests.gateway.processes import GatewayProcess, gateways_running

__all__ = ["customer", "pytest_runtest_makereport", "pytest_runtest_protocol"]


@pytest.fixture(scope="package")
def gateway() -> Iterator[GatewayProcess]:
    with gateways_running(1, SERVE="all") as [process]:
        yield process
