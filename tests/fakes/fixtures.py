"""Pytest fixtures of the fakes; loaded by `pytest_plugins = ["tests.fakes.fixtures"]`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest

from tests.engine import Engine, start_engine
from tests.fakes.backend import FakeBackend

FORGET = """
    WITH gone AS (
        UPDATE catalog_backend SET is_active = false
        WHERE is_active AND substring(base_url FROM ':([0-9]+)(?:/|$)') = ANY(%s) RETURNING id, model_id
    )
    UPDATE catalog_model SET is_active = false WHERE id IN (SELECT model_id FROM gone) AND NOT EXISTS (
        SELECT FROM catalog_backend WHERE model_id = catalog_model.id AND is_active AND id NOT IN (SELECT id FROM gone)
    )
"""


@pytest.fixture(autouse=True)
def stopped_backends_leave_the_catalogue() -> Iterator[None]:
    """Or every gateway would probe all that ever were, for ever, and so a later test's backend that was given the port of an earlier one;
    and the catalogue that each reads at every change would be longer from test to test."""
    yield
    if FakeBackend.stopped:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(FORGET, [[str(port) for port in FakeBackend.stopped]])
        FakeBackend.stopped.clear()


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
