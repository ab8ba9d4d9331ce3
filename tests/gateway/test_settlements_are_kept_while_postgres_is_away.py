"""A settlement that Postgres does not take within a second is kept on disk, and its answer may end. It is charged once, by whoever
comes first: its process, the process after that, or another one that is about to reap."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from django.test import override_settings

from akashml.instance import Instance
from apps.core.batching import Unavailable as LinkUnavailable
from apps.core.ids import uuid7, uuid7_floor
from apps.gateway import housekeeping, safekeeping
from apps.gateway.admission import Admission, AdmissionRequest
from apps.gateway.database import Link
from apps.gateway.errors import Unavailable
from apps.gateway.housekeeping import Housekeeping
from apps.gateway.journal import SUFFIX, JournalFile, encode
from apps.gateway.models import Hold
from apps.gateway.replay import Replay
from apps.gateway.runtime import Gateway
from apps.gateway.safekeeping import Safekeeping
from apps.gateway.settlement import Settled, Settlement, Settling
from apps.usage.models import Inference, Status
from tests.gateway.customers import new_customer
from tests.gateway.database import utc
from tests.gateway.settlers import COST, Process, ending

pytest_plugins = ["tests.gateway.fixtures"]
pytestmark = pytest.mark.money

LOOKS = round(1 / safekeeping.LOOK_EVERY_S)  # in the second that a settlement may wait


@pytest.fixture(autouse=True)
def rows_may_be_read_between_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path) -> Iterator[Path]:
    with override_settings(INSTANCE=Instance(tmp_path)):
        yield tmp_path


def left_behind(process_folder: Path, *written: Settlement) -> Path:
    """A journal as a process that was killed leaves it."""
    file = JournalFile.create(process_folder, [encode(settlement) for settlement in written])
    file.close()
    return file.path


async def test_an_answer_ends_when_its_settlement_is_on_disk_and_is_charged_when_postgres_is_back() -> None:
    customer = new_customer("10")
    async with Process() as process:
        await process.away()
        futures = [process.settling.post(ending(customer)) for _ in range(3)]
        assert await asyncio.wait_for(asyncio.gather(*futures), 20) == [Settled(True, COST)] * 3
        [path] = process.folder.glob(f"*{SUFFIX}")
        assert len(path.read_bytes().splitlines()) == 3
        assert process.keeping.size == path.stat().st_size
        assert await asyncio.wait_for(process.settling.settle(ending(customer)), 20) == Settled(True, COST)  # the same file
        assert (process.files, process.keeping.written, len(process.keeping.kept)) == ([SUFFIX], 4, 4)
        assert customer.inferences == []
        process.back()
        await process.replay.run()
        assert process.files == []
        assert (process.replay.done, process.keeping.kept, process.keeping.size) == (4, set(), 0)
        assert (await process.settling.settle(ending(customer))).charged == COST
    assert len(customer.inferences) == 5
    assert customer.balance == 10 * 10**9 - 5 * COST


async def test_a_hiccup_touches_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safekeeping, "LOOK_EVERY_S", 3600)  # the test looks, however slow the machine is
    customer = new_customer("10")
    async with Process() as process:
        await process.away()
        future = process.settling.post(ending(customer))
        for _ in range(LOOKS - 1):
            process.settling.tick += 1
            assert process.keeping._late() == []
        process.back()
        assert await asyncio.wait_for(future, 20) == Settled(True, COST)
        assert (process.files, process.keeping.errors, process.keeping.written) == ([], 0, 0)


async def test_time_that_a_process_slept_is_no_time_that_it_waited() -> None:
    """A process that wakes up hears first what Postgres answered meanwhile: it could be that the reaper has come."""
    customer = new_customer("10")
    settling = Settling()
    keeping = Safekeeping(settling)
    settling.post(ending(customer))
    for look in range(1, LOOKS + 1):
        settling.tick = look
        assert bool(keeping._late()) is (look >= LOOKS)


async def test_a_successor_settles_what_was_left_behind_before_it_admits() -> None:
    customer = new_customer("10")
    promised = [ending(customer) for _ in range(300)]
    async with Process() as process:
        folder = process.folder
    left_behind(folder, *promised[:299])
    left_behind(folder, promised[299], promised[0])  # one of them twice
    async with Process() as process:
        assert process.files == []
        assert process.replay.done == 301
    assert {row.id for row in customer.inferences} == {settlement.id for settlement in promised}
    assert customer.balance == 10 * 10**9 - 300 * COST


async def test_of_two_successors_each_file_has_one() -> None:
    customer = new_customer("10")
    promised = [ending(customer) for _ in range(20)]
    async with Process() as first, Process() as second:
        for settlement in promised:
            left_behind(first.folder, settlement)
        await asyncio.gather(first.replay.run(), second.replay.run())
        assert first.replay.done + second.replay.done == 20
        assert first.files == []
    assert customer.balance == 10 * 10**9 - 20 * COST


async def test_what_a_living_process_cannot_settle_is_settled_by_the_one_that_reaps() -> None:
    customer = new_customer("10")
    async with Process() as cut_off, Process() as reaper:
        await cut_off.away()
        await cut_off.settling.settle(ending(customer))
        await reaper.replay.run()
        assert customer.inferences == []  # its own business, as long as nobody is reaped
        await reaper.replay.run(others=True)
        assert len(customer.inferences) == 1
        assert cut_off.files == [SUFFIX]
        await reaper.replay.run(others=True)
        assert reaper.replay.done == 1  # not again, as long as it has not grown
        await cut_off.settling.settle(ending(customer))
        await reaper.replay.run(others=True)
        assert len(customer.inferences) == 2
        await cut_off.replay.run()
        assert cut_off.files == []
        assert cut_off.settling.superseded == 0  # it was its own settlement that came first
    assert customer.balance == 10 * 10**9 - 2 * COST


async def test_when_the_reaper_was_first_its_charge_stands_and_the_difference_is_told(caplog: pytest.LogCaptureFixture) -> None:
    customer = new_customer("10")
    settlement = ending(customer)
    async with Process() as process:
        reaped = ending(customer, cost=300, identifier=settlement.id)
        reaped.status = Status.LOST
        Hold.objects.create(
            id=settlement.id, account_id=customer.account_id, process_id=0, amount=0, pools=[], pool_amounts=[], tpm_second=0, tpm_tokens=0,
            model_id=1, price_id=1, dialect=1, streamed=True, admitted_at=utc(2026, 1, 1),
        )  # fmt: skip
        await process.settling.settle(reaped)
        left_behind(process.folder, settlement)
        await process.replay.run()
        assert (process.settling.superseded, process.settling.superseded_nano, process.files) == (1, COST - 300, [])
        assert (await process.settling.settle(ending(customer, identifier=settlement.id))) == Settled(False, 300)
    assert "settled by the reaper before, at 300 nano-USD; this process computed 1000" in caplog.text
    assert [(row.status, row.charged) for row in customer.inferences] == [(Status.LOST, 300)]


async def test_what_postgres_refuses_is_kept_for_people_and_the_rest_goes_through() -> None:
    customer = new_customer("10")
    bad = ending(customer, finish_reason="\x00")
    async with Process() as process:
        left_behind(process.folder, ending(customer), bad, ending(customer))
        await process.replay.run()
        assert process.files == [".refused"]
        assert (process.replay.done, process.replay.refused) == (2, 1)
        await process.replay.run()
        assert process.replay.refused == 1
    assert customer.balance == 10 * 10**9 - 2 * COST


async def test_a_busy_account_leaves_its_settlement_for_the_next_round() -> None:
    customer, other = new_customer("10"), new_customer("10")
    async with Process() as process:
        left_behind(process.folder, ending(customer), ending(other))
        with psycopg.connect(os.environ["DATABASE_URL"]) as lock:
            lock.execute("SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE", (customer.account_id,))
            await process.replay.run()
            assert (len(customer.inferences), len(other.inferences), process.files) == (0, 1, [SUFFIX])
            lock.rollback()
        await process.replay.run()
        assert (len(customer.inferences), len(other.inferences), process.files) == (1, 1, [])


async def test_a_full_journal_admits_nothing_and_the_answers_wait_for_postgres() -> None:
    customer = new_customer("10")
    async with Process() as process:
        with connection.cursor() as cursor:
            cursor.execute("SELECT gateway_register('full', 600)")
            [process_id] = cursor.fetchone() or [0]
        admission = Admission(lambda: process_id, lambda _: None, lambda: "full" if process.keeping.full else "")
        await admission.start()
        size = len(encode(ending(customer)))
        with override_settings(JOURNAL_MAX_BYTES=2 * size + size // 2):
            await process.away()
            futures = [process.settling.post(ending(customer)) for _ in range(3)]
            await process.kept(2)
            assert await asyncio.gather(*futures[:2]) == [Settled(True, COST)] * 2
            assert not futures[2].done()
            assert process.keeping.full
            with pytest.raises(Unavailable) as refused:
                await admission.admit(AdmissionRequest(uuid7(), customer.account_id, customer.key_id, 0, 0, 1, 1, 1, 1, 1, 1, True))
            assert dict(refused.value.headers)[b"retry-after"] == b"2"
            await process.replay.run()  # there is room again: the third goes there too
            assert await asyncio.wait_for(futures[2], 20) == Settled(True, COST)
            while process.keeping.full:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            process.back()
            await process.replay.run()
        await admission.stop()
    assert customer.balance == 10 * 10**9 - 3 * COST


async def test_without_a_disk_settlements_wait_in_memory(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safekeeping, "RETRY_DISK_S", 0.1)
    customer = new_customer("10")
    (data_dir / "journal").write_text("not a folder")
    async with Process() as process:
        await process.away()
        future = process.settling.post(ending(customer))
        while process.keeping.errors < 3:  # noqa: ASYNC110  tried at the start, and twice since
            await asyncio.sleep(0.01)
        assert not future.done()
        process.back()
        assert await asyncio.wait_for(future, 20) == Settled(True, COST)
    assert customer.balance == 10 * 10**9 - COST


async def test_a_disk_that_fills_up_in_the_middle_costs_no_answer_and_no_charge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safekeeping, "RETRY_DISK_S", 0.1)
    customer = new_customer("10")
    async with Process() as process:
        await process.away()
        await process.settling.settle(ending(customer))
        write = os.write

        def full(descriptor: int, data: memoryview) -> int:
            monkeypatch.setattr(os, "write", no_room)
            return write(descriptor, data[:100])

        def no_room(*_: object) -> int:
            monkeypatch.setattr(os, "write", write)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        assert await asyncio.wait_for(process.settling.settle(ending(customer)), 20) == Settled(True, COST)
        assert process.keeping.errors == 1
        assert process.files == [SUFFIX] * 2  # one with a torn end, and one that was begun when there was room again
        await process.replay.run()
        await process.replay.run()
        assert process.files == []
    assert len(customer.inferences) == 2
    assert customer.balance == 10 * 10**9 - 2 * COST


async def test_a_settlement_that_comes_months_late_is_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    customer = new_customer("10")
    late = UUID(int=uuid7_floor(utc(2020, 2, 29)).int + uuid7().int % 2**60)
    async with Process() as process:
        left_behind(process.folder, ending(customer, identifier=late))
        await process.replay.run()
    assert Inference.objects.get(pk=late).charged == COST


async def test_what_one_database_is_owed_is_not_booked_in_another(money_url: str) -> None:
    customer = new_customer("10")
    async with Process() as process:
        path = left_behind(process.folder, ending(customer))
    with override_settings(DATABASE_URL=money_url):
        async with Process() as elsewhere:
            assert elsewhere.folder != path.parent
            await elsewhere.replay.run(others=True)
            assert elsewhere.replay.done == 0
    assert path.exists()
    async with Process():
        assert not path.exists()
    assert len(customer.inferences) == 1


async def test_what_was_promised_is_charged_before_anything_is_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "ROUND_S", 0)
    settling = Settling()
    replay = Replay(settling, Safekeeping(settling))
    keeper = Housekeeping(lambda: 1, replay)
    done: list[str] = []
    over = asyncio.Event()

    async def oldest() -> bool:
        return True

    async def run(*, others: bool = False) -> None:
        done.append(f"replay others={others}")
        if len(done) == 1:
            raise LinkUnavailable("gone in the middle")

    async def reap() -> None:
        done.append("reap")
        over.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(keeper, "_is_oldest", oldest)
    monkeypatch.setattr(replay, "run", run)
    monkeypatch.setattr(keeper, "_reap", reap)
    task = asyncio.create_task(keeper._keep_house())
    await asyncio.wait_for(over.wait(), 20)
    task.cancel()
    assert done == ["replay others=True", "replay others=True", "reap"]


def test_a_hold_whose_settlement_is_in_the_journal_is_not_given_up() -> None:
    gateway = Gateway()
    waiting, kept = uuid7(), uuid7()
    gateway.settling.pending[waiting] = None  # type: ignore[assignment]
    gateway.safekeeping.kept.add(kept)
    assert set(gateway.lease._settling()) == {waiting, kept}


async def test_an_unfinished_replay_is_taken_up_again() -> None:
    """Postgres goes away in the middle: the file stays as it is."""
    customer = new_customer("10")
    async with Process() as process:
        left_behind(process.folder, *(ending(customer) for _ in range(200)))
        batch = Link.batch
        calls = 0

        async def breaks(link: Link, *arguments: object) -> list[tuple[object, ...]]:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise LinkUnavailable("gone")
            return await batch(link, *arguments)  # type: ignore[arg-type]

        process.replay._link.batch = breaks.__get__(process.replay._link)  # type: ignore[method-assign]
        with pytest.raises(LinkUnavailable):
            await process.replay.run()
        assert process.files == [SUFFIX]
        await process.replay.run()
        assert process.files == []
    assert len(customer.inferences) == 200
    assert customer.balance == 10 * 10**9 - 200 * COST
