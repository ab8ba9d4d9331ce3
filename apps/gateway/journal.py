"""The journal on disk: settlements that Postgres has not taken yet, kept so that nothing that happens to their process loses them.

A file holds a line for each settlement: the length and the CRC-32 of its JSON (eight hexadecimal digits each), and the JSON.
A file is locked (flock) as long as its process lives. One that can be locked was left behind, and whoever gets the lock settles
what it says and removes it. Settling is idempotent by the request's id, so a file may be replayed any number of times, by anybody.

Everything here blocks on the disk: apps/gateway/safekeeping.py calls it in a thread.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apps.core.ids import uuid7
from apps.gateway.settlement import Settlement

log = logging.getLogger(__name__)

SUFFIX = ".journal"
# A file gets its real name when its first settlements are on disk; one that never did holds nothing that anybody was promised.
UNFINISHED = ".new"
UNFINISHED_S = 60.0
HEAD = 18  # "LLLLLLLL CCCCCCCC "


def encode(settlement: Settlement) -> bytes:
    """A line of the journal. Fields go by name: a later version of this program reads it, if its new fields have defaults."""
    data = msgspec.json.encode(settlement)
    return b"%08x %08x %s\n" % (len(data), zlib.crc32(data), data)


_decoder = msgspec.json.Decoder(Settlement)


@dataclass
class Contents:
    """What a file says. `torn`: its last line was cut off, by a crash in the middle of a write that nobody had been promised.
    `damaged`: lines before that which are not what was written."""

    settlements: list[Settlement]
    torn: bool = False
    damaged: int = 0


def decode(data: bytes) -> Contents:
    """Reads as much as is sound. Never raises."""
    contents = Contents([])
    *lines, rest = data.split(b"\n")
    for line in lines:
        settlement = _line(line)
        if settlement is None:
            contents.damaged += 1
        else:
            contents.settlements.append(settlement)
    contents.torn = bool(rest)
    return contents


def _line(line: bytes) -> Settlement | None:
    data = line[HEAD:]
    if line[:HEAD] != b"%08x %08x " % (len(data), zlib.crc32(data)):
        return None
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError:  # of a version that this one cannot read
        return None


class JournalFile:
    """A file whose lock this process holds: `size` in bytes, `since` when, and `retry_at` from when on it may be tried again (time.monotonic())."""

    def __init__(self, path: Path, descriptor: int, size: int) -> None:
        self.path = path
        self.size = size
        self.since = time.monotonic()
        self.retry_at = 0.0
        self._descriptor = descriptor

    @classmethod
    def create(cls, folder: Path, lines: Sequence[bytes]) -> JournalFile:
        """A new file with these lines, on disk when this returns. Raises OSError."""
        path = folder / f"{socket.gethostname()}-{os.getpid()}-{uuid7().hex}{UNFINISHED}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        file = cls(path, descriptor, 0)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # before it has a name that a successor looks for
            file.append(lines)
            file._rename(SUFFIX)
        except BaseException:
            if file.path.suffix == UNFINISHED:
                file.path.unlink(missing_ok=True)
            file.close()
            raise
        return file

    @classmethod
    def claim(cls, path: Path) -> JournalFile | None:
        """The file, if whoever wrote it is gone and nobody else was faster. Raises OSError."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (state := os.fstat(descriptor)).st_nlink:  # else somebody has replayed and removed it between the two calls
                return cls(path, descriptor, state.st_size)
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def append(self, lines: Sequence[bytes]) -> None:
        """One write and one fsync for all of them. Raises OSError; the file must not be appended to after that."""
        data = b"".join(lines)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        os.fsync(self._descriptor)
        self.size += len(data)

    def read(self) -> Contents:
        """Raises OSError."""
        return decode(self.path.read_bytes())

    def finish(self, refused: Sequence[Settlement], damaged: int) -> None:
        """Everything in it was settled: it goes. What Postgres refuses for its own values is kept in a file beside it, and one with
        damaged lines is kept whole; both are for people. Raises OSError."""
        if refused:
            beside = self.path.with_suffix(".refused")
            with beside.open("wb") as file:
                file.writelines(encode(settlement) for settlement in refused)
                file.flush()
                os.fsync(file.fileno())
        if damaged:
            self._rename(".damaged")
        else:
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Lets go of the lock: from now on it is anybody's to replay."""
        os.close(self._descriptor)

    def _rename(self, suffix: str) -> None:
        renamed = self.path.with_suffix(suffix)
        self.path.rename(renamed)
        self.path = renamed
        folder = os.open(renamed.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@dataclass
class Found:
    """What is in a folder of journals. `left_behind`: files of processes that are gone; their locks are ours now. `others`: files whose
    processes live (or that somebody else is replaying), with their sizes in bytes. `unreadable`: what the disk or our rights refuse."""

    left_behind: list[JournalFile]
    others: list[tuple[Path, int]]
    unreadable: list[tuple[Path, OSError]]


def search(folder: Path, own: set[Path]) -> Found:
    """`own` files of this process are left out. Raises OSError when the folder cannot be read."""
    found = Found([], [], [])
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix not in (SUFFIX, UNFINISHED) or path in own:
            continue
        try:
            if path.suffix == UNFINISHED:
                _remove_unfinished(path)
            elif (file := JournalFile.claim(path)) is not None:
                found.left_behind.append(file)
            else:
                found.others.append((path, path.stat().st_size))
        except FileNotFoundError:
            continue  # replayed and removed meanwhile
        except OSError as error:
            found.unreadable.append((path, error))
    return found


def _remove_unfinished(path: Path) -> None:
    if time.time() - path.stat().st_mtime > UNFINISHED_S and (file := JournalFile.claim(path)) is not None:
        file.finish([], 0)
