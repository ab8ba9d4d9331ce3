"""The ledger's invariants as queries over live data (docs/ledger.md tells why each holds).

All of them run in one repeatable-read snapshot, so that traffic in the meantime cannot make a sound ledger look broken.
Each query returns the rows that break its invariant: a text that names what is wrong where.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connections, transaction

INVARIANTS: dict[str, tuple[str, str]] = {
    "I1": (
        "Every ledger transaction's postings sum to zero.",
        """SELECT format('transaction %s is off by %s', transaction_id, sum(amount)) FROM billing_posting GROUP BY transaction_id HAVING sum(amount) <> 0
           UNION ALL SELECT format('transaction %s has no postings', t.id) FROM billing_ledgertransaction t
             WHERE NOT EXISTS (SELECT 1 FROM billing_posting p WHERE p.transaction_id = t.id)
           UNION ALL SELECT format('posting %s belongs to no transaction of its account', p.id) FROM billing_posting p
             WHERE NOT EXISTS (SELECT 1 FROM billing_ledgertransaction t WHERE t.id = p.transaction_id AND t.account_id = p.account_id)""",
    ),
    "I2": (
        "For every pool 0 ≤ held ≤ remaining.",
        "SELECT format('pool %s: held %s, remaining %s', id, held, remaining) FROM billing_creditpool WHERE NOT (0 <= held AND held <= remaining)",
    ),
    "I3": (
        "A pool's remaining is the sum of its postings.",
        """SELECT format('pool %s: remaining %s, postings %s', p.id, p.remaining, coalesce(s.amount, 0)) FROM billing_creditpool p
           LEFT JOIN (SELECT pool_id, sum(amount) AS amount FROM billing_posting WHERE pool_id IS NOT NULL GROUP BY pool_id) s ON s.pool_id = p.id
           WHERE p.remaining <> coalesce(s.amount, 0)""",
    ),
    "I4": (
        "A pool's held is the sum of its open holds' allocations, a key's open count is the number of its holds, and what it counts as spent and held is what log and holds say.",
        """SELECT format('pool %s: held %s, holds %s', coalesce(p.id, s.pool_id), p.held, coalesce(s.amount, 0)) FROM billing_creditpool p
           FULL JOIN (SELECT a.pool_id, sum(a.amount) AS amount FROM gateway_hold h, unnest(h.pools, h.pool_amounts) a (pool_id, amount) GROUP BY a.pool_id) s ON s.pool_id = p.id
           WHERE coalesce(p.held, -1) <> coalesce(s.amount, 0)
           UNION ALL SELECT format('hold %s: amount %s, allocated %s', h.id, h.amount, a.amount) FROM gateway_hold h
             CROSS JOIN LATERAL (SELECT coalesce(sum(x), 0) AS amount FROM unnest(h.pool_amounts) x) a WHERE h.amount <> a.amount
           UNION ALL SELECT format('key %s: %s counted as open, %s holds', l.key_id, l.open, h.open) FROM api_keys_limiter l
             CROSS JOIN LATERAL (SELECT count(*) AS open FROM gateway_hold x WHERE x.key_id = l.key_id) h WHERE l.open <> h.open
           UNION ALL SELECT format('key %s: its spend counts %s as held, its holds %s', s.key_id, s.held, h.amount) FROM api_keys_spend s
             CROSS JOIN LATERAL (SELECT coalesce(sum(x.spend_held), 0) AS amount FROM gateway_hold x WHERE x.key_id = s.key_id) h WHERE s.held <> h.amount
           UNION ALL SELECT format('key %s: %s counted as spent on %s and %s in its month, the log says %s and %s', s.key_id, s.spent_day, s.day, s.spent_month, i.day, i.month)
             FROM api_keys_spend s CROSS JOIN LATERAL (
               SELECT coalesce(sum(x.charged) FILTER (WHERE (x.settled_at AT TIME ZONE 'UTC')::date = s.day), 0) AS day, coalesce(sum(x.charged), 0) AS month
               FROM usage_inference x WHERE x.api_key_id = s.key_id AND x.settled_at >= s.month::timestamp AT TIME ZONE 'UTC'
                 AND x.settled_at < (s.month + interval '1 month') AT TIME ZONE 'UTC') i WHERE s.spent_day <> i.day OR s.spent_month <> i.month""",
    ),
    "I5": (
        "A hold ends exactly once: an inference that is logged has no hold any more.",
        "SELECT format('inference %s is logged and still held', h.id) FROM gateway_hold h JOIN usage_inference i ON i.id = h.id",
    ),
    "I6": (
        "What the inference log charged (dropped months included) is the usage revenue of the ledger, per account; cost − charged is what was written off; and the sums of the log are its own.",
        """SELECT format('account %s: log charged %s, revenue %s', coalesce(i.account_id, r.account_id), coalesce(i.charged, 0), coalesce(r.amount, 0))
           FROM (SELECT account_id, sum(charged) AS charged FROM (
                   SELECT account_id, charged FROM usage_inference UNION ALL SELECT account_id, charged FROM usage_foldedmonth) x GROUP BY account_id) i
           FULL JOIN (SELECT account_id, sum(amount) AS amount FROM billing_posting WHERE book = 2 GROUP BY account_id) r ON r.account_id = i.account_id
           WHERE coalesce(i.charged, 0) <> coalesce(r.amount, 0)
           UNION ALL SELECT format('inference %s: cost − charged is %s, written off %s', coalesce(i.id, w.inference_id), i.cost - i.charged, coalesce(w.amount, 0))
             FROM usage_inference i FULL JOIN billing_writeoff w ON w.inference_id = i.id WHERE coalesce(i.cost - i.charged, -1) <> coalesce(w.amount, 0)
               AND (i.id IS NOT NULL OR NOT EXISTS (SELECT FROM usage_foldedmonth m WHERE m.account_id = w.account_id
                 AND w.inference_id >= usage_uuid7_floor(m.month::timestamp AT TIME ZONE 'UTC')
                 AND w.inference_id < usage_uuid7_floor((m.month + interval '1 month') AT TIME ZONE 'UTC')))
           UNION ALL SELECT format('account %s, %s: cost − charged is %s, written off %s', m.account_id, m.month, m.cost - m.charged, w.amount) FROM usage_foldedmonth m
             CROSS JOIN LATERAL (SELECT coalesce(sum(x.amount), 0) AS amount FROM billing_writeoff x WHERE x.account_id = m.account_id
               AND x.inference_id >= usage_uuid7_floor(m.month::timestamp AT TIME ZONE 'UTC')
               AND x.inference_id < usage_uuid7_floor((m.month + interval '1 month') AT TIME ZONE 'UTC')
               AND NOT EXISTS (SELECT FROM usage_inference i WHERE i.id = x.inference_id)) w
             WHERE m.cost - m.charged <> w.amount
           UNION ALL SELECT format('inference %s: charged %s, its pools paid %s', i.id, i.charged, a.amount) FROM usage_inference i
             CROSS JOIN LATERAL (SELECT coalesce(sum(x), 0) AS amount FROM unnest(i.paid_amounts) x) a WHERE i.charged <> a.amount
           UNION ALL SELECT format('transaction %s: posted %s, its inferences were charged %s', t.id, p.amount, coalesce(i.amount, 0)) FROM billing_ledgertransaction t
             JOIN (SELECT transaction_id, sum(amount) AS amount FROM billing_posting WHERE book = 2 GROUP BY transaction_id) p ON p.transaction_id = t.id
             LEFT JOIN (SELECT transaction_id, sum(charged) AS amount FROM usage_inference GROUP BY transaction_id) i ON i.transaction_id = t.id
             WHERE t.kind = 1 AND p.amount <> coalesce(i.amount, 0)  -- one whose inferences may be dropped is part of the sums above
               AND NOT EXISTS (SELECT FROM usage_foldedmonth m WHERE m.account_id = t.account_id AND t.created_at <= m.latest)
           UNION ALL SELECT format('account %s: cells of %s minutes have %s requests, %s tokens and %s nano-USD, the log %s, %s and %s', coalesce(r.account_id, l.account_id),
               coalesce(r.grain, l.grain), r.requests, r.tokens, r.charged, l.requests, l.tokens, l.charged)
             FROM (SELECT account_id, grain, sum(requests) AS requests, sum(prompt_tokens + cached_tokens + completion_tokens + reasoning_tokens) AS tokens,
                     sum(cost) AS cost, sum(charged) AS charged FROM usage_rollup GROUP BY account_id, grain) r
             FULL JOIN (SELECT x.account_id, g.grain, sum(x.requests) AS requests, sum(x.tokens) AS tokens, sum(x.cost) AS cost, sum(x.charged) AS charged FROM (
                 SELECT account_id, 1 AS requests, prompt_tokens + cached_tokens + completion_tokens + reasoning_tokens::bigint AS tokens, cost, charged
                 FROM usage_inference WHERE settled_at < (SELECT settled_until FROM usage_rollupmark)
                 UNION ALL SELECT account_id, requests, prompt_tokens + cached_tokens + completion_tokens + reasoning_tokens, cost, charged FROM usage_foldedmonth) x
               CROSS JOIN (VALUES (15::smallint), (60), (1440), (-60), (-1440)) g (grain) GROUP BY x.account_id, g.grain) l ON l.account_id = r.account_id AND l.grain = r.grain
             WHERE (r.requests, r.tokens, r.cost, r.charged) IS DISTINCT FROM (l.requests, l.tokens, l.cost, l.charged)""",
    ),
    "I7": (
        "One credit per payment: what payments brought, what went back and what is owed for it is what the ledger says.",
        """SELECT format('payment %s: brought %s, the ledger says %s', coalesce(p.id::text, t.reference), coalesce(p.amount, 0), coalesce(t.amount, 0))
           FROM (SELECT id, account_id, intent_id, pool_id, amount FROM billing_payment WHERE pool_id IS NOT NULL) p
           FULL JOIN (SELECT t.reference, t.account_id, max(x.pool_id) AS pool_id, sum(x.amount) FILTER (WHERE x.book = 1) AS amount
                      FROM billing_ledgertransaction t JOIN billing_posting x ON x.transaction_id = t.id
                      WHERE t.kind = 3 AND t.reference LIKE 'pi\\_%' GROUP BY t.id) t
             ON (t.reference, t.account_id, t.pool_id, t.amount) = (p.intent_id, p.account_id, p.pool_id, p.amount)
           WHERE p.id IS NULL OR t.reference IS NULL
           UNION ALL SELECT format('%s went back with %s, the ledger says %s', coalesce(r.stripe_id, t.of), coalesce(r.booked, 0), coalesce(t.amount, 0))
             FROM (SELECT stripe_id, booked FROM billing_reversal WHERE stripe_id IS NOT NULL) r
             FULL JOIN (SELECT split_part(t.reference, ':', 1) AS of, coalesce(sum(x.amount), 0) AS amount FROM billing_ledgertransaction t
                        JOIN billing_posting x ON x.transaction_id = t.id AND x.book = 4 WHERE t.kind IN (6, 7) GROUP BY 1) t ON t.of = r.stripe_id
             WHERE coalesce(r.booked, 0) <> coalesce(t.amount, 0)
           UNION ALL SELECT format('account %s owes %s, the ledger says %s', coalesce(d.account_id, r.account_id), coalesce(d.amount, 0), coalesce(r.amount, 0))
             FROM billing_debt d FULL JOIN (SELECT account_id, -sum(amount) AS amount FROM billing_posting WHERE book = 7 GROUP BY account_id) r ON r.account_id = d.account_id
             WHERE coalesce(d.amount, 0) <> coalesce(r.amount, 0)
           UNION ALL SELECT format('%s receipts are numbered up to %s', count(*), max(number)) FROM billing_receipt HAVING count(*) <> coalesce(max(number), 0)
           UNION ALL SELECT format('receipt %s is for a payment that was not credited', r.number) FROM billing_receipt r
             JOIN billing_payment p ON p.id = r.payment_id WHERE p.pool_id IS NULL""",
    ),
}

TOTALS = {
    "accounts": "SELECT count(*) FROM accounts_account",
    "open_holds": "SELECT count(*) FROM gateway_hold",
    "held": "SELECT coalesce(sum(held), 0) FROM billing_creditpool",
    "remaining": "SELECT coalesce(sum(remaining), 0) FROM billing_creditpool",
    "revenue": "SELECT coalesce(sum(amount), 0) FROM billing_posting WHERE book = 2",
    "cash": "SELECT coalesce(-sum(amount), 0) FROM billing_posting WHERE book = 4",
    "owed": "SELECT coalesce(sum(amount), 0) FROM billing_debt",
    "written_off": "SELECT coalesce(sum(amount), 0) FROM billing_writeoff",
    "inferences": "SELECT (SELECT count(*) FROM usage_inference) + (SELECT coalesce(sum(requests), 0) FROM usage_foldedmonth)",
    "transactions": "SELECT count(*) FROM billing_ledgertransaction",
}


@dataclass(frozen=True)
class Violation:
    invariant: str
    detail: str


@dataclass(frozen=True)
class LedgerReport:
    """`totals` counts rows, and sums money in nano-USD."""

    violations: list[Violation]
    totals: dict[str, int]

    @property
    def ok(self) -> bool:
        return not self.violations


def check(using: str = "default", most: int = 100) -> LedgerReport:
    """Verifies I1–I7 in one consistent snapshot; lists at most `most` violations of each. Never waits for a lock."""
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        found = []
        for invariant, (_, query) in INVARIANTS.items():
            cursor.execute(f"{query} LIMIT {most:d}")
            found += [Violation(invariant, detail) for (detail,) in cursor.fetchall()]
        totals = {}
        for name, query in TOTALS.items():
            cursor.execute(query)
            totals[name] = int(cursor.fetchone()[0])
    return LedgerReport(found, totals)


def violations() -> list[Violation]:
    return check().violations
