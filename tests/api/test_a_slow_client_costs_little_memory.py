"""Promise: through the slow door, what waits for a client that does not read is bounded in bytes, however large its pieces are."""

from __future__ import annotations

import asyncio

from apps.api.bridge import AHEAD, Answer, Bridge

PIECE = b"x" * 100_000


def test_a_story_waits_for_its_reader() -> None:
    async def scene() -> None:
        bridge = Bridge(asyncio.get_running_loop())
        answer = Answer(bridge)
        told = 0

        async def story() -> None:
            nonlocal told
            await bridge.start(200, [])
            for _ in range(50):
                await bridge.send(PIECE, last=False)
                told += len(PIECE)
            await bridge.send(b"", last=True)

        telling = asyncio.create_task(story())
        for _ in range(100):  # turns of the loop: more than the story needs to come to its end if nobody stops it
            await asyncio.sleep(0)
        assert AHEAD <= told < AHEAD + len(PIECE)
        assert await answer.head() is not None
        read = 0
        while (piece := await answer.piece()) is not None:
            read += len(piece)
            assert told < read + AHEAD + len(PIECE)
        assert read == 50 * len(PIECE)
        await telling

    asyncio.run(asyncio.wait_for(scene(), 30))
