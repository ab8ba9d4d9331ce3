"""The log files of the children: put aside at each start, and read along for what the user should see at once."""

from __future__ import annotations

import re
from pathlib import Path

KEPT = 3
LEVEL = re.compile(rb"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")


def rotate(path: Path) -> Path:
    """Put an earlier log aside as `NAME.1` (older ones as `.2`, `.3`), so that a log belongs to one run."""
    for number in range(KEPT, 0, -1):
        older = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if older.exists():
            older.rename(path.with_name(f"{path.name}.{number}"))
    return path


class Alarms:
    """Reads a growing log and picks the warnings and errors out of it, with the lines that belong to them (tracebacks)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._alarming = False

    def news(self) -> list[str]:
        """Whole lines written since the last call that belong to a warning or an error."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._offset)
            text = file.read(1_000_000)
        text = text[: text.rfind(b"\n") + 1]
        self._offset += len(text)
        return [line.decode(errors="replace") for line in text.splitlines() if self._belongs(line)]

    def _belongs(self, line: bytes) -> bool:
        level = LEVEL.search(line[:80])
        if level:
            self._alarming = level[1] in (b"WARNING", b"ERROR", b"CRITICAL")
        return self._alarming
