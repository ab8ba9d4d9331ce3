"""A process that is killed before any operation on its journal, or in the middle of any write: what it had promised is charged by its
successor, once, and what it had not is charged at most once.

The operations are counted in a run that nothing kills: two outages, with settlements that come together and one after another, each
with its replay. Then a process is killed at each of them."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import override_settings

from akashml.instance import Instance
from apps.core.ids import uuid7
from apps.gateway import journal
from apps.gateway.database import Link
from apps.usage.models import Inference
from tests.gateway.customers import Customer, new_payer
from tests.gateway.settlers import COST, Process, ending

pytestmark = pytest.mark.money

AT_ONCE = 4
OPERATIONS = {"open", "write", "fsync", "flock", "rename", "unlink", "read_bytes", "iterdir", "batch"}


@dataclass
class Run:
    """A process with a journal and a customer of its own, that ends before its operation `kill_at`; `torn`: in the middle of it."""

    folder: Path
    customer: Customer
    kill_at: int = -1
    torn: bool = False
    identifiers: list[UUID] = field(default_factory=lambda: [uuid7() for _ in range(6)])
    pid: int = 0
    report: int = 0  # a pipe: what it says of itself

    def start(self) -> None:
        self.report, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.report)
                with override_settings(INSTANCE=Instance(self.folder)):
                    self._count(theirs)
                    asyncio.run(asyncio.wait_for(self._settle(theirs), 100))
            except BaseException as error:
                os.write(theirs, f"failed {error!r}\n".encode())
            finally:
                os._exit(0)
        os.close(theirs)

    def end(self) -> tuple[int, list[list[str]]]:
        """How it ended, and the lines that it said."""
        with os.fdopen(self.report) as pipe:
            lines = [line.split() for line in pipe]
        _, status = os.waitpid(self.pid, 0)
        return status, lines

    async def _settle(self, report: int) -> None:
        async def settle(process: Process, identifiers: list[UUID]) -> None:
            futures = [process.settling.post(ending(self.customer, identifier=identifier)) for identifier in identifiers]
            for identifier, future in zip(identifiers, futures, strict=True):
                assert (await future).stands
                os.write(report, f"promised {identifier}\n".encode())

        async with Process() as process:
            await process.away()
            await settle(process, self.identifiers[:3])
            await settle(process, self.identifiers[3:5])
            await process.replay.run()
            await settle(process, self.identifiers[5:])
            await process.replay.run()
        os.write(report, b"ended\n")

    def _count(self, report: int) -> None:
        """Puts a counter before every operation on files, and every batch that goes to Postgres for the journal."""
        count = 0

        def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def operation(*arguments: Any, **named: Any) -> Any:
                nonlocal count
                if name == "batch" and arguments[0].name != "journal":
                    return call(*arguments, **named)
                os.write(report, f"operation {name}\n".encode())
                if count == self.kill_at:
                    if self.torn:
                        call(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1
                return call(*arguments, **named)

            return operation

        journal.os = types.SimpleNamespace(**vars(os))  # type: ignore[assignment]
        journal.fcntl = types.SimpleNamespace(**vars(fcntl))  # type: ignore[assignment]
        for module, name in ((journal.os, "open"), (journal.os, "write"), (journal.os, "fsync"), (journal.fcntl, "flock")):
            setattr(module, name, counted(name, getattr(module, name)))
        for owner, name in ((Path, "rename"), (Path, "unlink"), (Path, "read_bytes"), (Path, "iterdir"), (Link, "batch")):
            setattr(owner, name, counted(name, getattr(owner, name)))


def test_every_operation_of_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    alone = Run(tmp_path / "alone", new_payer())
    alone.start()
    status, said = alone.end()
    assert (status, said[-1]) == (0, ["ended"]), said
    operations = [words[1] for words in said if words[0] == "operation"]
    assert set(operations) == OPERATIONS
    assert promised_only_what_was_flushed(said)
    runs = [Run(tmp_path / f"before-{number}", new_payer(), number) for number in range(len(operations))]
    runs += [Run(tmp_path / f"within-{number}", new_payer(), number, True) for number, name in enumerate(operations) if name == "write"]
    for first in range(0, len(runs), AT_ONCE):
        together = runs[first : first + AT_ONCE]
        for run in together:
            run.start()
        for run in together:
            status, said = run.end()
            assert os.WIFSIGNALED(status), (run, said)
            promised = {UUID(words[1]) for words in said if words[0] == "promised"}
            with override_settings(INSTANCE=Instance(run.folder)):
                asyncio.run(succeed(run, promised))
    print(f"killed at {len(operations)} operations: {' '.join(operations)}")


def promised_only_what_was_flushed(said: list[list[str]]) -> bool:
    """What a killed process has written the kernel keeps; a machine that loses its power keeps what was flushed."""
    flushed = True
    for what, *words in said:
        if what == "operation" and words[0] in ("write", "fsync"):
            flushed = words[0] == "fsync"
        if what == "promised" and not flushed:
            return False
    return True


async def succeed(run: Run, promised: set[UUID]) -> None:
    """A successor has charged what was promised, each once, before it would admit anything, and leaves no journal behind."""
    async with Process() as successor:
        rows = {row.id: row.charged for row in Inference.objects.filter(account_id=run.customer.account_id)}
        assert promised <= rows.keys(), (run, promised - rows.keys())
        assert set(rows) <= set(run.identifiers)
        assert set(rows.values()) <= {COST}
        assert set(successor.files) <= {journal.UNFINISHED}
    assert run.customer.balance == 10 * 10**9 - len(rows) * COST
