"""A start that cannot succeed says which variable is to blame, ends with 1, and leaves nothing running."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ports import free_port
from tests.runner.instances import Runner, processes_of

PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "s" * 40,
    "KEY_PEPPER": "p" * 40,
    "BASE_URL": "https://ai.example.com",
    "ALLOWED_HOSTS": "ai.example.com",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://127.0.0.1:1",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("BIND_ADDRESS", "everywhere"),
        ("ENVIRONMENT", "staging"),
        ("WEB_CONCURRENCY", "0"),
        ("TRIAL_CREDIT_USD", "-1"),
        ("EMAIL_URL", "smtp://host:notaport"),
        ("DATABASE_URL", "mysql://host/db"),
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing"),
        ("REDIS_URL", "redis://127.0.0.1:1"),
    ],
)
def test_a_bad_value_is_named(tmp_path: Path, name: str, value: str) -> None:
    refused(tmp_path, name, **{name: value})


@pytest.mark.parametrize("name", ["SECRET_KEY", "KEY_PEPPER", "BASE_URL", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"])
def test_production_has_no_development_defaults(tmp_path: Path, name: str) -> None:
    refused(tmp_path, name, **{key: value for key, value in PRODUCTION.items() if key != name})


@pytest.mark.parametrize(
    ("key", "name"), [("sk_test_1", "STRIPE_SECRET_KEY"), ("pk_live_1", "STRIPE_SECRET_KEY"), ("sk_live_1", "STRIPE_WEBHOOK_SECRET")]
)
def test_production_takes_real_payments_or_none(tmp_path: Path, key: str, name: str) -> None:
    secret = {} if name == "STRIPE_WEBHOOK_SECRET" else {"STRIPE_WEBHOOK_SECRET": "whsec_1"}
    assert key not in refused(tmp_path, name, **PRODUCTION, STRIPE_SECRET_KEY=key, **secret)


def test_a_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    assert "hunter2" not in refused(tmp_path, "DATABASE_URL", DATABASE_URL="mysql://app:hunter2@db/akashml")


def refused(folder: Path, name: str, **environment: str) -> str:
    runner = Runner(folder / "data", free_port(), **environment)
    assert runner.wait_ended(30) == 1
    errors = "\n".join(runner.errors)
    assert name in errors
    assert "Traceback" not in errors
    assert runner.lines == []
    assert processes_of(folder / "data") == []
    return errors
