"""Times that people and programs write, and the database's clock."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection


def moment_from_iso(text: str) -> datetime:
    """An ISO 8601 date, or date and time, with Z or an offset; without either it is UTC. ValueError when it is none, or lies outside the
    years 1 to 9999."""
    try:
        parsed = datetime.fromisoformat(text.strip())
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is not a time in ISO 8601, such as 2030-01-31T12:00:00Z") from None


def database_now() -> datetime:
    """Now, by the clock that expiry and limits are judged by."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row is not None
    now: datetime = row[0]
    return now
