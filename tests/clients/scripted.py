"""What the model behind the gateway says in these tests: the last user message chooses.

| message begins with | answer |
|---|---|
| Say hello | `Hello there, friend.` in three pieces |
| Weather | a call of the tool `weather`; when its result is there, `It is RESULT.` |
| Describe Ada | the JSON object `ADA` |
| Describe nobody | the same, broken off for want of tokens |
| Think | thinking, then `Four.` |
| Go on | two pieces, then nothing until the client goes away |
| Say nothing | no headers until the client goes away |
| Break off | two pieces, then the connection closes |
| Fail | 500, every time |
| Fail once | 500 the first time that exactly this message comes, then as Say hello |
| Busy once | 503 the first time, then as Say hello |
| Refuse | 400 with `REFUSAL` |
"""

from __future__ import annotations

import json
import threading
from collections import Counter

from tests.fakes import Record, Reply, Status, close, hang
from tests.fakes.answers import Behaviour

HELLO = ["Hello ", "there, ", "friend."]
ADA = {"name": "Ada Lovelace", "born": 1815, "fields": ["mathematics"]}
THOUGHTS = "Two and two make four."
REFUSAL = "this model takes no tools of that kind"
PROMPT_TOKENS, CACHED_TOKENS = 12, 4


class ScriptedModel:
    """For `backend.choose(...)`."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, record: Record) -> Behaviour:
        said = record.last_user_message
        if said.startswith("Weather"):
            return self._weather(record)
        if said.startswith(("Fail once", "Busy once")) and self._first_time(said):
            return Status(500 if said.startswith("Fail") else 503)
        if said.startswith("Fail") and not said.startswith("Fail once"):
            return Status(500)
        if said.startswith("Refuse"):
            return Status(400, {"error": {"message": REFUSAL, "code": 400}})
        if said.startswith("Describe nobody"):
            return self._reply(text=json.dumps(ADA)[:20], finish_reason="length")
        if said.startswith("Describe"):
            return self._reply(text=json.dumps(ADA))
        if said.startswith("Think"):
            return self._reply(text="Four.", reasoning=THOUGHTS, reasoning_tokens=5)
        if said.startswith("Go on"):
            return self._reply(chunks=HELLO, at={"before_chunk:2": hang})
        if said.startswith("Say nothing"):
            return self._reply(at={"before_headers": hang})
        if said.startswith("Break off"):
            return self._reply(chunks=HELLO, at={"before_chunk:2": close})
        return self._reply(chunks=HELLO)

    def _weather(self, record: Record) -> Behaviour:
        last = record.json["messages"][-1]
        if last["role"] == "tool":
            return self._reply(text=f"It is {last['content']}.")
        place = record.last_user_message.partition(" in ")[2]
        return self._reply(text="", tool_calls=[{"name": "weather", "arguments": json.dumps({"place": place})}])

    def _first_time(self, said: str) -> bool:
        with self._lock:
            self._seen[said] += 1
            return self._seen[said] == 1

    @staticmethod
    def _reply(**options: object) -> Reply:
        return Reply(**({"prompt_tokens": PROMPT_TOKENS, "cached_tokens": CACHED_TOKENS} | options))  # type: ignore[arg-type]
