"""Log lines as JSON, for what collects logs from many processes: one object a line, with the id of the inference or page it is about."""

from __future__ import annotations

import json
import logging
import os
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

current_inference: ContextVar[UUID | None] = ContextVar("current_inference", default=None)
"""The inference that this task works on. A line that is written elsewhere names its own with `extra={"inference_id": …}`."""

current_page: ContextVar[str] = ContextVar("current_page", default="")
"""The X-Request-Id of the page that is being made."""


class JsonLines(logging.Formatter):
    """`time` (ISO 8601, UTC, microseconds), `level`, `logger`, `message`, `process`; where they are known `inference_id`, `request_id`
    and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": os.getpid(),
        }
        inference = getattr(record, "inference_id", None) or current_inference.get()
        if inference is not None:
            line["inference_id"] = str(inference)
        if page := current_page.get():
            line["request_id"] = page
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)  # ASCII: some collectors split lines at characters that JSON leaves as they are
