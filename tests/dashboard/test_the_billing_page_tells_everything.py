"""Promise: the Billing page shows the balance pool by pool, what happened to it line by line, and what is wrong; of one's own account alone."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from asgiref.sync import async_to_sync
from django.test import Client, override_settings
from django.utils import timezone

from apps.accounts.actions import Registered
from apps.accounts.models import Account, AccountStatus
from apps.api.credits import KindName
from apps.billing.amounts import dollars
from apps.billing.credits import Balance, PoolBalance, grant_credit, set_balance
from apps.billing.models import AutoTopup, Debt, PauseReason, PoolKind, TransactionKind
from apps.billing.queries import Line, Page
from apps.core.money import NANO_PER_USD
from apps.dashboard import transactions
from apps.dashboard.billing import BAR, MOST_POOLS, slices_of
from apps.dashboard.transactions import inert, summed_up
from tests.dashboard.browsing import HTMX, logged_in
from tests.dashboard.money import paid, saved_card
from tests.people import new_customer

pytestmark = pytest.mark.money
PAGE = "/settings/billing"
WITH_STRIPE = override_settings(STRIPE_SECRET_KEY="sk_test_x", STRIPE_WEBHOOK_SECRET="whsec_x", STRIPE_API_BASE="http://127.0.0.1:9")


@pytest.fixture
def alice() -> Registered:
    return new_customer()


@pytest.fixture
def client(alice: Registered) -> Client:
    return logged_in(alice.user)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_pools_stand_in_the_order_in_which_they_are_used(alice: Registered, client: Client) -> None:
    grant_credit(alice.account.pk, 30 * NANO_PER_USD, PoolKind.PURCHASED, f"a:{alice.account.pk}")
    grant_credit(alice.account.pk, 5 * NANO_PER_USD, PoolKind.TRIAL, f"b:{alice.account.pk}", expires_at=timezone.now() + timedelta(days=9))
    grant_credit(alice.account.pk, 15 * NANO_PER_USD, PoolKind.PROMOTION, f"c:{alice.account.pk}")
    text = words(client.get(PAGE).text)
    assert re.search(
        r"Balance \$50\.00 .*1 Trial credit of \$5\.00 , expires .* 2 Promotional credit .* no expiry .* 3 Top-up of \$30\.00", text
    )


def test_the_bar_is_as_long_as_the_balance() -> None:
    pools = tuple(PoolBalance(number, PoolKind.PURCHASED, None, 10, number, 0) for number in range(1, MOST_POOLS + 4))
    slices = slices_of(Balance(pools))
    assert (len(slices), slices[-1].more) == (MOST_POOLS + 1, 3)
    assert sum(part.width for part in slices) == pytest.approx(BAR, abs=0.1)
    assert sum(part.remaining for part in slices) == Balance(pools).remaining


def test_transactions_have_a_running_balance_over_pages(alice: Registered, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "PAGE", 2)
    for number in range(1, 6):
        grant_credit(alice.account.pk, number * NANO_PER_USD, PoolKind.PROMOTION, f"{alice.account.pk}:{number}")
    shown: list[str] = []
    address = PAGE
    while address:
        page = client.get(address, headers=HTMX).text
        shown += re.findall(r"\+\$(\d+)\.00.*?<data[^>]*>\$(\d+)\.00", page)
        found = re.search(r'hx-get="(\?after=[^"]+)"', page)
        address = f"{PAGE}{found[1]}" if found else ""
    assert shown == [("5", "15"), ("4", "10"), ("3", "6"), ("2", "3"), ("1", "1")]


def line(number: int, kind: TransactionKind, amount: int, day: int = 20) -> Line:
    return Line(number, kind, amount, 1000 + number, datetime(2026, 11, day, 12, 0, number, tzinfo=UTC), "", None)


def test_charges_of_a_day_that_follow_each_other_are_one_row() -> None:
    usage, purchase = TransactionKind.USAGE, TransactionKind.PURCHASE
    lines = [line(9, usage, -1), line(8, usage, -2), line(7, purchase, 50), line(6, usage, -3), line(5, usage, -4, day=19)]
    rows = summed_up(lines)
    assert [(row.amount, row.charges, row.line.balance) for row in rows] == [(-3, 2, 1009), (50, 1, 1007), (-3, 1, 1006), (-4, 1, 1005)]
    assert sum(row.amount for row in rows) == sum(each.amount for each in lines)


def test_pages_of_rows_lose_no_line_and_repeat_none(monkeypatch: pytest.MonkeyPatch) -> None:
    usage, grant = TransactionKind.USAGE, TransactionKind.GRANT
    ledger = [line(number, grant if number % 5 == 0 else usage, -number) for number in range(40, 0, -1)]

    def lines_of(_: int, *, kinds: Any, cursor: str | None, limit: int) -> Page:
        start = int(cursor or 0)
        return Page(ledger[start : start + limit], str(start + limit) if start + limit < len(ledger) else None)

    monkeypatch.setattr(transactions, "transactions_page", lines_of)
    monkeypatch.setattr(transactions, "PAGE", 3)
    monkeypatch.setattr(transactions, "MOST_LINES", 12)
    rows, cursor = transactions._page(1, {"kinds": ()}, None)
    sizes = [len(rows)]
    while cursor:
        more, cursor = transactions._page(1, {"kinds": ()}, cursor)
        rows, sizes = rows + more, [*sizes, len(more)]
    assert (sum(row.charges for row in rows), sum(row.amount for row in rows)) == (40, sum(each.amount for each in ledger))
    assert max(sizes) == 3
    assert [row.charges for row in rows[:4]] == [1, 4, 1, 4]
    each, _ = transactions._page(1, {"kinds": (usage,)}, None)
    assert [row.charges for row in each] == [1, 1, 1]


def test_filters_leave_what_was_asked_for(alice: Registered, client: Client) -> None:
    grant_credit(alice.account.pk, 3 * NANO_PER_USD, PoolKind.PROMOTION, f"f:{alice.account.pk}")
    paid(alice.account, 10)
    set_balance(alice.account.pk, 2 * NANO_PER_USD)
    today, tomorrow = f"{timezone.now():%Y-%m-%d}", f"{timezone.now() + timedelta(days=1):%Y-%m-%d}"

    def kinds(query: str) -> list[str]:
        return re.findall(r'<th scope="row">([^<]+)</th>', client.get(f"{PAGE}?{query}", headers=HTMX).text)

    assert kinds("") == ["Correction", "Top-up", "Credit granted"]
    assert kinds("kind=purchase") == ["Top-up"]
    assert kinds(f"first_day={today}&last_day={today}") == ["Correction", "Top-up", "Credit granted"]
    assert kinds(f"first_day={tomorrow}") == []
    assert kinds("kind=nonsense&first_day=31.12.2026") == ["Correction", "Top-up", "Credit granted"]
    assert client.get(f"{PAGE}?after=nonsense").status_code == 404


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])  # 14 hours before UTC, 11 behind it: never on one day
def test_a_day_is_one_of_the_accounts_own(alice: Registered, client: Client, zone: str) -> None:
    grant_credit(alice.account.pk, 3 * NANO_PER_USD, PoolKind.PROMOTION, f"z:{alice.account.pk}")
    Account.objects.filter(pk=alice.account.pk).update(time_zone=zone)
    today = timezone.now().astimezone(ZoneInfo(zone)).date()

    def listed(day: date) -> int:
        return len(csv_rows(client.get(f"{PAGE}/transactions.csv?first_day={day}&last_day={day}")))

    assert [listed(today + timedelta(days=days)) for days in (-1, 0, 1)] == [0, 1, 0]
    assert [listed(day) for day in (date.min, date.max)] == [0, 0]


@async_to_sync
async def whole(answer: Any) -> bytes:
    return b"".join([part async for part in answer])


def csv_rows(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(whole(answer).decode())))


def test_every_kind_of_transaction_has_a_name_here_and_over_rest() -> None:
    assert transactions.NAMES.keys() == set(TransactionKind)
    assert set(get_args(KindName)) == {kind.name.lower() for kind in TransactionKind}


@pytest.mark.parametrize(
    ("typed", "usd"),
    [("25", 25), ("$25.00", 25), (" $ 7.50", 7.5), ("1,000", 1000), ("1,234.56", 1234.56), ("7,50", None), ("10,00", None), ("1,00", None),
     ("1,0000", None), (",500", None), ("5.", None), ("1e3", None), ("٢٥", None), ("-5", None), ("", None)],
)  # fmt: skip
def test_an_amount_is_what_was_typed_or_nothing(typed: str, usd: float | None) -> None:
    wrong: dict[str, str] = {}
    amount = dollars(typed, 0, 10_000 * NANO_PER_USD, "amount", wrong)
    assert (amount if not wrong else None) == (None if usd is None else round(usd * NANO_PER_USD))


def test_the_csv_has_every_line(alice: Registered, client: Client) -> None:
    grant_credit(alice.account.pk, 3 * NANO_PER_USD, PoolKind.PROMOTION, f"g:{alice.account.pk}", note="=HYPERLINK(1)")
    receipt = paid(alice.account, 10)
    answer = client.get(f"{PAGE}/transactions.csv")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    rows = csv_rows(answer)
    assert [(row["kind"], row["amount"], row["balance"], row["receipt"]) for row in rows] == [
        ("purchase", "10", "13", str(receipt.number)),
        ("grant", "3", "3", ""),
    ]
    assert rows[1]["note"] == "'=HYPERLINK(1)"
    assert [row["kind"] for row in csv_rows(client.get(f"{PAGE}/transactions.csv?kind=grant"))] == ["grant"]


@pytest.mark.parametrize("query", ["kind=nothing", "first_day=yesterday", "last_day=2026-13-01", "kind=grant&first_day=x"])
def test_a_csv_leaves_no_filter_out_in_silence(alice: Registered, client: Client, query: str) -> None:
    answer = client.get(f"{PAGE}/transactions.csv?{query}")
    assert answer.status_code == 400
    assert query.rpartition("&")[2].partition("=")[0] in words(answer.text).partition("That filter makes no sense")[2]
    # The page, which shows that the filter is not applied, offers the file without it.
    sound = "?kind=grant" if "&" in query else ""
    assert f'href="{PAGE}/transactions.csv{sound}"' in client.get(f"{PAGE}?{query}").text


def test_what_a_spreadsheet_would_run_is_text() -> None:
    assert [inert(text) for text in ("=1", "+1", "-1", "@x", "a=1", "")] == ["'=1", "'+1", "'-1", "'@x", "a=1", ""]


@WITH_STRIPE
def test_a_pause_and_a_debt_are_said_at_the_top(alice: Registered, client: Client) -> None:
    saved_card(alice.account, is_default=True)
    AutoTopup.objects.create(
        account=alice.account, enabled=True, threshold=10**10, amount=10**10, monthly_cap=10**11, paused_at=timezone.now(), pause_reason=PauseReason.DECLINED
    )  # fmt: skip
    text = words(client.get(PAGE).text)
    assert "Auto top-up is paused. Your card was declined" in text
    assert client.post(f"{PAGE}/auto-top-up/resume").status_code == 302
    assert "Auto top-up is paused" not in client.get(PAGE).text
    Account.objects.filter(pk=alice.account.pk).update(status=AccountStatus.SUSPENDED)
    Debt.objects.create(account=alice.account, amount=7 * NANO_PER_USD, suspended=True)
    assert "Your account is suspended. $7.00 is owed" in words(client.get(PAGE).text)
    Account.objects.filter(pk=alice.account.pk).update(status=AccountStatus.ACTIVE)
    told = words(client.get(PAGE).text)
    assert "$7.00 is taken when they give it back" in told
    assert "suspended" not in told
    Debt.objects.filter(account=alice.account).delete()


def test_the_palette_and_the_pill_lead_to_the_dialog(client: Client) -> None:
    for path in (PAGE, "/palette"):
        assert 'href="/settings/billing?top-up"' not in client.get(path).text
        with WITH_STRIPE:
            assert 'href="/settings/billing?top-up"' in client.get(path).text
    with WITH_STRIPE:
        assert 'id="top-up" aria-labelledby="top-up-title" open data-open' in client.get(f"{PAGE}?top-up").text


def test_without_payments_none_are_offered(client: Client) -> None:
    page = client.get(PAGE).text
    assert "takes no payments" in page
    assert "?top-up" not in page
    for path, body in (("cards", {}), ("top-up", {"amount": "10"})):
        answer = client.post(f"{PAGE}/{path}", body)
        assert answer.status_code in (302, 422)


@WITH_STRIPE
def test_a_form_that_is_wrong_keeps_what_was_typed(alice: Registered, client: Client) -> None:
    saved_card(alice.account, is_default=True)
    answer = client.post(f"{PAGE}/auto-top-up", {"enabled": "on", "threshold": "ten", "amount": "25", "monthly_cap": "1"}, headers=HTMX)
    assert answer.status_code == 422
    assert 'value="ten"' in answer.text
    answer = client.post(f"{PAGE}/top-up", {"amount": "other", "other": "0.123", "way": "stripe"}, headers=HTMX)
    assert answer.status_code == 422
    assert 'value="0.123"' in answer.text


def test_cards_payments_and_receipts_of_others_are_not_found(alice: Registered, client: Client) -> None:
    bob = new_customer()
    card, receipt = saved_card(bob.account, is_default=True), paid(bob.account, 10)
    with WITH_STRIPE:
        for path in (f"cards/{card.pk}/default", f"cards/{card.pk}/remove"):
            assert client.post(f"{PAGE}/{path}").status_code == 404
        assert client.post(f"{PAGE}/cards", {"replaces": str(card.pk)}).status_code == 404
        assert client.get(f"{PAGE}/top-up/{receipt.payment_id}").status_code == 404
    for end in ("", ".pdf"):
        assert client.get(f"{PAGE}/receipts/{receipt.number}{end}").status_code == 404
        assert logged_in(bob.user).get(f"{PAGE}/receipts/{receipt.number}{end}").status_code == 200
    card.refresh_from_db()
    assert card.removed_at is None
    assert str(card) not in client.get(PAGE).text


def test_nobody_sees_anything_without_logging_in() -> None:
    for path in ("", "/transactions.csv", "/details", "/receipts/1"):
        assert Client().get(f"{PAGE}{path}").status_code == 302
