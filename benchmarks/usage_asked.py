"""What `make bench-usage` asks of one account: the questions behind pages and API, and whole pages, files and REST answers."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Membership, User
from apps.accounts.session_cookie import seal
from apps.usage import figures, log, ranges
from apps.usage.figures import Filters, Group
from apps.usage.ranges import Bucket

ZONE = ZoneInfo("America/New_York")
# Whether a browser or a script asks: half a year back is deep in the log, and nothing costs a thousand dollars.
DEEP, DEAR = timedelta(days=200), 1_000
EARLY = 20  # pieces of an export, of a thousand rows each


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds, median and 95th percentile: by the clock, and of CPU, of this process and Postgres's together, which hardly depend on
    what else the machine does. Statements sent to Postgres, and bytes of the answer (0 where it is none of HTTP)."""

    name: str
    median: float
    high: float
    cpu_median: float
    cpu_high: float
    queries: int
    size: int


def questions(account: int, now: datetime) -> dict[str, Callable[[], object]]:
    """What pages and API ask, each alone."""
    month, quarter, year = (ranges.last_days(days, now, ZONE) for days in (30, 90, 365))
    day = ranges.last(timedelta(hours=24), now, ZONE)
    kolkata = ranges.last_days(30, now, ZoneInfo("Asia/Kolkata"))
    key = account * 100
    deep = log.uuid7_floor(now - DEEP)
    return {
        "24 hours by hour and model": lambda: figures.series(account, day, Bucket.HOUR, Group.MODEL),
        "30 days by day and model": lambda: figures.series(account, month, Bucket.DAY, Group.MODEL),
        "30 days by day and key, one model": lambda: figures.series(account, month, Bucket.DAY, Group.KEY, Filters(models=[1])),
        "30 days by day in Kolkata": lambda: figures.series(account, kolkata, Bucket.DAY, Group.STATUS),
        "90 days by day and model": lambda: figures.series(account, quarter, Bucket.DAY, Group.MODEL),
        "a year by week and key": lambda: figures.series(account, year, Bucket.WEEK, Group.KEY),
        "a year by day": lambda: figures.series(account, year, Bucket.DAY),
        "percentiles, 30 days by day": lambda: figures.durations(account, month, Bucket.DAY),
        "percentiles, a year by week": lambda: figures.durations(account, year, Bucket.WEEK),
        "30 days compared": lambda: figures.together(account, [(month, None), (month.before, None)]),
        "forecast": lambda: figures.forecast(account, ZONE, now),
        "newest inferences": lambda: log.page(account),
        "a page half a year back": lambda: log.page(account, before=deep),
        "failed ones of a key": lambda: log.page(account, log.LogFilters(statuses=[3], keys=[key])),
        "a filter that nothing passes": lambda: log.page(account, log.LogFilters(least_charged=10**15)),
    }


def pages(account: int, now: datetime) -> dict[str, Callable[[], object]]:
    """Whole answers, through Django and its middleware, as one of the account's members sees them."""
    client = logged_in(account)
    newest, deep = log.page(account, limit=1).rows[0].pk, log.uuid7_floor(now - DEEP)
    addresses = [
        "/dashboard",
        *(f"/usage?range={length}&by={group}" for length in ("24h", "7d", "30d", "90d", "1y") for group in ("model", "key", "status")),
        "/usage/export?range=1y&format=csv",
        "/inferences",
        "/inferences?status=failed",
        "/inferences?min_first_token_s=5",
        f"/inferences?min_charged={DEAR}",
        f"/inferences?before={deep}",
        f"/inferences/{newest}",
        "/api/v1/usage?range=30d&group_by=model",
        "/api/v1/usage?range=90d&group_by=model&latency=true",
        "/api/v1/usage?range=12m&group_by=key&latency=true",
        "/api/v1/usage?range=12m&bucket=day",
        "/api/v1/inferences",
        "/api/v1/inferences?status=failed",
        f"/api/v1/inferences?min_charged={DEAR}",
        f"/api/v1/inferences/{newest}",
    ]
    return {address.replace(str(newest), "…").replace(str(deep), "…"): partial(get, client, address) for address in addresses}


def logged_in(account: int) -> Client:
    """A browser of a member of the account, who is made if there is none."""
    user, _ = User.objects.get_or_create(email=f"bench-{account}@example.com")
    Membership.objects.get_or_create(account_id=account, user=user)
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    client.cookies[settings.SESSION_COOKIE_NAME] = seal(cookie.value)
    return client


def get(client: Client, address: str) -> int:
    """Bytes of the answer, read to its end; RuntimeError for any but 200."""
    answer = client.get(address)
    size = async_to_sync(read)(answer) if answer.streaming else len(answer.content)
    if answer.status_code != 200:
        raise RuntimeError(f"{address} was answered with {answer.status_code}: {answer.headers.get('Location', '')}")
    return size


@dataclass(frozen=True, slots=True)
class Export:
    """A file of the whole log: its bytes, how long it took, and bytes resident when 20,000 rows were written and at most afterwards."""

    size: int
    seconds: float
    early: int
    most: int


def export(account: int, address: str) -> Export:
    """The file, read to its end and thrown away."""
    begun, answer = time.perf_counter(), logged_in(account).get(address)
    size, resident = 0, []

    async def through() -> None:
        nonlocal size
        async for piece in answer:  # type: ignore[attr-defined]
            size += len(piece)
            resident.append(resident_bytes())

    async_to_sync(through)()
    early = min(EARLY, len(resident) - 1)
    return Export(size, time.perf_counter() - begun, resident[early], max(resident[early:]))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def read(answer: HttpResponseBase) -> int:
    """Bytes of a streamed answer."""
    size = 0
    async for piece in answer:  # type: ignore[attr-defined]
        size += len(piece)
    return size


def measure(asked: Mapping[str, Callable[[], object]], times: int) -> Iterator[Timing]:
    """Each question once to be warm, then so many times."""
    for name, ask in asked.items():
        with CaptureQueriesContext(connection) as sent:
            answer = ask()
        queries, took, used = len(sent), [], []
        for _ in range(times):
            begun, cpu = time.perf_counter(), cpu_seconds()
            ask()
            took.append((time.perf_counter() - begun) * 1000)
            used.append((cpu_seconds() - cpu) * 1000)
        size = answer if isinstance(answer, int) else 0
        yield Timing(name, statistics.median(took), p95(took), statistics.median(used), p95(used), queries, size)


def p95(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def cpu_seconds() -> float:
    """CPU time that this process and its backend of Postgres have used so far."""
    connection.ensure_connection()
    backend = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text()
    return time.process_time() + int(backend.split()[0]) / 1e9
