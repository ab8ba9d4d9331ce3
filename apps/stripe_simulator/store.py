"""Everything the simulator knows, in one SQLite file. What was committed is there after a kill -9.

One connection, used by the event loop's thread alone and never across an await: a request is one transaction.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Object = dict[str, Any]  # as Stripe sends it; names that begin with _ are ours and are not sent

# A number of a delivery is never given again: one that was dropped may still be on its way, and what comes of it is not another's.
ALPHABET = string.ascii_letters + string.digits
TABLES = """
CREATE TABLE IF NOT EXISTS object (seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, kind TEXT NOT NULL, created INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS object_kind ON object (kind, seq);
CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, request TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due REAL, status INTEGER);
CREATE TABLE IF NOT EXISTS fault (seq INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


def new_id(prefix: str) -> str:
    return f"{prefix}_{''.join(secrets.choice(ALPHABET) for _ in range(24))}"


def now() -> int:
    return int(time.time())


class Store:
    """Objects by id and kind. Opens or makes the file at `path`; OSError or sqlite3.Error when it cannot."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.execute("PRAGMA busy_timeout = 5000")  # ms; a predecessor that was killed may still be going away
        self.db.executescript(TABLES)

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Committed at the end; undone when an exception leaves it, unless the exception says `keeps`."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException as error:
            self.db.execute("COMMIT" if getattr(error, "keeps", False) else "ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def save(self, item: Object) -> Object:
        """Insert or replace by id; `object` is the kind."""
        self.db.execute(
            "INSERT INTO object (id, kind, created, body) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (item["id"], item["object"], item["created"], json.dumps(item)),
        )
        return item

    def find(self, object_id: str, kind: str | None = None) -> Object | None:
        row = self.db.execute("SELECT body FROM object WHERE id = ? AND kind = ifnull(?, kind)", (object_id, kind)).fetchone()
        return json.loads(row[0]) if row else None

    def all(self, kind: str) -> list[Object]:
        """Every object of a kind, the newest first."""
        return [json.loads(body) for (body,) in self.db.execute("SELECT body FROM object WHERE kind = ? ORDER BY seq DESC", (kind,))]

    def due_sessions(self, moment: int) -> list[Object]:
        """Checkout sessions that are open and expire up to then."""
        query = (
            "SELECT body FROM object WHERE kind = 'checkout.session' AND json_extract(body, '$.status') = 'open' "
            "AND json_extract(body, '$.expires_at') <= ?"
        )
        return [json.loads(body) for (body,) in self.db.execute(query, (moment,))]

    def setting(self, name: str, default: Any) -> Any:
        row = self.db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else default

    def set(self, name: str, value: Any) -> None:
        self.db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))

    def clear(self) -> None:
        """Forget everything, settings too."""
        for table in ("object", "answer", "delivery", "fault", "setting"):
            self.db.execute(f"DELETE FROM {table}")  # noqa: S608  names of ours
