"""What admission, settlement and leases should do, said once more and simply: plain Python without a database.

One request after the other, one dictionary for each kind of thing. The state machine (test_ledger_state_machine.py) does
everything twice, here and in Postgres, and compares. Money in nano-USD, times as aware datetimes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from apps.usage.models import Status
from tests.gateway.database import (
    ADMITTED,
    CHARGED_DIRECTLY,
    CONCURRENCY,
    CREDIT,
    FENCED,
    KEY_EXPIRED,
    KEY_REFUSED,
    RELEASED,
    REQUESTS,
    SETTLED,
    SETTLED_BEFORE,
    SUSPENDED,
    TOKENS,
    Checkpoint,
    Ending,
    Outcome,
    Request,
)  # fmt: skip

WINDOW_S = 61
FORGOTTEN = timedelta(hours=2)


@dataclass
class Pool:
    id: int
    account: int
    kind: int
    expires_at: datetime | None
    remaining: int
    created_at: datetime
    held: int = 0

    def burns_at(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at > now

    def burn_order(self) -> tuple[int, bool, float, datetime, int]:
        """Priority, expiry with never last, age."""
        return self.kind, self.expires_at is None, self.expires_at.timestamp() if self.expires_at else 0, self.created_at, self.id


@dataclass
class Key:
    id: int
    account: int
    rpm: int | None
    tpm: int | None
    max_concurrent: int | None
    expires_at: datetime | None = None
    revoked: bool = False


@dataclass
class Window:
    """What a key was admitted with, second by second."""

    newest: int
    requests: Counter[int] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)

    def at(self, second: int) -> Window:
        if abs(second - self.newest) >= WINDOW_S:
            return Window(second)
        newest = max(self.newest, second)
        return Window(newest, *(Counter({s: n for s, n in c.items() if s > newest - WINDOW_S}) for c in (self.requests, self.tokens)))

    def correct(self, second: int, tokens: int) -> None:
        if self.newest - WINDOW_S < second <= self.newest:
            self.tokens[second] = max(0, self.tokens[second] + tokens)
        else:
            self.tokens[self.newest] += max(0, tokens)


@dataclass
class Hold:
    id: UUID
    account: int
    key: int | None
    process: int
    parts: list[tuple[int, int]]  # (pool, nano), in burn order
    second: int
    reserved: int
    checkpoint: Checkpoint
    admitted_at: datetime

    @property
    def amount(self) -> int:
        return sum(amount for _, amount in self.parts)


@dataclass
class Entry:
    """A row of the inference log."""

    account: int
    cost: int
    charged: int
    status: int
    paid: dict[int, int]


@dataclass
class Process:
    lease_since: datetime
    lease_until: datetime
    fenced: bool = False


class Model:
    def __init__(self, now: datetime) -> None:
        self.now = now
        self.started = now - timedelta(days=1)
        self.suspended: dict[int, bool] = {}
        self.pools: dict[int, Pool] = {}
        self.keys: dict[int, Key] = {}
        self.windows: dict[int, Window] = {}
        self.processes: dict[int, Process] = {}
        self.holds: dict[UUID, Hold] = {}
        self.log: dict[UUID, Entry] = {}
        self.expired = 0

    @property
    def second(self) -> int:
        return int(self.now.timestamp() // 1)

    def free(self, account: int) -> int:
        return sum(p.remaining - p.held for p in self.pools.values() if p.account == account and p.burns_at(self.now))

    def take(self, account: int, amount: int) -> list[tuple[int, int]]:
        """Holds up to `amount` of the account's free credit, in burn order."""
        parts = []
        for pool in sorted((p for p in self.pools.values() if p.account == account and p.burns_at(self.now)), key=Pool.burn_order):
            part = min(amount, pool.remaining - pool.held)
            if part > 0:
                pool.held += part
                amount -= part
                parts.append((pool.id, part))
        return parts

    def open_of(self, key: int) -> int:
        return sum(h.key == key for h in self.holds.values())

    # --- Admission

    def admit(self, process: int, requests: Sequence[Request]) -> list[tuple[int, int]]:
        """(code, output granted) of each request, decided account by account and key by key."""
        answers = {}
        order = sorted(range(len(requests)), key=lambda i: (requests[i].account, requests[i].key or 0, i))
        for i in order:
            answers[i] = self._decide(process, requests[i])
        return [answers[i] for i in range(len(requests))]

    def _decide(self, process: int, r: Request) -> tuple[int, int]:
        if process not in self.processes or self.processes[process].fenced:
            return FENCED, 0
        if (hold := self.holds.get(r.id)) is not None:  # asked again
            return ADMITTED, min(r.output_wanted, (hold.amount * 1000 - r.base_pico) // r.output_pico) if r.output_pico else r.output_wanted
        key = self.keys.get(r.key) if r.key is not None else None
        if r.key is not None and (key is None or key.account != r.account or key.revoked):
            return KEY_REFUSED, 0
        if key is not None and key.expires_at is not None and key.expires_at <= self.now:
            return KEY_EXPIRED, 0
        if self.suspended[r.account]:
            return SUSPENDED, 0
        reserved, window = r.tpm_tokens, None
        if key is not None:
            window = self.windows.get(key.id, Window(self.second)).at(self.second)
            reserved = min(reserved, key.tpm) if key.tpm is not None else reserved
            if key.rpm is not None and window.requests.total() >= key.rpm:
                return REQUESTS, 0
            if key.tpm is not None and window.tokens.total() + reserved > key.tpm:
                return TOKENS, 0
            if key.max_concurrent is not None and self.open_of(key.id) >= key.max_concurrent:
                return CONCURRENCY, 0
        granted = self._affordable(r)
        if granted < r.output_least:
            return CREDIT, max(granted, 0)
        parts = self.take(r.account, -(-(r.base_pico + granted * r.output_pico) // 1000))
        if key is not None and window is not None:
            window.requests[window.newest] += 1
            window.tokens[window.newest] += reserved
            self.windows[key.id] = window
        second = window.newest if window else 0
        self.holds[r.id] = Hold(r.id, r.account, r.key, process, parts, second, reserved, Checkpoint(r.id, 0), self.now)
        return ADMITTED, granted

    def _affordable(self, r: Request) -> int:
        pico = self.free(r.account) * 1000
        if pico < r.base_pico:
            return -1
        return min(r.output_wanted, (pico - r.base_pico) // r.output_pico) if r.output_pico else r.output_wanted

    # --- Settlement

    def settle(self, endings: Sequence[Ending]) -> list[Outcome]:
        """First every hold that is too small grows, account by account; then all end."""
        codes = {}
        seen: set[UUID] = set()
        repeated = [i for i, e in enumerate(endings) if e.id in seen or seen.add(e.id)]
        for i in sorted(range(len(endings)), key=lambda i: (endings[i].account, i)):
            codes[i] = SETTLED_BEFORE if i in repeated else self._prepare(endings[i])
        outcomes = []
        for i, e in enumerate(endings):
            outcomes.append(Outcome(codes[i], self._end(e) if codes[i] in (SETTLED, CHARGED_DIRECTLY) else 0))
            if codes[i] == RELEASED and e.id in self.holds and i not in repeated:
                self._end(e)
        return outcomes

    def _prepare(self, e: Ending) -> int:
        hold = self.holds.get(e.id)
        if not e.logged:
            return RELEASED
        if hold is not None:
            hold.parts += self.take(e.account, e.cost - hold.amount)
            return SETTLED
        if e.id in self.log or e.status == Status.LOST:
            return SETTLED_BEFORE
        self.holds[e.id] = Hold(e.id, e.account, None, 0, self.take(e.account, e.cost), 0, 0, Checkpoint(e.id, 0), self.now)
        return CHARGED_DIRECTLY

    def _end(self, e: Ending) -> int:
        hold = self.holds.pop(e.id)
        due, paid = (e.cost if e.logged else 0), Counter[int]()
        for pool_id, amount in hold.parts:
            part = min(amount, due)
            self.pools[pool_id].held -= amount
            self.pools[pool_id].remaining -= part
            paid[pool_id] += part
            due -= part
        if hold.key in self.windows:
            self.windows[hold.key] = self.windows[hold.key].at(self.second)
            self.windows[hold.key].correct(hold.second, (e.tpm_tokens if e.logged else 0) - hold.reserved)
        if e.logged:
            self.log[e.id] = Entry(e.account, e.cost, paid.total(), e.status, {p: n for p, n in paid.items() if n})
        return paid.total()

    # --- Leases, expiry

    def renew(self, process: int, checkpoints: Sequence[Checkpoint], lease_s: float) -> set[UUID] | None:
        if self.processes[process].fenced:
            return None
        lease = self.processes[process]
        if lease.lease_until < self.now + timedelta(seconds=lease_s / 4):
            lease.lease_since = self.now
        lease.lease_until = self.now + timedelta(seconds=lease_s)
        for c in checkpoints:
            if c.id in self.holds:
                self.holds[c.id].checkpoint = c
        return {c.id for c in checkpoints if c.id not in self.holds}

    def is_witness(self, process: Process, lease: timedelta) -> bool:
        """It has renewed for a whole lease without a gap: whoever has not could have done so too."""
        return not process.fenced and process.lease_until >= self.now + lease / 4 and process.lease_since <= self.now - lease

    def reap(self, lease_s: float) -> int:
        if self.now < self.started + timedelta(seconds=lease_s):
            return 0
        if any(self.is_witness(process, timedelta(seconds=lease_s)) for process in self.processes.values()):
            for process in self.processes.values():
                process.fenced = process.fenced or process.lease_until < self.now
        lost = [h for h in self.holds.values() if self.processes[h.process].fenced or h.admitted_at < self.now - FORGOTTEN]
        self.settle(
            [
                Ending(
                    h.id,
                    h.account,
                    h.key,
                    h.checkpoint.cost,
                    h.checkpoint.prompt_tokens + h.checkpoint.completion_tokens,
                    status=Status.LOST,
                )
                for h in lost
            ]
        )
        return len(lost)

    def expire(self) -> int:
        """What nobody holds of pools that have expired is gone; returns how much, in nano-USD."""
        gone = 0
        for pool in self.pools.values():
            if not pool.burns_at(self.now):
                gone += pool.remaining - pool.held
                pool.remaining = pool.held
        self.expired += gone
        return gone
