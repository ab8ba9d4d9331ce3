"""Gateway processes and customers for the tests of the hot path."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import pytest

from tests.gateway import processes
from tests.gateway.customers import Customer, new_customer
from tests.gateway.processes import GatewayProcess, gateways_running, start_gateways

LONGEST_LOG = 20_000
_log_sizes = pytest.StashKey[dict[GatewayProcess, int]]()


@pytest.fixture(scope="package")
def gateway() -> Iterator[GatewayProcess]:
    """One running process for the tests of this folder; they leave it as they found it.

    Not for the whole session: it reaps, and other tests make holds by hand."""
    with gateways_running(1) as [process]:
        yield process


@pytest.fixture
def gateways() -> Iterator[Callable[..., list[GatewayProcess]]]:
    """`gateways(n, **environment)` starts processes for one test, which may kill or freeze them."""
    started: list[GatewayProcess] = []

    def start(count: int, **environment: str) -> list[GatewayProcess]:
        started.extend(more := start_gateways(count, **environment))
        return more

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def customer() -> Customer:
    """An account with ten dollars and an API key without limits."""
    return new_customer("10")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[_log_sizes] = {process: process.log_size() for process in processes.running}
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for process in processes.running:
            text = process.log(item.stash[_log_sizes].get(process, 0))
            report.sections.append((f"gateway on port {process.port}", text[-LONGEST_LOG:]))
    return report
