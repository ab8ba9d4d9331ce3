"""Promise: the site knows whose each session is and from where it is used, and one that is ended is ended everywhere at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.test import AsyncClient, Client
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import Membership, Session, User
from apps.accounts.queries import account_of
from apps.accounts.session_store import SEEN_EVERY, SessionStore
from tests.people import new_customer, new_email

pytestmark = pytest.mark.urls("tests.accounts.pages")


def logged_in(user: User, **options: str) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def test_a_session_is_its_users_only_once_somebody_logged_in() -> None:
    client = Client(REMOTE_ADDR="203.0.113.9", HTTP_USER_AGENT="Mozilla/5.0 (X11)")
    client.get("/remember?note=x")
    row = Session.objects.get(pk=client.session.session_key)
    assert (row.user, row.address, row.user_agent) == (None, "203.0.113.9", "Mozilla/5.0 (X11)")
    user = new_customer().user
    client.force_login(user)
    assert Session.objects.get(pk=client.session.session_key).user == user


def test_where_it_is_used_from_is_noted_from_time_to_time() -> None:
    user = new_customer().user
    client = logged_in(user)
    row = Session.objects.get(user=user)
    client.get("/whoami", REMOTE_ADDR="203.0.113.7", HTTP_USER_AGENT="Elsewhere")
    assert Session.objects.get(user=user).address == row.address  # a write at every page would be a waste
    long_ago = timezone.now() - SEEN_EVERY - timedelta(seconds=1)
    Session.objects.filter(user=user).update(last_seen_at=long_ago)
    client.get("/whoami", REMOTE_ADDR="203.0.113.7", HTTP_USER_AGENT="E\x00" * 400)
    row = Session.objects.get(user=user)
    assert (row.address, row.user_agent) == ("203.0.113.7", "E" * 300)
    assert row.last_seen_at > long_ago + SEEN_EVERY


def test_the_address_is_the_one_that_our_proxy_saw(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1
    for forwarded, address in (("198.51.100.1, 203.0.113.5", "203.0.113.5"), ("nonsense", None)):
        client = Client(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)
        client.get("/remember?note=x")
        assert Session.objects.get(pk=client.session.session_key).address == address


def test_an_ended_session_is_ended_at_once_and_what_was_in_flight_does_not_revive_it() -> None:
    user = new_customer().user
    client, store = logged_in(user), None
    store = SessionStore(client.session.session_key)
    store["written"] = "before it was ended"
    Session.objects.filter(user=user).delete()
    assert client.get("/whoami").json()["email"] is None
    with pytest.raises(UpdateError):
        store.save()
    assert not Session.objects.filter(user=user).exists()


def test_a_deleted_or_inactive_user_is_logged_out() -> None:
    user = new_customer().user
    client = logged_in(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get("/whoami").json()["email"] is None
    User.objects.filter(pk=user.pk).update(is_active=True)
    assert client.get("/whoami").json()["email"] == user.email
    store = SessionStore(client.session.session_key)
    store["in flight"] = True
    Membership.objects.filter(user=user).delete()
    user.delete()
    assert client.get("/whoami").json()["email"] is None
    with pytest.raises(UpdateError):
        store.save()


def test_changing_the_password_logs_every_browser_out() -> None:
    user = new_customer().user
    clients = [logged_in(user), logged_in(user)]
    user.set_password("another password")
    user.save()
    assert [client.get("/whoami").json()["email"] for client in clients] == [None, None]


async def test_asynchronous_pages_see_the_same_user() -> None:
    from asgiref.sync import sync_to_async

    user = (await sync_to_async(new_customer)()).user
    client = AsyncClient()
    assert (await client.get("/whoami/async")).json() == {"email": None}
    await client.aforce_login(user)
    assert (await client.get("/whoami/async")).json() == {"email": user.email}


def test_every_request_acts_for_the_users_own_account() -> None:
    customer, other = new_customer(), new_customer()
    seen = logged_in(customer.user).get("/whoami").json()
    assert seen["account"] == seen["template account"] == customer.account.pk
    assert logged_in(other.user).get("/whoami").json()["account"] == other.account.pk
    assert Client().get("/whoami").json() == {"email": None, "account": None, "template account": None, "time zone": "UTC"}
    assert Client().get("/members").status_code == 302


def test_a_user_without_an_account_gets_one() -> None:
    user = User.objects.create_user(new_email())
    assert account_of(user) is None
    account = logged_in(user).get("/whoami").json()["account"]
    made = account_of(user)
    assert made is not None
    assert made.pk == account


def test_pages_show_dates_in_the_accounts_time_zone() -> None:
    customer = new_customer()
    client = logged_in(customer.user)
    for chosen, shown in (("Europe/Berlin", "Europe/Berlin"), ("Nowhere/Land", "UTC"), ("../../etc/passwd", "UTC")):
        customer.account.time_zone = chosen
        customer.account.save()
        assert client.get("/whoami").json()["time zone"] == shown
    assert Client().get("/whoami").json()["time zone"] == "UTC"  # the next visitor of the same thread
