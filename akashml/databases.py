"""Postgres as Django and the gateway connect to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# A server that has gone without a word (its machine died, the network is cut) is given up after about twenty seconds, not after the
# kernel's quarter of an hour. All but the first of no effect on a unix socket.
ENDS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def postgres(address: str) -> dict[str, object]:
    """Django's form of a postgresql:// address; a `host` in the query is the folder of a unix socket."""
    parts = urlsplit(address)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # A page that hangs must not hold locks on accounts: short statements, and no transaction left open idle.
        "OPTIONS": {"options": "-c statement_timeout=20000 -c idle_in_transaction_session_timeout=20000", **ENDS, **query},
    }
