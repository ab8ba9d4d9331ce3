"""A revoked, expired, edited or foreign key, and a suspended account, count from the next request on, in every process."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.gateway.database import (
    ADMITTED,
    CONCURRENCY,
    KEY_EXPIRED,
    KEY_REFUSED,
    REQUESTS,
    SUSPENDED,
    TOKENS,
    WRONG_SCOPE,
    Database,
    Request,
    costing,
    utc,
)

pytest_plugins = ["tests.gateway.fixtures"]

NOW = utc(2028, 2, 29, 23, 59, 50)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE api_keys_apikey SET revoked_at = clock_timestamp() WHERE account_id = %s", KEY_REFUSED),
        ("UPDATE api_keys_apikey SET expires_at = clock_timestamp() WHERE account_id = %s", KEY_EXPIRED),
        ("UPDATE api_keys_apikey SET scope = 2 WHERE account_id = %s", WRONG_SCOPE),
        ("DELETE FROM api_keys_apikey WHERE account_id = %s", KEY_REFUSED),
        ("UPDATE accounts_account SET status = 2 WHERE id = %s", SUSPENDED),
        ("UPDATE api_keys_apikey SET rpm = 1 WHERE account_id = %s", REQUESTS),
        ("UPDATE api_keys_apikey SET tpm = 10 WHERE account_id = %s", TOKENS),
        ("UPDATE api_keys_apikey SET max_concurrent = 1 WHERE account_id = %s", CONCURRENCY),
    ],
    ids=["revoked", "expired", "management", "deleted", "suspended", "RPM", "TPM", "slots"],
)
def test_a_change_counts_from_the_next_request_on_in_every_process(money: Database, change: str, code: int) -> None:
    account, processes = money.account(100), [money.register(), money.register()]
    key = money.key(account)
    assert money.admit(processes[0], Request(account, key, tpm_tokens=10))[0].code == ADMITTED
    money.run(change, (account,))
    assert [money.admit(p, costing(account, 5, key, tpm_tokens=10))[0].code for p in processes] == [code, code]
    assert money.pools(account) == [(100, 0)]


def test_a_key_expires_at_its_moment_by_the_clock_of_the_database(money: Database) -> None:
    account, process = money.account(100), money.register()
    key = money.key(account, expires_at=NOW)
    money.set_clock(NOW - timedelta(microseconds=1))
    process = money.register()
    assert money.admit(process, Request(account, key))[0].code == ADMITTED
    money.set_clock(NOW)
    assert money.admit(process, Request(account, key))[0].code == KEY_EXPIRED


def test_a_raised_limit_counts_at_once_too(money: Database) -> None:
    account, process = money.account(100), money.register()
    key = money.key(account, rpm=1)
    money.admit(process, Request(account, key))
    money.run("UPDATE api_keys_apikey SET rpm = 2 WHERE id = %s", (key,))
    assert [d.code for d in money.admit(process, Request(account, key), Request(account, key))] == [ADMITTED, REQUESTS]


def test_a_key_pays_only_from_its_own_account(money: Database) -> None:
    owner, stranger, process = money.account(100), money.account(100), money.register()
    key = money.key(owner, rpm=10)
    decisions = money.admit(process, costing(stranger, 5, key), costing(owner, 5, key), costing(owner, 5, 2**40), costing(2**40, 5))
    assert [d.code for d in decisions] == [KEY_REFUSED, ADMITTED, KEY_REFUSED, KEY_REFUSED]
    assert (money.pools(owner), money.pools(stranger)) == ([(100, 5)], [(100, 0)])
    assert money.limiter(key).requests_in_window == 1
