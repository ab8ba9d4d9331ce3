"""Servers that the operator brings (DATABASE_URL, REDIS_URL): can they be reached?"""

from __future__ import annotations

import psycopg
import redis

from akashml.runner.errors import StartError

TIMEOUT_S = 5


def check_database(url: str) -> None:
    """Raises StartError naming DATABASE_URL."""
    try:
        with psycopg.connect(url, connect_timeout=TIMEOUT_S):
            pass
    except psycopg.Error as error:
        raise StartError(
            f"DATABASE_URL: this Postgres cannot be used: {error}\nStart it, correct the address, or unset DATABASE_URL to run the built-in one."
        ) from None


def check_valkey(url: str) -> None:
    """Raises StartError naming REDIS_URL."""
    client = redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    try:
        client.ping()
    except redis.RedisError as error:
        raise StartError(
            f"REDIS_URL: this Valkey or Redis cannot be used: {error}\nStart it, correct the address, or unset REDIS_URL to run the built-in one."
        ) from None
    finally:
        client.close()
