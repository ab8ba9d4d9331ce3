"""The benchmark's own backend and tools. What Debian package is missing is said by the skip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.contenders import MockBackend
from benchmarks.machine import Cores, MissingProgram, require


def needs(*names: str) -> None:
    """Skips the test when a program is not installed."""
    try:
        require(*names)
    except MissingProgram as missing:
        pytest.skip(str(missing))


@pytest.fixture
def mock_backend(tmp_path: Path) -> Iterator[MockBackend]:
    needs("cc")
    backend = MockBackend(tmp_path, Cores(gateway=0, load=0))
    with ExitStack() as stack:
        backend.start(stack)
        yield backend
