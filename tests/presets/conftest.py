"""The gateway of tests/gateway, for requests that name presets."""

from __future__ import annotations

from tests.gateway.conftest import customer, gateway, gateways, pytest_runtest_makereport, pytest_runtest_protocol

__all__ = ["customer", "gateway", "gateways", "pytest_runtest_makereport", "pytest_runtest_protocol"]
