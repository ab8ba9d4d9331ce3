"""The fake backend: an OpenAI-compatible HTTP server on a loopback port, scripted by the test that started it.

It runs in a thread with an event loop of its own, so it goes on while the test (or the gateway in it) blocks.
By hand: `python -m tests.fakes`.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from tests.fakes.answers import Answer, Behaviour, Status
from tests.fakes.choosing import directed
from tests.fakes.connection import Connection
from tests.fakes.gates import Gate
from tests.fakes.records import Record
from tests.fakes.reply import Reply

Chooser = Callable[[Record], Behaviour | None]


class FakeBackend:
    """A running server. What it answers to an inference request, first match wins:

    the next of `then(...)`; what `choose`'s function returns; directives in the request's last user message; `reply(...)`.
    """

    stopped: ClassVar[set[int]] = set()
    """Ports of those that have ended, until somebody has seen to what still points there."""

    def __init__(self, port: int = 0, send_buffer: int | None = None, keep: int | None = None) -> None:
        """`send_buffer`: bytes of the kernel's send buffer, small to notice early that a client does not read.

        `keep`: forget the oldest half of the records whenever there are more than this many; None keeps all.
        """
        self.changed = threading.Condition()
        """Notified at every change of a record; guards all of them."""
        self.default: Behaviour = Reply()
        self.models: Behaviour = Status(200, {"object": "list", "data": [{"id": "fake", "object": "model", "owned_by": "tests"}]})
        """Answers GET …/models, the health probe."""
        self.tokenizer: Callable[[dict[str, Any]], int] | Behaviour = _count_words
        """Token count for the body of POST /tokenize, or a behaviour that answers it."""
        self.requests: list[Record] = []
        """Inference requests in order of arrival."""
        self.other_requests: list[Record] = []
        self.max_open = 0
        """The most inference requests that were open at once."""
        self.errors: list[BaseException] = []
        """What went wrong in the backend itself: mistakes in a script, broken HTTP from a client."""
        self._queue: deque[Behaviour] = deque()
        self._chooser: Chooser | None = None
        self._gates: list[Gate] = []
        self._open: set[int] = set()
        self._connections: set[Connection] = set()
        self._connection_count = 0
        self._request_count = 0
        self._send_buffer = send_buffer
        self._keep = keep
        self._server: asyncio.Server | None = None
        self._reserved = _bound_socket(port)
        self.port: int = self._reserved.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"fake-backend-{self.port}", daemon=True)
        self._thread.start()
        self.accept()

    # Where it is

    @property
    def root_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """With /v1, as an operator enters it."""
        return f"{self.root_url}/v1"

    # What it answers

    def reply(self, text: str | None = None, **options: Any) -> Reply:
        """Answer with this from now on; see Reply for the options."""
        self.default = reply = Reply(**options) if text is None else Reply(text, **options)
        return reply

    def then(self, *behaviours: Behaviour) -> None:
        """Queue answers, each used for one inference request before anything else is asked."""
        with self.changed:
            self._queue.extend(behaviours)

    def choose(self, chooser: Chooser | None) -> None:
        """Let a function of the request choose; it returns None for those it leaves to directives and default."""
        self._chooser = chooser

    # What it waits for, and what a test waits for

    def gate(self, point: str, when: Callable[[Record], bool] | None = None) -> Gate:
        """Hold all answers (that `when` picks) at a named point until the test releases them; see Reply for the points."""
        gate = Gate(point, when, self.changed, self._loop)
        self._gates.append(gate)
        return gate

    def wait_for(self, condition: Callable[[], bool], timeout: float = 30.0, what: str = "the condition") -> None:
        """Block until `condition()` holds; it is looked at after each change. Raises TimeoutError with the state of things."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout):
                raise TimeoutError(f"{what} did not come true within {timeout} s; {self._state()}")

    async def wait_for_async(self, condition: Callable[[], bool], timeout: float = 30.0, what: str = "the condition") -> None:
        """`wait_for` for a test whose event loop must go on running."""
        await asyncio.to_thread(self.wait_for, condition, timeout, what)

    @property
    def open(self) -> int:
        """Inference requests that came and whose answer has not ended."""
        return len(self._open)

    @property
    def connections(self) -> int:
        """Connections now open, idle ones included."""
        return len(self._connections)

    @property
    def last(self) -> Record:
        """The latest inference request; raises IndexError when none came."""
        return self.requests[-1]

    def forget(self) -> None:
        """Forget records, queue, chooser and errors; gates and the default reply stay."""
        with self.changed:
            self.requests, self.other_requests, self.errors = [], [], []
            self._queue.clear()
            self._chooser, self.max_open = None, len(self._open)

    # Going away and coming back

    def refuse(self) -> None:
        """Refuse connections from now on and reset those open; the port stays reserved."""
        self._call(self._refuse())

    def accept(self) -> None:
        """Accept connections on the port (again)."""
        self._call(self._accept())

    def reset_idle(self) -> None:
        """Reset the connections on which no answer is under way, as a backend does when its keep-alive time is over."""

        async def reset() -> None:
            for connection in list(self._connections):
                if connection.idle:
                    connection.reset()

        self._call(reset())

    def stop(self) -> None:
        """Close everything and end the thread."""
        self._call(self._refuse())
        self._call(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._reserved.close()
        self.stopped.add(self.port)

    def __enter__(self) -> FakeBackend:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # What connections call, in the backend's loop

    def _connected(self, connection: Connection) -> None:
        with self.changed:
            self._connections.add(connection)
            self.changed.notify_all()

    def _disconnected(self, connection: Connection) -> None:
        with self.changed:
            self._connections.discard(connection)
            self.changed.notify_all()

    def _received(self, record: Record) -> None:
        with self.changed:
            self._request_count += 1
            record.number = self._request_count
            records = self.requests if record.is_inference else self.other_requests
            records.append(record)
            if self._keep is not None and len(records) > self._keep:
                del records[: self._keep // 2]
            if record.is_inference:
                self._open.add(record.number)
                self.max_open = max(self.max_open, len(self._open))
            self.changed.notify_all()

    def _finished(self, record: Record, disconnected: bool = False) -> None:
        with self.changed:
            if record.finished_at is None:
                record.finished_at = time.monotonic()
                if disconnected:
                    record.disconnected_at = record.finished_at
                self._open.discard(record.number)
                self.changed.notify_all()

    def _failed(self, error: BaseException) -> None:
        with self.changed:
            self.errors.append(error)
            self.changed.notify_all()

    def _answer(self, record: Record) -> Answer:
        return self._behaviour(record).answer(record)

    async def _pass_gates(self, point: str, record: Record) -> None:
        for gate in [gate for gate in self._gates if gate.name == point]:
            await gate._pass(record)

    # Within

    def _behaviour(self, record: Record) -> Behaviour:
        if record.is_inference:
            with self.changed:
                if self._queue:
                    return self._queue.popleft()
            chosen = self._chooser(record) if self._chooser is not None else None
            return chosen or directed(record.last_user_message, self.default)
        if record.method == "GET" and record.path.endswith("/models"):
            return self.models
        if record.method == "POST" and record.path == "/tokenize":
            if not callable(self.tokenizer):
                return self.tokenizer
            count = self.tokenizer(record.fields)
            return Status(200, {"count": count, "max_model_len": 131_072, "tokens": list(range(count)), "token_strs": None})
        if record.method == "GET" and record.path == "/health":
            return Status(200, b"")
        return Status(404, {"detail": "Not Found"})

    def _connection(self) -> Connection:
        self._connection_count += 1
        return Connection(self, self._connection_count)

    async def _accept(self) -> None:
        if self._server is None:
            if self._send_buffer is not None:
                self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
            self._server = await self._loop.create_server(self._connection, sock=self._reserved, backlog=1024)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()  # closes the listening socket too, so reserve the port again by a socket that only binds
            self._server = None
            self._reserved = _bound_socket(self.port)
        for connection in list(self._connections):
            connection.reset()

    def _call(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    def _state(self) -> str:
        ended = sum(not record.is_open for record in self.requests)
        gone = sum(record.disconnected for record in self.requests)
        return f"{len(self.requests)} requests, {self.open} open, {ended} ended of which {gone} left by the client; errors: {self.errors}"


def _bound_socket(port: int) -> socket.socket:
    """A socket that holds a loopback port; until it listens, connections to the port are refused."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock


async def _cancel_others() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _count_words(body: dict[str, Any]) -> int:
    prompt = body.get("prompt")
    texts = [prompt] if isinstance(prompt, str) else [str(message.get("content", "")) for message in body.get("messages", [])]
    return sum(len(text.split()) for text in texts)
