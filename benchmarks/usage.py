"""`make bench-usage`: a year of many accounts' inferences, and how long it takes to fold and to read them.

The log is made up here and loaded by COPY, with pools, ledger and prices that fit it, into a database of its own; the sums are folded and
the pages' and the API's questions are asked of the largest account, and its log is exported. It needs about 2 kB of disk an inference.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import psycopg

from akashml.instance import Instance
from akashml.runner import servers
from akashml.runner.postgres import Postgres
from benchmarks import report

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- usage: begin (written by make bench-usage) -->", "<!-- usage: end -->"
DAYS = 365
MODELS = 12
LARGE = 10  # accounts
ALONE = 10**10  # above are transactions of a single request
COLUMNS = """id, account_id, api_key_id, model_id, price_id, backend_id, transaction_id, dialect, streamed, status, http_status, finish_reason, error_code,
  prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, estimated, cost, charged, paid_pools, paid_amounts, queue_ms, first_token_ms, total_ms,
  admitted_at, settled_at"""
# How busy each hour of a day is, and each day of a week.
HOURS = [3, 2, 2, 1, 1, 2, 3, 5, 8, 11, 12, 12, 11, 12, 12, 12, 11, 10, 8, 7, 6, 5, 4, 4]
WEEK = [10, 11, 11, 11, 10, 4, 4]
LEDGER = """
INSERT INTO accounts_account (id, name, status, time_zone, created_at) SELECT n, 'account ' || n, 1, 'America/New_York', now() FROM generate_series(1, %(accounts)s) n;
INSERT INTO catalog_model (id, public_id, name, description, context_length, default_max_output, quantization, input_modalities, output_modalities,
  supported_sampling_parameters, supported_features, reasoning, is_active, created_at)
  SELECT n, 'bench/model-' || n, 'model ' || n, '', 131072, 4096, '', '{}', '{}', '{}', '{}', '{}', true, now() FROM generate_series(1, %(models)s) n;
INSERT INTO billing_creditpool (id, account_id, kind, granted, remaining, held, created_at)
  SELECT account_id, account_id, 30, sum(charged), 0, 0, now() FROM usage_inference GROUP BY account_id;
INSERT INTO billing_ledgertransaction (id, account_id, kind, reference, note, created_at)
  SELECT transaction_id, account_id, 1, 'bench:' || transaction_id, '', max(settled_at) FROM usage_inference GROUP BY 1, 2
  UNION ALL SELECT 1000000000 + id, id, 3, 'bench:' || id, '', now() FROM billing_creditpool;
INSERT INTO billing_posting (transaction_id, account_id, book, pool_id, amount)
  SELECT u.transaction_id, u.account_id, b.book, CASE b.book WHEN 1 THEN u.account_id END, b.sign * u.charged
  FROM (SELECT transaction_id, account_id, sum(charged) AS charged FROM usage_inference GROUP BY 1, 2) u CROSS JOIN (VALUES (1, -1), (2, 1)) b (book, sign)
  UNION ALL SELECT 1000000000 + p.id, p.account_id, b.book, CASE b.book WHEN 1 THEN p.id END, b.sign * p.granted
  FROM billing_creditpool p CROSS JOIN (VALUES (1, 1), (4, -1)) b (book, sign)
"""


class Customer:
    """An account of the made-up year: a few applications, each with a key, a dialect and one to three models. The largest have the most of
    both, and so the most cells for each request."""

    def __init__(self, number: int, chance: random.Random, variety: int) -> None:
        self.number = number
        large = number <= LARGE
        apps = [
            (number * 100 + n, chance.choice((1, 1, 2, 3)), chance.sample(range(1, MODELS + 1), 3 if large else chance.randint(1, 3)))
            for n in range(8 if large else chance.randint(2, 8))
        ]
        self.rows = [self._row(*chance.choice(apps), chance) for _ in range(variety)]

    def _row(self, key: int, dialect: int, models: Sequence[int], chance: random.Random) -> tuple[str, str, int]:
        """What of a row does not depend on its time: before and behind the transaction, and milliseconds from arrival to end."""
        model, status = chance.choice(models), chance.choices((1, 2, 3, 4), (95, 3, 1.8, 0.2))[0]
        prompt, completion = int(chance.lognormvariate(6.5, 1.2)), int(chance.lognormvariate(5, 1))
        first = int(chance.lognormvariate(5.5, 0.5))
        total = first + completion * 12
        cost = prompt * 50 + completion * 200
        before = f"\t{self.number}\t{key}\t{model}\t{model}\t1\t"
        behind = (
            f"\t{dialect}\t{'t' if chance.random() < 0.7 else 'f'}\t{status}\t200\tstop\t\t{prompt}\t{prompt // 3}\t{completion}\t{completion // 4}\tf"
            f"\t{cost}\t{cost}\t{{{self.number}}}\t{{{cost}}}\t1\t{first}\t{total}\t"
        )
        return before, behind, total


def history(accounts: int, inferences: int, end: datetime, seed: int = 1) -> Iterator[str]:
    """The rows of a year for COPY, minute by minute, the oldest first. The first account is the largest: sizes fall as n^-0.8.
    A ledger transaction pays for a month of an account, and for a single request of a large account in the last thirty days."""
    chance = random.Random(seed)
    customers = [Customer(n, chance, max(30, min(2_000, 20_000 // n))) for n in range(1, accounts + 1)]
    weights = list(accumulate(n**-0.8 for n in range(1, accounts + 1)))
    start, alone, made = end - timedelta(days=DAYS), end - timedelta(days=30), 0
    pace = inferences / sum(HOURS[h] * WEEK[(start + timedelta(days=d)).weekday()] * 60 for d in range(DAYS) for h in range(24))
    due = 0.0
    for minute in range(DAYS * 24 * 60):
        moment = start + timedelta(minutes=minute)
        due += pace * HOURS[moment.hour] * WEEK[moment.weekday()]
        count, due = int(due), due - int(due)
        month, stamp, base = (moment.year - 2000) * 12 + moment.month, f"{moment:%Y-%m-%d %H:%M:}", int(moment.timestamp() * 1000)
        lines = []
        for customer in chance.choices(customers, cum_weights=weights, k=count):
            before, behind, total = chance.choice(customer.rows)
            made += 1
            at = int(chance.random() * 60_000)
            arrived = base + at - total
            settled = f"{stamp}{at // 1000:02d}.{at % 1000:03d}+00"
            transaction = ALONE + made if moment > alone and customer.number <= LARGE else customer.number * 1000 + month
            lines.append(f"{arrived:012x}7{made & 0xFFF:03x}8{made:015x}{before}{transaction}{behind}{settled}\t{settled}\n")
        yield "".join(lines)


def load(connection: psycopg.Connection, accounts: int, inferences: int, end: datetime) -> float:
    """Seconds that it took to make the log and its ledger."""
    begun = time.monotonic()
    for month in range(13):
        first = (end.replace(day=1) - timedelta(days=31 * month)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        name = f"usage_inference_{first:%Y_%m}"
        if connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() == (None,):
            bounds = (first, (first + timedelta(days=32)).replace(day=1))
            since, until = (connection.execute("SELECT usage_uuid7_floor(%s)::text", (moment,)).fetchone()[0] for moment in bounds)  # type: ignore[index]
            connection.execute(f"CREATE TABLE {name} PARTITION OF usage_inference FOR VALUES FROM ('{since}') TO ('{until}')")
    with connection.cursor() as cursor, cursor.copy(f"COPY usage_inference ({COLUMNS}) FROM STDIN") as copy:
        for lines in history(accounts, inferences, end):
            copy.write(lines)
    values = {"accounts": accounts, "models": MODELS}
    for statement in LEDGER.split(";\n"):
        connection.execute(statement % values if "%(" in statement else statement)
    connection.execute("VACUUM ANALYZE usage_inference")
    return time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-usage", description=__doc__)
    parser.add_argument("--inferences", type=int, default=10_000_000, metavar="N")
    parser.add_argument("--accounts", type=int, default=1_000, metavar="N")
    parser.add_argument("--times", type=int, default=40, metavar="N", help="how often each question is asked")
    parser.add_argument("--write", action="store_true", help="put the results into docs/performance.md, in place of the last ones")
    options = parser.parse_args()
    folder = Path(os.environ.get("DATA_DIR", "").strip() or ROOT / ".data").resolve() / "bench-usage"
    folder.mkdir(parents=True, exist_ok=True)
    instance = Instance(folder)
    os.environ |= {"DATA_DIR": str(folder), "DATABASE_URL": instance.database_url, "DJANGO_SETTINGS_MODULE": "akashml.settings"}
    server = Postgres(instance, folder / "postgres.log", {"synchronous_commit": "off", "max_wal_size": "4GB"})
    process = servers.start(server)
    try:
        results: list[str] = []
        sound = run(options, server, results)
        text = "\n".join(results)
        (folder / "results.md").write_text(text + "\n")
        if options.write:
            document = ROOT / "docs" / "performance.md"
            document.write_text(report.insert(document.read_text(), text, BEGIN, END))
        return 0 if sound else 1
    finally:
        servers.stop(server, process)


def run(options: argparse.Namespace, server: Postgres, results: list[str]) -> bool:
    """Measures, prints, and adds what is printed to `results`, as Markdown. Whether the books are sound."""

    def say(line: str) -> None:
        print(line, flush=True)
        results.append(line)

    server.create_database()
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from apps.gateway.ledger_check import check
    from apps.usage.rollups import fold
    from benchmarks import usage_asked as asked

    call_command("migrate", verbosity=0)
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        if connection.execute("SELECT count(*) FROM usage_rollup").fetchone() == (0,):
            took = load(connection, options.accounts, options.inferences, end)
            say(
                f"- loaded: {options.inferences:,} inferences of {options.accounts:,} accounts in {took:.0f} s ({options.inferences / took:,.0f}/s)"
            )
            begun, cpu = time.monotonic(), asked.cpu_seconds()
            fold(budget_s=float("inf"))
            took, used = time.monotonic() - begun, asked.cpu_seconds() - cpu
            say(f"- folded: {options.inferences / took:,.0f} inferences/s, {options.inferences / used:,.0f} a second of CPU")
            connection.execute("VACUUM ANALYZE usage_rollup")
        [cells, largest] = connection.execute(
            "SELECT count(*), (SELECT sum(requests) FROM usage_rollup WHERE account_id = 1 AND grain = 1440) FROM usage_rollup"
        ).fetchone()  # type: ignore[misc]
    say(
        f"- {cells:,} cells; the largest account has {largest:,} inferences\n- {datetime.now(UTC):%d %B %Y}, load {os.getloadavg()[0]:.1f} when asking began\n"
    )
    gc.collect()
    gc.freeze()  # as web processes do (akashml/asgi.py)
    gc.set_threshold(10_000, 20, 50)
    say(f"| {'ms':56} | {'p50':>7} | {'p95':>7} | {'CPU p50':>7} | {'CPU p95':>7} | {'queries':>7} | {'kB':>5} |\n|---|{'---:|' * 6}")
    for line in asked.measure(asked.questions(1, end) | asked.pages(1, end), options.times):
        times = " | ".join(f"{time:7.1f}" for time in (line.median, line.high, line.cpu_median, line.cpu_high))
        print(f"| {line.name:56} | {times} | {line.queries:7} | {line.size / 1000:5.0f} |")
    say("\n| export | MB | seconds | MB resident after 20,000 rows | at most afterwards |\n|---|---:|---:|---:|---:|")
    for name in ("csv", "json"):
        one = asked.export(1, f"/inferences/export?format={name}")
        say(f"| {name} | {one.size / 1e6:,.0f} | {one.seconds:.0f} | {one.early / 1e6:.0f} | {one.most / 1e6:.0f} |")
    books = check()
    say(f"\nBooks: {'sound' if books.ok else [violation.detail for violation in books.violations][:5]}")
    return books.ok


if __name__ == "__main__":
    sys.exit(main())
