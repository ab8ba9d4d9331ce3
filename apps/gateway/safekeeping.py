"""Keeps settlements safe while Postgres does not take them.

One that has waited a second goes to a journal on disk (apps/gateway/journal.py), and its answer may end: what was promised to a
client outlives this process. When Postgres is back, apps/gateway/replay.py settles what the journal says. As long as Postgres takes
settlements within a second, nothing here touches the disk.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import UUID

from django.conf import settings

from apps.gateway.journal import JournalFile, encode
from apps.gateway.settlement import Settlement, Settling

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

# Four looks make the second that a settlement may wait for Postgres. Once some are in the journal, the next ones wait for one look.
LOOK_EVERY_S = 0.25
PATIENCE_LOOKS = 4
RETRY_DISK_S = 5.0


class Safekeeping:
    """The journal of this process. `full` while settlements wait for which JOURNAL_MAX_BYTES leave no room: nothing may be admitted."""

    def __init__(self, settling: Settling) -> None:
        self._settling = settling
        # One thread: whatever is done to files is done in the order in which it was asked for, and never on the event loop.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._task: asyncio.Task[None] | None = None
        self._folder = Path()
        self._current: JournalFile | None = None
        self._writing = asyncio.Lock()
        self._disk_again_at = 0.0
        self.closed: list[JournalFile] = []
        """Files that this process has locked and writes to no more: they wait for their replay."""
        self.kept: set[UUID] = set()
        """The requests whose settlement is in our journal: they may still have a hold, and this process knows them."""
        self.stopping = False
        self.full = False
        self.written = 0
        self.errors = 0

    @property
    def files(self) -> list[JournalFile]:
        return [*self.closed, *([self._current] if self._current is not None else [])]

    @property
    def size(self) -> int:
        """Bytes on disk that wait for their replay."""
        return sum(file.size for file in self.files)

    @property
    def oldest_s(self) -> int:
        """Seconds since the oldest of them was begun; 0 when there is none."""
        return round(max((time.monotonic() - file.since for file in self.files), default=0))

    async def start(self, folder: Path) -> None:
        self._folder = folder
        try:
            await self.in_thread(self._make_folder)
        except OSError as error:
            self.failed("cannot be made", folder, error)
        self._task = asyncio.create_task(self._watch(), name="safekeeping")

    async def stop(self) -> None:
        """What is in the journal stays there for the next process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.kept:
            log.warning("journal: %s settlements stay in %s for the next process", len(self.kept), self._folder)
        for file in self.files:
            await self.in_thread(file.close)
        self._thread.shutdown(wait=False)

    async def in_thread(self, call: Callable[Arguments, Value], *arguments: Arguments.args, **named: Arguments.kwargs) -> Value:
        """Runs what touches files, one call after another."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: call(*arguments, **named))

    async def close_current(self) -> JournalFile | None:
        """Begins no line in the current file any more; returns it."""
        async with self._writing:
            file, self._current = self._current, None
            if file is not None:
                self.closed.append(file)
            return file

    def replayed(self, file: JournalFile, identifiers: Iterable[UUID]) -> None:
        """A closed file is done with."""
        self.closed.remove(file)
        self.kept.difference_update(identifiers)
        if not self.files:
            self.kept.clear()
            log.warning("journal: Postgres has taken everything")

    def failed(self, what: str, path: Path, error: OSError) -> None:
        self.errors += 1
        log.error("journal: %s %s: %s", path, what, error.strerror or error)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._settling.tick += 1
            try:
                while late := self._late():
                    if not await self._keep(late):
                        break
                else:
                    self._has_room()
            except Exception:
                log.exception("journal: an error of our own; it goes on")

    def _late(self) -> list[Settlement]:
        """The settlements that have waited long enough for Postgres. One that only releases a hold is not among them: nobody waits for
        it, and the reaper would do the same."""
        patience = 1 if self.kept or self.stopping else PATIENCE_LOOKS
        late = []
        for settlement, _, posted in self._settling.pending.values():
            if self._settling.tick - posted < patience:
                break
            if settlement.logged:
                late.append(settlement)
        return late

    async def _keep(self, late: list[Settlement]) -> bool:
        """Writes them down, all with one fsync, and lets those go on who wait. False when it could not be all of them: the others wait
        for Postgres in memory, and their answers with them."""
        if time.monotonic() < self._disk_again_at:
            return False
        lines = self._what_fits(late)
        if not lines:
            return False
        async with self._writing:
            try:
                self._current = await self.in_thread(self._write, self._current, lines)
            except OSError as error:
                self._disk_again_at = time.monotonic() + RETRY_DISK_S
                self.failed("cannot be written, settlements wait in memory", self._folder, error)
                if self._current is not None:  # nothing more goes after a torn line; what was promised before is still in it
                    self.closed.append(self._current)
                    self._current = None
                return False
            if not self.kept:
                log.warning("journal: Postgres does not take settlements; from now on %s keeps them until it does", self._current.path)
            kept = late[: len(lines)]
            self.written += len(kept)
            self.kept.update(settlement.id for settlement in kept)
            for settlement in kept:
                self._settling.acknowledge(settlement)
        return len(kept) == len(late)

    def _what_fits(self, late: list[Settlement]) -> list[bytes]:
        room = settings.JOURNAL_MAX_BYTES - self.size
        lines: list[bytes] = []
        for settlement in late:
            line = encode(settlement)
            room -= len(line)
            if room < 0:
                if not self.full:
                    log.error("journal: full (JOURNAL_MAX_BYTES); nothing is admitted until Postgres takes settlements again")
                self.full = True
                break
            lines.append(line)
        return lines

    def _has_room(self) -> None:
        if self.full:
            self.full = False
            log.warning("journal: nothing waits in memory any more; requests are admitted again")

    def _write(self, file: JournalFile | None, lines: list[bytes]) -> JournalFile:
        if file is None:
            self._make_folder()
            return JournalFile.create(self._folder, lines)
        file.append(lines)
        return file

    def _make_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
