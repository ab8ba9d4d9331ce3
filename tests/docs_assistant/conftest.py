"""A real server over real HTTP: uvicorn in a thread, on a port the system picks."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from apps.docs_assistant.app import GUIDE, MODEL_ID, DocsAssistant


class Client(httpx.Client):
    """Speaks to one assistant."""

    def chat(self, *turns: str, **fields: object) -> dict:
        """The response to user turns (oldest first), as JSON."""
        response = self.post("/v1/chat/completions", json=chat_body(*turns, **fields))
        assert response.status_code == 200, response.text
        return response.json()

    def ask(self, *turns: str) -> str:
        return self.chat(*turns)["choices"][0]["message"]["content"]

    def metric(self, name: str) -> int:
        lines = self.get("/metrics").text.splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith(f"docs_assistant_{name} ")))


def chat_body(*turns: str, **fields: object) -> dict:
    return {"model": MODEL_ID, "messages": [{"role": "user", "content": turn} for turn in turns], **fields}


@pytest.fixture(scope="module")
def start_assistant() -> Iterator[Callable[..., Client]]:
    """Start an assistant over a folder (the guide unless given), at a pace in seconds a chunk; stopped after the module."""
    stops: list[Callable[[], None]] = []

    def start(docs_dir: Path = GUIDE, pace_s: float = 0) -> Client:
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(DocsAssistant(docs_dir, pace_s), log_level="warning", lifespan="on"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        client = Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=20, trust_env=False)

        def stop() -> None:
            client.close()
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()

        stops.append(stop)
        # The port already listens, so this waits in its queue until the server answers.
        assert client.get("/health").json() == {"status": "ok"}
        return client

    yield start
    for stop in stops:
        stop()


@pytest.fixture(scope="module")
def assistant(start_assistant: Callable[..., Client]) -> Client:
    """An assistant over the real guide that does not pace its streams."""
    return start_assistant()
