"""Promise: what waits together goes together, every item gets its own result once, and what nobody waits for any more is given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.batching import Batcher, Unavailable


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  what it waits for has no event of its own
            await asyncio.sleep(0)


class Database:
    """Stands at the other end of a batcher: each call waits until the test lets it answer."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self._answers: list[asyncio.Future[None]] = []
        self.answer_of: Callable[[list[int]], list[str | None]] = lambda items: [f"r{item}" for item in items]

    async def __call__(self, items: list[int]) -> list[str | None]:
        self.batches.append(items)
        permit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers.append(permit)
        await permit
        return self.answer_of(items)

    async def called(self, times: int) -> None:
        await until(lambda: len(self.batches) >= times)

    async def answer(self, error: Exception | None = None) -> None:
        """Lets the oldest call under way answer, or fail."""
        await until(lambda: bool(self._answers))
        permit = self._answers.pop(0)
        if error is None:
            permit.set_result(None)
        else:
            permit.set_exception(error)


@asynccontextmanager
async def running(batcher: Batcher[int, str]) -> AsyncIterator[Batcher[int, str]]:
    batcher.start()
    try:
        yield batcher
    finally:
        await batcher.stop()


async def turns(count: int = 5) -> None:
    """Lets everything run that is ready to run."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def database() -> Database:
    return Database()


async def test_a_lone_item_goes_at_once_and_what_comes_meanwhile_goes_together(database: Database) -> None:
    async with running(Batcher("test", database, most=3)) as batcher:
        first = batcher.post(0)
        await database.called(1)
        later = [batcher.post(item) for item in (1, 2, 3, 4)]
        await turns()
        assert database.batches == [[0]]  # one call at a time
        for _ in range(3):
            await database.answer()
            await turns()
        assert database.batches == [[0], [1, 2, 3], [4]]
        assert [await future for future in (first, *later)] == ["r0", "r1", "r2", "r3", "r4"]
        assert batcher.idle


@given(
    waves=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    most=st.integers(1, 5),
    bad=st.frozensets(st.integers(0, 20), max_size=4),
    again=st.frozensets(st.integers(0, 20), max_size=4),
    gone=st.frozensets(st.integers(0, 20), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_every_item_gets_its_own_result_in_order_whatever_happens_to_the_others(
    waves: list[int], most: int, bad: frozenset[int], again: frozenset[int], gone: frozenset[int]
) -> None:
    """`bad` items fail, `again` items are asked to come again once, the callers of `gone` items leave at some time."""
    count = sum(waves)
    orphans: list[int] = []
    calls: list[list[int]] = []
    applied: list[int] = []  # what took effect: the real database would have committed it
    postponed: set[int] = set()

    async def call(items: list[int]) -> list[str | None]:
        calls.append(items)
        await asyncio.sleep(0)
        if bad & set(items):
            raise ValueError(f"bad: {sorted(bad & set(items))}")
        results: list[str | None] = []
        for item in items:
            if item in again and item not in postponed:
                postponed.add(item)
                results.append(None)
            else:
                applied.append(item)
                results.append(f"r{item}")
        return results

    async def scenario() -> list[str | BaseException]:
        batcher = Batcher[int, str]("test", call, most=most, orphaned=lambda item, result: orphans.append(item))
        tasks: list[asyncio.Task[str]] = []
        async with running(batcher):
            for wave in waves:
                tasks += [asyncio.create_task(batcher.submit(len(tasks) + i)) for i in range(wave)]
                await asyncio.sleep(0)
                for item in gone:
                    if item < len(tasks) and item % 2:  # half of them early, half of them late
                        tasks[item].cancel()
                await asyncio.sleep(0)
            for item in gone:
                if item < len(tasks):
                    tasks[item].cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await until(lambda: batcher.idle)
            return results

    results = asyncio.run(scenario())
    assert len(results) == count
    assert all(len(batch) <= most for batch in calls)
    for item, result in enumerate(results):
        if isinstance(result, asyncio.CancelledError):
            assert item in gone
        elif item in bad:
            assert isinstance(result, ValueError)
        else:
            assert result == f"r{item}"
    assert sorted(applied) == sorted(set(applied))  # nothing takes effect twice
    # What took effect has reached its caller or was given back, once.
    delivered = [item for item, result in enumerate(results) if isinstance(result, str)]
    assert sorted(delivered + orphans) == sorted(applied)
    first_calls = [item for batch in calls for item in batch if item not in bad | again]
    assert [item for i, item in enumerate(first_calls) if item not in first_calls[:i]] == sorted(set(first_calls))


async def test_one_bad_item_never_fails_its_batch(database: Database) -> None:
    async with running(Batcher("test", database)) as batcher:
        batcher.post(0)
        await database.called(1)
        futures = [batcher.post(item) for item in (1, 2, 3)]
        await database.answer()
        await database.answer(ValueError("one of them is bad"))
        await database.answer()
        await database.answer(ValueError("it is this one"))
        await database.answer()
        done = await asyncio.gather(*futures, return_exceptions=True)
        assert [str(result) for result in done] == ["r1", "it is this one", "r3"]
        assert database.batches == [[0], [1, 2, 3], [1], [2], [3]]


async def test_a_call_with_too_few_results_fails_its_items_and_not_the_loop(database: Database) -> None:
    database.answer_of = lambda items: []
    async with running(Batcher("test", database)) as batcher:
        future = batcher.post(1)
        await database.answer()
        with pytest.raises(RuntimeError, match="0 results for 1"):
            await future
        database.answer_of = lambda items: ["fine"]
        future = batcher.post(2)
        await database.answer()
        assert await asyncio.wait_for(future, 5) == "fine"


class TestACallerWhoLeaves:
    async def test_takes_back_what_was_not_sent_yet(self, database: Database) -> None:
        orphans: list[int] = []
        async with running(Batcher("test", database, orphaned=lambda item, result: orphans.append(item))) as batcher:
            batcher.post(0)
            await database.called(1)
            caller = asyncio.create_task(batcher.submit(1))
            await turns()
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
            await database.answer()
            await turns()
            assert database.batches == [[0]]
            assert orphans == []
            assert batcher.idle

    async def test_gives_back_what_was_under_way(self, database: Database) -> None:
        orphans: list[tuple[int, str]] = []
        async with running(Batcher("test", database, orphaned=lambda item, result: orphans.append((item, result)))) as batcher:
            caller = asyncio.create_task(batcher.submit(1))
            await database.called(1)
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
            assert orphans == []
            await database.answer()
            await turns()
            assert orphans == [(1, "r1")]

    async def test_gives_back_a_result_that_came_before_it_woke_up_exactly_once(self, database: Database) -> None:
        orphans: list[tuple[int, str]] = []

        def orphaned(item: int, result: str) -> None:
            orphans.append((item, result))
            callers[0].cancel()  # at this moment item 1 has its result, and its caller has not run since

        async with running(Batcher("test", database, orphaned=orphaned)) as batcher:
            batcher.post(0)
            await database.called(1)
            callers = [asyncio.create_task(batcher.submit(item)) for item in (1, 2)]
            await turns()
            await database.answer()
            await database.called(2)
            callers[1].cancel()
            await turns()
            await database.answer()
            await asyncio.gather(*callers, return_exceptions=True)
            assert all(caller.cancelled() for caller in callers)
            assert orphans == [(2, "r2"), (1, "r1")]

    async def test_needs_nothing_back_when_its_item_was_asked_to_come_again(self, database: Database) -> None:
        orphans: list[int] = []
        database.answer_of = lambda items: [None for _ in items]
        async with running(Batcher("test", database, orphaned=lambda item, result: orphans.append(item))) as batcher:
            caller = asyncio.create_task(batcher.submit(1))
            await database.answer()
            await turns()
            assert not batcher.idle  # it comes again by itself
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
            await until(lambda: batcher.idle)
            assert (database.batches, orphans) == ([[1]], [])


class TestWhileTheOtherSideIsAway:
    async def test_callers_are_told_and_the_next_try_is_fresh(self, database: Database) -> None:
        async with running(Batcher("test", database)) as batcher:
            future = batcher.post(1)
            await database.answer(Unavailable("away"))
            with pytest.raises(Unavailable, match="away"):
                await future
            future = batcher.post(2)
            await database.answer()
            assert await future == "r2"
            assert database.batches == [[1], [2]]

    async def test_items_that_must_not_be_lost_wait_and_keep_their_order(self, database: Database) -> None:
        async with running(Batcher("test", database, most=3, retry=True)) as batcher:
            futures = [batcher.post(1), batcher.post(2)]
            await database.called(1)
            futures += [batcher.post(3), batcher.post(4)]
            await database.answer(Unavailable("away"))
            await turns()
            assert not batcher.idle
            await database.answer(Unavailable("still away"))
            await database.answer()
            await database.answer()
            assert [await future for future in futures] == ["r1", "r2", "r3", "r4"]
            assert database.batches == [[1, 2], [1, 2, 3], [1, 2, 3], [4]]

    async def test_a_part_that_was_answered_before_the_break_is_not_tried_again(self, database: Database) -> None:
        async with running(Batcher("test", database, retry=True)) as batcher:
            batcher.post(0)
            await database.called(1)
            futures = [batcher.post(1), batcher.post(2)]
            await database.answer()
            await database.answer(ValueError("one of them is bad"))
            await database.answer()  # 1, by itself
            await database.answer(Unavailable("away"))  # 2, by itself
            await database.answer()
            assert [await future for future in futures] == ["r1", "r2"]
            assert database.batches == [[0], [1, 2], [1], [2], [2]]

    async def test_a_shielded_item_is_tried_again_though_its_caller_left(self, database: Database) -> None:
        async with running(Batcher("test", database, retry=True)) as batcher:
            future = batcher.post(1)

            async def wait() -> str:
                return await asyncio.shield(future)

            caller = asyncio.create_task(wait())
            await database.called(1)
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
            await database.answer(Unavailable("away"))
            await database.answer()
            assert await future == "r1"
            assert database.batches == [[1], [1]]


class TestStopping:
    async def test_tells_everybody_who_waits(self, database: Database) -> None:
        """Under way, in the queue, asked to come again, or late: nobody hangs."""
        database.answer_of = lambda items: [None for _ in items]
        batcher = Batcher[int, str]("test", database)
        batcher.start()
        asked_again = batcher.post(0)
        await database.answer()
        under_way = batcher.post(1)
        await database.called(2)
        queued = batcher.post(2)
        await batcher.stop()
        late = batcher.post(3)
        for future in (under_way, queued, late, asked_again):
            with pytest.raises(Unavailable, match="stopping"):
                await asyncio.wait_for(future, 5)
        assert database.batches == [[0], [1]]
        assert batcher.idle
