"""What the fake backend remembers of each request it saw."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Record:
    """One request. All times are `time.monotonic()` seconds; None means it has not happened."""

    connection: int
    """Number of the connection it came on: equal for requests that shared one."""
    method: str
    path: str
    query: str
    headers: dict[str, str]
    """Names in lower case; repeated headers joined with a comma."""
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes
    number: int = 0
    """Set on arrival, counting from 1 over all requests of the backend."""
    received_at: float = field(default_factory=time.monotonic)
    status: int | None = None
    first_byte_at: float | None = None
    bytes_sent: int = 0
    """Body bytes handed to the kernel, framing not counted."""
    chunks_sent: int = 0
    """Body pieces written whole; for a plain stream that is one per SSE event."""
    disconnected_at: float | None = None
    """When the client went away before its answer was complete."""
    finished_at: float | None = None
    """When the answer ended, in whichever way."""

    @property
    def json(self) -> Any:
        """The parsed body; raises ValueError when it is not JSON."""
        return json.loads(self.body)

    @property
    def is_open(self) -> bool:
        return self.finished_at is None

    @property
    def disconnected(self) -> bool:
        return self.disconnected_at is not None

    @property
    def is_inference(self) -> bool:
        return self.method == "POST" and self.path.endswith("/completions")

    @property
    def fields(self) -> dict[str, Any]:
        """The parsed body when it is a JSON object, else an empty dict: for choosing an answer."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def last_user_message(self) -> str:
        """Text of the last user message, or the prompt of a text completion; empty when there is none."""
        fields = self.fields
        messages = fields.get("messages")
        if not isinstance(messages, list):
            prompt = fields.get("prompt")
            return prompt if isinstance(prompt, str) else ""
        for message in reversed(messages):
            if isinstance(message, dict) and message.get("role") == "user":
                return _text(message.get("content"))
        return ""


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return ""
