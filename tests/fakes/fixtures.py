"""Pytest fixtures of the fakes; loaded by `pytest_plugins = ["tests.fakes.fixtures"]`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine import Engine, start_engine
from tests.fakes.backend import FakeBackend


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    """A fake backend of the test's own; fails the test when the backend itself ran into an error."""
    yield from _running()


@pytest.fixture
def second_backend() -> Iterator[FakeBackend]:
    """Another one, for retries and choice among backends."""
    yield from _running()


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A real engine (llama.cpp) over a tiny random model named `random`; starts in half a second."""
    running = start_engine(tmp_path_factory.mktemp("engine"))
    yield running
    running.stop()


def _running() -> Iterator[FakeBackend]:
    with FakeBackend() as running:
        yield running
    assert not running.errors, f"the fake backend ran into errors: {running.errors}"
