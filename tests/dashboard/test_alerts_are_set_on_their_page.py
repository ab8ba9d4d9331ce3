"""Promise: Settings → Alerts sets the budget, says how far it is spent, shows a secret once, and tells how webhooks went."""

from __future__ import annotations

import html
import re
from datetime import timedelta

from django.test import Client

from apps.accounts.actions import Registered
from apps.budgets.models import Budget, Delivery
from tests.dashboard.browsing import HTMX, logged_in
from tests.dashboard.history import request_at
from tests.people import new_customer

pytest_plugins = ["tests.dashboard.history"]
PAGE = "/settings/alerts"
FORM = {"amount": "$1,000", "thresholds": "80%, 50 100", "by_mail": "on", "webhook_url": "http://127.0.0.1:9/hook"}
SECRET = re.compile(r"whsec_[\w-]{43}")


def new() -> tuple[Registered, Client]:
    customer = new_customer()
    return customer, logged_in(customer.user)


def test_a_budget_is_set_changed_and_removed() -> None:
    customer, client = new()
    assert "Not set" in client.get(PAGE).text
    set_ = client.post(PAGE, FORM).text
    [secret] = set(SECRET.findall(set_))
    assert "The budget is set." in set_
    budget = Budget.objects.get(pk=customer.account.pk)
    assert (budget.amount, budget.thresholds, budget.by_mail, budget.secret) == (1000 * 10**9, [50, 80, 100], True, secret)
    request_at(customer.account, timedelta(), charged=250 * 10**9, cost=250 * 10**9, total_ms=0)
    page = html.unescape(client.get(PAGE).text)
    assert "25%" in page
    assert not SECRET.search(page)
    again = client.post(PAGE, FORM | {"by_mail": ""})
    assert (again.status_code, again.headers["Location"]) == (302, PAGE)
    assert not Budget.objects.get(pk=customer.account.pk).by_mail
    assert client.post(f"{PAGE}/remove").status_code == 302
    assert not Budget.objects.filter(pk=customer.account.pk).exists()


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays() -> None:
    _, client = new()
    for name, value, words in (
        ("amount", "ten", "Write an amount in US dollars"),
        ("thresholds", "half", "Write whole numbers of percent"),
        ("thresholds", "0", "from 1 to 1000"),
        ("webhook_url", "ftp://example.com/x", "must start with https:// or http://"),
    ):
        answer = client.post(PAGE, FORM | {name: value})
        assert answer.status_code == 422
        assert words in html.unescape(answer.text)
        assert f'value="{value}"' in answer.text


def test_the_webhook_is_tried_and_its_secret_rotated() -> None:
    customer, client = new()
    first = SECRET.findall(client.post(PAGE, FORM).text)[0]
    tested = client.post(f"{PAGE}/webhook/test", headers=HTMX).text
    assert "On its way" in tested
    assert "every 2s" in tested
    Delivery.objects.filter(account=customer.account).update(ended_at="2026-11-01T00:00Z", outcome="HTTP 500 after 3 ms", attempts=1)
    log = client.get(f"{PAGE}/webhook/deliveries", headers=HTMX).text
    assert "HTTP 500 after 3 ms" in log
    assert "every 2s" not in log
    second = SECRET.findall(client.post(f"{PAGE}/webhook/rotate").text)[0]
    assert second != first
    assert Budget.objects.get(pk=customer.account.pk).secret == second


def test_others_neither_see_nor_change_it() -> None:
    customer, client = new()
    client.post(PAGE, FORM | {"webhook_url": "http://127.0.0.1:9/of-alice"})
    client.post(f"{PAGE}/webhook/test")
    _, other = new()
    page = other.get(PAGE).text
    assert "of-alice" not in page
    assert "Not set" in page
    assert "Test" not in other.get(f"{PAGE}/webhook/deliveries").text
    for path in ("rotate", "test"):
        assert other.post(f"{PAGE}/webhook/{path}").status_code == 404
    other.post(f"{PAGE}/remove")
    assert Budget.objects.filter(pk=customer.account.pk).exists()
    for path in ("", "/webhook/deliveries"):
        assert Client().get(f"{PAGE}{path}").status_code == 302
