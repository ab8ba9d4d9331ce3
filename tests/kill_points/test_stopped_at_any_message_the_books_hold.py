"""Whatever strikes while a request is at any point of its way, the books hold: it is charged at most once, in full if its client saw it
end, and otherwise at most for what the backend had generated.

The points are all the messages that a real request makes: on its client's side, on its backend's, and on each of the gateway's
connections to Postgres that it uses. Requests are held at them, many at a time, and then the gateway is killed, or its connections to
Postgres break, or Postgres is killed and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.gateway.ledger_check import violations
from apps.gateway.models import Hold
from apps.usage.models import Status
from tests.fakes import FakeBackend
from tests.gateway.clients import INPUT, OUTPUT
from tests.kill_points.world import CHUNKS, LINKS, PROMPT_TOKENS, Point, Request, World, in_database
from tests.servers import OwnServer

FULL = PROMPT_TOKENS * INPUT + len(CHUNKS) * OUTPUT
RESOLVED_WITHIN_S = 2 + 10  # the lease and ten seconds
TIMEOUT_S = 400  # twenty seconds on a machine that has nothing else to do
STRIKES = ["the gateway is killed", "the connections to Postgres break", "Postgres is killed and started again"]


@pytest.fixture
def world(own_database: OwnServer, backend: FakeBackend, tmp_path: Path) -> World:
    return World(own_database, backend, tmp_path)


@pytest.mark.timeout(TIMEOUT_S + 20)
@pytest.mark.parametrize("strike", STRIKES)
def test_whatever_strikes_at_any_point_of_a_request(strike: str, world: World) -> None:
    requests = asyncio.run(asyncio.wait_for(strike_everywhere(world, strike), TIMEOUT_S))
    for request in requests:
        judge(request, killed=strike == STRIKES[0])
    assert not Hold.objects.exists()
    assert violations() == []


async def strike_everywhere(world: World, strike: str) -> list[Request]:
    async with world:
        await world.start_gateway()
        points = {streamed: await world.record(streamed) for streamed in (False, True)}
        for streamed, found in points.items():
            assert set(await world.record(streamed)) == set(found)  # the way is the same each time
            assert {point.side for point in found} == {"client", "backend", "postgres"}
            assert {point.link for point in found if point.link} == set(LINKS)
        for round_ in rounds(points):
            held = [await world.hold(streamed, point) for streamed, point in round_]
            if strike == STRIKES[0]:
                await world.kill()
                world.release()
            elif strike == STRIKES[1]:
                await world.cut()
                world.release()
            else:
                await world.crash_postgres()
                world.release()
                await world.start_postgres()
            await asyncio.wait_for(asyncio.gather(*(task for _, task in held)), 30)
            if strike == STRIKES[0]:
                await world.start_gateway()
        async with asyncio.timeout(RESOLVED_WITHIN_S + 5):
            while await in_database(Hold.objects.exists):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    print(f"{len(world.held)} requests struck at {sum(map(len, points.values()))} points")
    return world.held


def rounds(points: dict[bool, list[Point]]) -> Iterator[list[tuple[bool, Point]]]:
    """Points that requests can be held at together: all that are on connections of a request's own, then one of each link to
    Postgres, which all requests share; the later a link comes on the way, the earlier its request is sent."""
    yield [(streamed, point) for streamed, found in points.items() for point in found if not point.link]
    for streamed, found in points.items():
        links = [[point for point in found if point.link == link] for link in reversed(LINKS)]
        for number in range(max(map(len, links))):
            yield [(streamed, link[number]) for link in links if number < len(link)]


def judge(request: Request, *, killed: bool) -> None:
    rows = request.customer.inferences
    assert len(rows) <= 1, request
    charged = rows[0].charged if rows else 0
    assert request.customer.balance == 10**9 - charged, request
    if request.finished:
        assert rows, request
        assert (rows[0].status, charged) == (Status.COMPLETED, FULL), request
    elif not killed:
        assert request.status == 503, request  # nobody is told anything else, and no stream that has begun breaks
        assert not rows, request
    elif rows and rows[0].status == Status.COMPLETED:
        assert request.whole_sent, request
        assert charged == FULL
    else:
        assert charged <= request.words_sent * OUTPUT, request
