"""Promise (acceptance 29): log-in, sign-up and reset are limited by address and by account, and go on working, limited, while Valkey
is away."""

from __future__ import annotations

import pytest
from django.core import mail
from pytest_django import Settings

from apps.core.cache import FailoverCache, Outage
from tests.accounts.visitors import is_logged_in, log_in, new_address, new_member, sign_up, visitor
from tests.people import new_email
from tests.servers import OwnServer


def test_five_wrong_passwords_shut_an_account_for_a_while_from_everywhere() -> None:
    member = new_member()
    answers = [log_in(visitor(), member.user.email, "not the password").content.decode() for _ in range(6)]
    assert ["Too many" in answer for answer in answers] == [False] * 5 + [True]
    client = visitor()
    assert "Too many" in log_in(client, member.user.email).content.decode()  # the right one has to wait too
    assert not is_logged_in(client)
    other = visitor()
    log_in(other, new_member().user.email)
    assert is_logged_in(other)  # and nobody else


def test_one_address_may_be_wrong_ten_times_a_minute_whoever_it_asks_for() -> None:
    address = new_address()
    answers = [log_in(visitor(address), new_email(), "not the password").content.decode() for _ in range(11)]
    assert ["Too many" in answer for answer in answers] == [False] * 10 + [True]


def test_right_passwords_do_not_use_up_the_wrong_ones() -> None:
    member, address = new_member(), new_address()
    for _ in range(6):
        client = visitor(address)
        log_in(client, member.user.email)
        assert is_logged_in(client)


def test_one_address_may_sign_up_twenty_times_a_minute() -> None:
    address = new_address()
    statuses = [sign_up(visitor(address), new_email(), "short").status_code for _ in range(21)]
    assert statuses[:20] == [200] * 20
    assert statuses[20] == 429


def test_nobody_is_buried_in_mail() -> None:
    email = new_email()
    mail.outbox = []
    statuses = [visitor().post("/accounts/password/reset/", {"email": email}).status_code for _ in range(4)]
    assert statuses == [302, 302, 429, 429]
    statuses = [sign_up(visitor(), email).status_code for _ in range(3)]
    assert statuses == [302, 429, 429]
    assert len(mail.outbox) == 3


def test_headers_of_clients_are_no_way_round() -> None:
    address = new_address()
    for number in range(11):
        answer = log_in(
            visitor(address, HTTP_X_FORWARDED_FOR=new_address(), HTTP_FORWARDED=f"for={number}"), new_email(), "not the password"
        )
    assert "Too many" in answer.content.decode()


@pytest.fixture(autouse=True)
def no_outage_before_or_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.core.cache.outage", Outage())


def test_without_valkey_log_in_works_and_stays_limited(settings: Settings, own_valkey: OwnServer) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": own_valkey.url}}
    member, victim = new_member(), new_member()
    log_in(visitor(), victim.user.email, "not the password")
    own_valkey.kill()
    client = visitor()
    log_in(client, member.user.email)
    assert is_logged_in(client)
    answers = [log_in(visitor(), victim.user.email, "not the password").content.decode() for _ in range(6)]
    assert ["Too many" in answer for answer in answers] == [False] * 5 + [True]
    assert sign_up(visitor(), new_email()).status_code == 302
    assert visitor().post("/accounts/password/reset/", {"email": new_email()}).status_code == 302
    assert is_logged_in(client)


def test_a_cache_without_its_server_is_a_cache_all_the_same(own_valkey: OwnServer, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = FailoverCache(own_valkey.url, {"OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1}})
    kept.set("a", {"b": 1}, 60)
    assert (kept.get("a"), kept.add("a", 2), kept.add("c", 3), kept.incr("c")) == ({"b": 1}, False, True, 4)
    own_valkey.kill()
    assert kept.get("a", "gone") == "gone"
    assert (kept.add("c", 3), kept.add("c", 3), kept.incr("c"), kept.touch("c"), kept.delete("c"), kept.has_key("c")) == (
        *(True, False, 4, True, True, False),
    )
    calls: list[str] = []
    monkeypatch.setattr(kept._valkey, "get", lambda *arguments: calls.append("asked"))
    kept.get("a")
    assert calls == []  # it is not asked again at every turn
    monkeypatch.setattr("apps.core.cache.RETRY_S", 0.0)
    monkeypatch.setattr("apps.core.cache.outage", Outage())
    kept.get("a")
    assert calls == ["asked"]
    with pytest.raises(NotImplementedError):
        kept.clear()
