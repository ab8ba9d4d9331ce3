"""Promise: whoever misses a model can say so, logged in or not; staff see it; a script that floods the form is stopped."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client

from apps.accounts.actions import Registered
from apps.dashboard.closing import delete_user
from apps.dashboard.models import ModelRequest
from tests.people import new_customer, new_email
from tests.staff import staff_client

PAGE = "/request-a-model"


def address() -> str:
    """Of the network, used by nobody else in these tests."""
    return f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"


def asked(name: str) -> ModelRequest:
    return ModelRequest.objects.get(name=name)


@pytest.fixture
def name() -> str:
    return f"org/{uuid4().hex}"


def test_a_visitor_asks_with_a_mail_address(name: str) -> None:
    email = new_email()
    response = Client(REMOTE_ADDR=address()).post(PAGE, {"name": name, "purpose": "many tokens", "email": email})
    assert response.status_code == 302
    assert (asked(name).email, asked(name).account) == (email, None)


def test_who_is_logged_in_is_known(name: str) -> None:
    customer: Registered = new_customer()
    client = Client(REMOTE_ADDR=address())
    client.force_login(customer.user)
    assert 'name="email"' not in client.get(PAGE).text
    client.post(PAGE, {"name": name, "email": "somebody@else.example"})
    assert (asked(name).email, asked(name).account) == (customer.user.email, customer.account)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"name": "", "email": "a@example.com"}, "This field is required"),
        ({"name": "x", "email": "no address"}, "valid email"),
        ({"name": "x" * 201, "email": "a@example.com"}, "at most 200"),
        ({"name": "x", "email": "a@example.com", "purpose": "y" * 2001}, "at most 2000"),
        ({"name": "x\x00", "email": "a@example.com"}, "Null characters"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(sent: dict[str, str], said: str) -> None:
    before = ModelRequest.objects.count()
    response = Client(REMOTE_ADDR=address()).post(PAGE, sent)
    assert response.status_code == 422
    assert said in response.text
    assert ModelRequest.objects.count() == before


def test_a_flood_is_stopped_and_what_was_typed_stays(name: str) -> None:
    client = Client(REMOTE_ADDR=address())
    answers = [client.post(PAGE, {"name": name, "email": new_email(), "purpose": "again"}) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [302] * 5 + [429] * 2
    assert "Try again in an hour" in answers[-1].text
    assert name in answers[-1].text
    assert ModelRequest.objects.filter(name=name).count() == 5


def test_without_its_token_the_form_is_refused(name: str) -> None:
    assert Client(enforce_csrf_checks=True).post(PAGE, {"name": name, "email": new_email()}).status_code == 403


def test_the_form_is_kept_by_no_cache() -> None:
    assert "no-store" in Client().get(PAGE).headers["Cache-Control"]


def test_staff_read_and_tick_off_but_cannot_rewrite(name: str) -> None:
    Client(REMOTE_ADDR=address()).post(PAGE, {"name": name, "email": new_email()})
    staff, row = staff_client(), asked(name)
    assert name in staff.get("/admin/dashboard/modelrequest/", {"q": name}).text
    page = f"/admin/dashboard/modelrequest/{row.pk}/change/"
    assert staff.post(page, {"answered": "on", "name": "another", "_reason": "done"}).status_code == 302
    assert (asked(name).answered, asked(name).name) == (True, name)
    assert staff.get("/admin/dashboard/modelrequest/add/").status_code == 403


def test_what_somebody_asked_for_goes_with_the_account(name: str) -> None:
    customer = new_customer()
    client = Client(REMOTE_ADDR=address())
    client.force_login(customer.user)
    client.post(PAGE, {"name": name})
    delete_user(customer.user)
    assert not ModelRequest.objects.filter(name=name).exists()
