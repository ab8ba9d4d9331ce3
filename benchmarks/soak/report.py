"""The books after the soak, against what the clients saw."""

from __future__ import annotations

import time
from collections.abc import Iterable
from uuid import UUID

from benchmarks.soak.product import LEASE_S, Product
from benchmarks.soak.traffic import Traffic
from benchmarks.soak.violence import Violence

SETTLED_WITHIN_S = LEASE_S + 60.0


def read_the_books(product: Product, traffic: Traffic, violence: Violence) -> int:
    """Prints what was found; 0 when every promise was kept, 1 otherwise."""
    from apps.gateway.ledger_check import check

    faults = [*_held(), *missing(traffic)]
    report = check()
    faults += [f"{violation.invariant}: {violation.detail}" for violation in report.violations]
    print("\nrequests, as their clients saw them end: " + ", ".join(f"{how} {count:,}" for how, count in traffic.seen.most_common()))
    print("done to the product: " + ", ".join(f"{deed} {count}" for deed, count in violence.done.most_common()))
    print("books: " + ", ".join(f"{name} {value:,}" for name, value in report.totals.items()))
    print(f"answers that ended well: {len(traffic.finished):,}, each in the log and charged what it cost" if not faults else "")
    for fault in faults[:40]:
        print(f"BROKEN: {fault}")
    print(f"soak: {'everything held' if not faults else f'{len(faults)} promises broken; logs are in {product.folder}'}")
    return 1 if faults else 0


def _held() -> Iterable[str]:
    from django.db import OperationalError, connection

    from apps.gateway.models import Hold

    deadline = time.monotonic() + SETTLED_WITHIN_S
    while True:
        try:
            held = Hold.objects.count()
        except OperationalError:  # this connection was to a Postgres that was killed since
            connection.close()
            continue
        if not held or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    if held:
        yield f"{held} requests are still held {SETTLED_WITHIN_S:g} s after the last one ended"


def missing(traffic: Traffic) -> Iterable[str]:
    """Every settlement that a client was told of is there, with its whole cost."""
    from apps.usage.models import Inference, Status

    rows = {row.id: row for row in Inference.objects.filter(account_id__in=traffic.accounts)}
    for answer in traffic.finished:
        row = rows.get(UUID(answer.id))
        if row is None:
            yield f"{answer.id} ended well for its client and is not in the log"
        elif row.status != Status.COMPLETED:
            yield f"{answer.id} ended well for its client and is logged as {Status(row.status).label}"
        elif row.cost != answer.cost:
            yield f"{answer.id} cost {answer.cost} nano-USD by the usage it showed; the log says {row.cost}"
