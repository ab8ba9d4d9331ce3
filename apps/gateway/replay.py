"""Settles what journals say (apps/gateway/journal.py): at the start before anything is admitted, and whenever something is there.

Its own, those that dead processes of this DATA_DIR left behind and, before the reaper works, those of processes that live but
could not do it themselves: what was promised to a client is charged, and not a checkpoint of it.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from django.conf import settings

from apps.core.batching import Unavailable
from apps.gateway.database import Link
from apps.gateway.journal import Found, JournalFile, decode, search
from apps.gateway.safekeeping import RETRY_DISK_S, Safekeeping
from apps.gateway.settlement import Settled, Settlement, Settling

log = logging.getLogger(__name__)

AT_ONCE = 128
# A journal belongs to one database: what is owed in it is never booked in another one that DATABASE_URL may name later.
DATABASE = """SELECT format('%%s-%%s', (SELECT system_identifier FROM pg_control_system()),
  (SELECT oid FROM pg_database WHERE datname = current_database()))"""


class Replay:
    """`done` counts settlements, `refused` those that Postgres does not take for their own values."""

    def __init__(self, settling: Settling, safekeeping: Safekeeping) -> None:
        self._settling = settling
        self._safekeeping = safekeeping
        self._link = Link("journal")
        self._folder = Path()
        self._seen: dict[Path, int] = {}  # how long a living process's file was when it was replayed
        self._reported: set[Path] = set()
        self.done = 0
        self.refused = 0

    async def start(self) -> Path:
        """Settles what was left behind; returns the folder of this database's journals. Raises Unavailable."""
        [[database]] = await self._link.rows(DATABASE, ())
        self._folder = settings.INSTANCE.data_dir / "journal" / database
        await self.run()
        return self._folder

    async def stop(self) -> None:
        self._link.abort()
        await self._link.close()

    async def run(self, *, others: bool = False) -> None:
        """One round; `others`: what living processes have written too. Raises Unavailable."""
        keeping = self._safekeeping
        own = {file.path for file in keeping.files}
        found = await keeping.in_thread(search, self._folder, own)
        self._report(found)
        keeping.closed += found.left_behind
        file: JournalFile | None
        for file in list(keeping.closed):
            await self._replay(file)
        if not keeping.closed and (file := await keeping.close_current()) is not None:  # Postgres works: now it is the current one's turn
            await self._replay(file)
        if others:
            await self._replay_others(found.others)

    async def _replay(self, file: JournalFile) -> None:
        """Settles what a file of ours says, and removes it. It stays when an account is busy, or when the disk does not go along."""
        keeping = self._safekeeping
        if time.monotonic() < file.retry_at:
            return
        try:
            contents = await keeping.in_thread(file.read)
            refused = await self._settle_all(contents.settlements)
            if refused is None:
                return
            if contents.torn:
                log.warning("journal: the last line of %s is torn; its settlement had been promised to nobody", file.path)
            if contents.damaged or refused:
                log.error(
                    "journal: %s of %s lines are damaged and %s settlements were refused; they are kept for you in %s",
                    contents.damaged, file.path.name, len(refused), self._folder,
                )  # fmt: skip
            await keeping.in_thread(file.finish, refused, contents.damaged)
        except OSError as error:
            file.retry_at = time.monotonic() + RETRY_DISK_S
            keeping.failed("cannot be replayed", file.path, error)
            return
        self.refused += len(refused)
        keeping.replayed(file, (settlement.id for settlement in contents.settlements))

    async def _replay_others(self, others: list[tuple[Path, int]]) -> None:
        """Their processes remove them, once they can."""
        self._seen = {path: size for path, size in self._seen.items() if (path, size) in others}
        for path, size in others:
            if path in self._seen:
                continue
            try:
                contents = decode(await self._safekeeping.in_thread(path.read_bytes))
            except FileNotFoundError:
                continue
            except OSError as error:
                self._safekeeping.failed("cannot be read", path, error)
                continue
            if await self._settle_all(contents.settlements) is not None:
                self._seen[path] = size

    async def _settle_all(self, settlements: list[Settlement]) -> list[Settlement] | None:
        """The refused ones; None when an account was busy and some remain to be done. Raises Unavailable."""
        refused: list[Settlement] = []
        busy = False
        for first in range(0, len(settlements), AT_ONCE):
            busy |= await self._settle(settlements[first : first + AT_ONCE], refused)
        return None if busy else refused

    async def _settle(self, batch: list[Settlement], refused: list[Settlement]) -> bool:
        """Whether an account was busy."""
        results: list[Settled | None] = []
        try:
            results = await self._settling.try_batch(self._link, batch)
        except Unavailable:
            raise
        except Exception:
            if len(batch) > 1:
                return any([await self._settle([settlement], refused) for settlement in batch])
            log.exception("journal: the settlement of inference %s was refused", batch[0].id)
            refused.append(batch[0])
        self.done += sum(result is not None for result in results)
        return None in results

    def _report(self, found: Found) -> None:
        for file in found.left_behind:
            log.warning("journal: replaying %s, which a process that is gone left behind", file.path)
        for path, error in found.unreadable:
            if path not in self._reported:
                self._reported.add(path)
                self._safekeeping.failed("cannot be claimed", path, error)
