"""What has to happen behind the gateway when a client goes away."""

from __future__ import annotations

from tests.fakes import FakeBackend, Record

SOON_S = 10.0  # a second is promised on a machine that is not busy


def request_that_said(backend: FakeBackend, said: str) -> Record:
    """The one request with this last user message."""
    [record] = [record for record in backend.requests if record.last_user_message == said]
    return record


def assert_stopped_soon(backend: FakeBackend, said: str, left_at: float) -> None:
    """The backend saw its request end; `left_at` is when the client left, on the machine's monotonic clock."""
    record = request_that_said(backend, said)
    backend.wait_for(lambda: record.disconnected, timeout=30, what=f"the end of {said!r} at the backend")
    assert record.disconnected_at is not None
    assert record.disconnected_at - left_at < SOON_S
