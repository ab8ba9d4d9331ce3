"""`/settings/billing`: balance, top-ups, auto top-up, cards, transactions. What happens is in apps.billing; this shows it."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import acting_account
from apps.accounts.models import Account, AccountStatus
from apps.billing import auto_topup, credits, debts, queries, receipts, stripe_client
from apps.billing.auto_topup import State
from apps.billing.credits import Balance, PoolBalance
from apps.billing.models import PaymentMethod, PoolKind
from apps.dashboard.billing_forms import AutoTopUpForm, TopUpForm
from apps.dashboard.transactions import transaction_list

BAR = 1000  # the width of the bar of pools, in units of its drawing
MOST_POOLS = 6
RECEIPTS = 6
TITLES = {PoolKind.TRIAL: "Trial credit", PoolKind.PROMOTION: "Promotional credit", PoolKind.PURCHASED: "Top-up"}
COLOURS = {PoolKind.TRIAL: "fill-4", PoolKind.PROMOTION: "fill-3", PoolKind.PURCHASED: "fill-2"}


@dataclass(frozen=True, slots=True)
class Slice:
    """A pool's part of the bar and its line below: `x` and `width` of BAR, `remaining` in nano-USD. `more` pools are summed up in it."""

    title: str
    colour: str
    x: float
    width: float
    remaining: int
    pool: PoolBalance | None
    more: int = 0


@login_required
@require_safe
def billing(request: HttpRequest) -> HttpResponse:
    """`?top-up` opens the dialog, `?kind=`, `?first_day=` and `?last_day=` filter the transactions, `?after=` is their next page."""
    account = acting_account(request)
    listed = transaction_list(request, account.pk)
    if "HX-Request" in request.headers:
        return render(
            request, "billing/_transaction_rows.html" if "after" in request.GET else "billing/_transactions.html", {"list": listed}
        )
    return render(request, "billing/page.html", page(request, account) | {"list": listed, "open_top_up": "top-up" in request.GET})


def page(request: HttpRequest, account: Account) -> dict[str, object]:
    """What the page shows besides its transactions."""
    balance, burn, state = credits.balance(account.pk), queries.burn_rate(account.pk), auto_topup.state_of(account.pk)
    cards, offered = queries.cards_of(account.pk), stripe_client.configured()
    return {
        "offered": offered,
        "test_mode": offered and not settings.STRIPE_LIVE,
        "balance": balance,
        "slices": slices_of(balance),
        "bar": BAR,
        "burn": burn,
        "days_left": burn.whole_days_left,
        "debt": debts.debt_of(account.pk),
        "suspended": account.status == AccountStatus.SUSPENDED,
        "cards": cards,
        "details": receipts.details_of(account),
        "receipts": receipts.receipts_of(account)[:RECEIPTS],
        "top_up": TopUpForm(account=account, cards=cards) if offered else None,
        **auto_top_up_card(state, cards),
    }


def auto_top_up_card(state: State, cards: list[PaymentMethod]) -> dict[str, object]:
    return {"auto": state, "auto_form": AutoTopUpForm(state=state), "cards": cards}


def slices_of(balance: Balance) -> list[Slice]:
    """The pools in burn order; what is beyond MOST_POOLS is one slice."""
    shown, rest = list(balance.pools[:MOST_POOLS]), balance.pools[MOST_POOLS:]
    parts: list[tuple[str, str, int, PoolBalance | None, int]] = [
        (TITLES[pool.kind], COLOURS[pool.kind], pool.remaining, pool, 0) for pool in shown
    ]
    if rest:
        parts.append((f"{len(rest)} more", "fill-quiet", sum(pool.remaining for pool in rest), None, len(rest)))
    slices, before = [], 0
    for title, colour, remaining, pool, more in parts:
        x, width = (BAR * before / balance.remaining, BAR * remaining / balance.remaining) if balance.remaining else (0, 0)
        slices.append(Slice(title, colour, round(x, 2), round(width, 2), remaining, pool, more))
        before += remaining
    return slices
