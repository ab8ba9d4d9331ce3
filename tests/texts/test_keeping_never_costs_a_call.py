"""Promise: keeping texts is a courtesy: what cannot be written waits in a bounded room, then is dropped and counted; nobody waits for it.

And whoever deletes, or takes the choice back, deletes what is under way at that moment too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import override_settings

from apps.core.ids import uuid7
from apps.gateway.openai.transcript import ChunkTranscript
from apps.gateway.text_keeping import Said, TextKeeping
from apps.texts import actions
from tests.gateway.customers import new_payer
from tests.gateway.waiting import wait_for
from tests.texts.kept import number_kept

WAITING = """SELECT 1 FROM pg_stat_activity
  WHERE application_name = 'akashml texts' AND datname = current_database() AND wait_event_type = 'Lock'"""
BODY = b'{"model":"m"}'


@pytest.fixture
def account_id() -> int:
    account_id = new_payer().account_id
    actions.keep_for(account_id, 3)
    return account_id


@asynccontextmanager
async def keeping(**options: Any) -> AsyncIterator[TextKeeping]:
    texts = TextKeeping(**options)
    await texts.start()
    try:
        yield texts
    finally:
        await texts.stop()


def said(texts: TextKeeping, account_id: int) -> Said | None:
    one = texts.begin(uuid7(), account_id, BODY, ChunkTranscript())
    if one is not None:
        one.whole(b'{"choices":[]}')
    return one


async def until_written(texts: TextKeeping) -> None:
    await asyncio.to_thread(wait_for, lambda: texts.waiting == 0, 30, "all texts are written")


def writer_waits_for_a_lock() -> bool:
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as watcher:
        return bool(watcher.execute(WAITING).fetchall())


def test_what_finds_no_room_is_dropped_and_counted_and_there_is_room_again(account_id: int) -> None:
    async def story() -> TextKeeping:
        async with await psycopg.AsyncConnection.connect(settings.DATABASE_URL) as blocker:
            await blocker.execute("SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE", (account_id,))
            async with keeping(room_bytes=len(BODY) + 1) as texts:
                first, second = said(texts, account_id), said(texts, account_id)
                assert first is not None
                assert second is not None
                assert said(texts, account_id) is None
                texts.put(first)
                texts.put(second)
                assert said(texts, account_id) is None
                assert (texts.waiting, texts.kept, texts.dropped) == (2, 0, 2)
                await blocker.rollback()
                await until_written(texts)
                third = said(texts, account_id)
                assert third is not None
                texts.put(third)
                await until_written(texts)
        return texts

    texts = asyncio.run(story())
    assert (texts.kept, texts.dropped, number_kept(account_id)) == (3, 2, 3)


def test_without_postgres_they_are_dropped_when_the_process_stops(account_id: int) -> None:
    async def story() -> TextKeeping:
        with override_settings(DATABASE_URL="postgresql:///none?host=/nonexistent"):
            async with keeping() as texts:
                one = said(texts, account_id)
                assert one is not None
                texts.put(one)
        return texts

    texts = asyncio.run(story())
    assert (texts.kept, texts.dropped, texts.waiting) == (0, 1, 0)


def test_one_that_postgres_refuses_takes_no_other_along(account_id: int) -> None:
    async def story() -> TextKeeping:
        async with keeping() as texts:
            for body in (b'{"a":1}', None, b'{"b":2}'):
                one = said(texts, account_id)
                assert one is not None
                if body is None:
                    one.account_id = 2**63  # no bigint
                texts.put(one)
            await until_written(texts)
        return texts

    texts = asyncio.run(story())
    assert (texts.kept, texts.dropped, number_kept(account_id)) == (2, 1, 2)


def test_a_deletion_waits_for_what_is_being_written_and_the_writer_for_a_choice_that_is_being_taken_back(account_id: int) -> None:
    """The choice is taken back and everything deleted, in a transaction that is not over when the text comes to be written."""
    taken_back, go_on = threading.Event(), threading.Event()

    def take_back() -> None:
        with transaction.atomic():
            actions.forget(account_id)
            taken_back.set()
            assert go_on.wait(30)
        connection.close()

    thread = threading.Thread(target=take_back)

    async def story() -> TextKeeping:
        async with keeping() as texts:
            earlier, later = said(texts, account_id), said(texts, account_id)
            assert earlier is not None
            assert later is not None
            texts.put(earlier)
            await until_written(texts)
            thread.start()
            assert await asyncio.to_thread(taken_back.wait, 30)
            texts.put(later)
            await asyncio.to_thread(wait_for, writer_waits_for_a_lock, 30, "the writer has come to the account's row")
            go_on.set()
            await until_written(texts)
        return texts

    texts = asyncio.run(story())
    thread.join()
    assert (texts.kept, texts.dropped, number_kept(account_id)) == (1, 0, 0)
