"""Promise: what is exported is what the log says, whole and exact, and a long history takes no more memory than a short one."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient, Client

from apps.accounts.actions import Registered
from apps.api_keys.actions import create_key
from apps.core.money import usd_from_nano
from apps.dashboard.exports import CHUNK
from apps.usage.models import Inference
from tests.dashboard.browsing import logged_in
from tests.dashboard.history import made_up, priced_model, request_at
from tests.people import new_customer

pytest_plugins = ["tests.dashboard.history"]

MANY = 6 * CHUNK
MANY_ROWS = """
INSERT INTO usage_inference
SELECT (to_char(n, 'FM00000000') || '-0000-7000-8000-' || lpad(to_hex(%(account)s), 12, '0'))::uuid, %(account)s, NULL, 1, 1, NULL, NULL, 1, false, 1, 200, 'stop', '',
  10, 0, 5, 0, false, 0, 0, '{}', '{}', now(), now(), 0, NULL, 5 FROM generate_series(1, %(many)s) n
"""


@pytest.fixture
def alice() -> Registered:
    return new_customer()


async def pieces_of(account: Registered, address: str) -> AsyncIterator[bytes]:
    client = AsyncClient()
    await sync_to_async(client.force_login)(account.user)
    answer = await client.get(address)
    assert answer.status_code == 200
    async for piece in answer.streaming_content:  # type: ignore[attr-defined]
        yield piece


async def exported(account: Registered, address: str) -> str:
    return b"".join([piece async for piece in pieces_of(account, address)]).decode()


def prepare(alice: Registered) -> list[Inference]:
    model = priced_model()
    key, _ = create_key(alice.account, '=HYPERLINK("http://evil.example","a, b")')
    return [
        request_at(alice.account, timedelta(minutes=1), model_id=model.pk, key_id=key.pk, cost=123_456_789, charged=123_456_788),
        request_at(alice.account, timedelta(minutes=2), first_token_ms=None, cost=1, charged=1),
    ]


async def test_csv_and_json_say_what_the_log_says(alice: Registered) -> None:
    rows = await sync_to_async(prepare)(alice)
    await sync_to_async(request_at)((await sync_to_async(new_customer)()).account, timedelta(minutes=1))
    found = json.loads(await exported(alice, "/inferences/export?format=json"))
    table = list(csv.DictReader(io.StringIO(await exported(alice, "/inferences/export"))))
    for said in (found, table):
        assert [one["id"] for one in said] == [str(row.pk) for row in rows]
        assert [Decimal(one["charged"]) for one in said] == [Decimal(usd_from_nano(row.charged)) for row in rows]
        assert [Decimal(one["cost"]) for one in said] == [Decimal(usd_from_nano(row.cost)) for row in rows]
    assert found[0]["key"] == '=HYPERLINK("http://evil.example","a, b")'
    assert table[0]["key"] == '\'=HYPERLINK("http://evil.example","a, b")'  # no spreadsheet follows it
    assert (found[1]["first_token_ms"], table[1]["first_token_ms"]) == (None, "")
    assert found[0]["created_at"].endswith("Z")
    only = json.loads(await exported(alice, f"/inferences/export?format=json&id={rows[1].pk}"))
    assert [one["id"] for one in only] == [str(rows[1].pk)]


async def test_the_figures_of_the_page_are_exported_too(alice: Registered) -> None:
    def one() -> str:
        model = priced_model()
        request_at(alice.account, timedelta(), model_id=model.pk, cost=7, charged=7)
        return model.public_id

    name = await sync_to_async(one)()
    [row] = json.loads(await exported(alice, "/usage/export?format=json&range=1h"))
    assert (row["group"], row["requests"], row["charged"], row["input_tokens"]) == (name, 1, "0.000000007", 12)
    [line] = csv.DictReader(io.StringIO(await exported(alice, "/usage/export?range=1h")))
    assert line["charged"] == "0.000000007"


async def test_nothing_is_an_empty_list_and_an_unknown_format_is_refused(alice: Registered) -> None:
    assert json.loads(await exported(alice, "/inferences/export?format=json")) == []
    assert len((await exported(alice, "/inferences/export")).splitlines()) == 1

    def refused() -> tuple[Any, Any]:
        client: Client = logged_in(alice.user)
        return client.get("/inferences/export?format=xml"), client.get("/inferences/export?status=perfect")

    format_, filter_ = await sync_to_async(refused)()
    assert (format_.status_code, format_.text) == (400, "format: choose csv or json\n")
    assert filter_.status_code == 422
    assert filter_.text.startswith("status: ")
    page = await sync_to_async(lambda: logged_in(alice.user).get("/inferences/export?status=perfect", headers={"accept": "text/html"}))()
    assert page.status_code == 422
    assert "This export cannot be made" in page.text
    assert "status: " in page.text


async def test_a_long_history_is_whole_and_takes_no_memory(alice: Registered) -> None:
    def many() -> None:
        made_up.add(alice.account.pk)
        with connection.cursor() as cursor:
            cursor.execute(MANY_ROWS, {"account": alice.account.pk, "many": MANY})

    await sync_to_async(many)()
    pieces, rows, peaks = 0, 0, []
    tracemalloc.start()
    async for piece in pieces_of(alice, "/inferences/export"):
        pieces, rows = pieces + 1, rows + piece.count(b"\r\n")
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert (pieces, rows) == (1 + MANY // CHUNK, MANY + 1)
    assert peaks[-1] < peaks[1] * 1.5  # all of it took no more than its first page
