"""Promise: every entry of the sidebar, the account menu and the palette is a page that exists, drawn with an icon that exists."""

from __future__ import annotations

from os import urandom

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.api_keys.models import ApiKey
from apps.core.icons import ICONS
from apps.dashboard.navigation import ACCOUNT_MENU, MORE, SIDEBAR, Entry
from tests.gateway.customers import new_customer
from tests.staff import staff_client

ENTRIES = [*(entry for group in SIDEBAR for entry in group), *ACCOUNT_MENU, *MORE]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
def test_an_entry(entry: Entry) -> None:
    assert entry.icon in ICONS
    assert staff_client().get(reverse(entry.route), follow=True).status_code == 200


def test_what_is_for_staff_is_offered_to_staff_alone(client_of_a_customer: Client) -> None:
    for entry in ENTRIES:
        url = f'href="{reverse(entry.route)}"'
        assert url in staff_client().get("/palette").text
        assert (url in client_of_a_customer.get("/palette").text) == (not entry.staff)


def test_nobody_else_gets_the_palette(client: Client) -> None:
    assert client.get("/palette").status_code == 401


def test_the_palette_finds_ones_own_keys_and_nobody_elses(client_of_a_customer: Client) -> None:
    other, own = new_customer("0"), new_customer("0")
    revoked = ApiKey.objects.create(
        account_id=own.account_id, name="an old one", digest=urandom(32), last4="old!", revoked_at=timezone.now()
    )
    client = Client()
    client.force_login(User.objects.get(email=own.email))
    found = client.get("/palette").text
    assert f'href="{reverse("api-key", args=[own.key_id])}"' in found
    assert own.key[-4:] in found
    for stranger in (other.key_id, revoked.pk):
        assert f'href="{reverse("api-key", args=[stranger])}"' not in found
    assert "/settings/api-keys/" not in client_of_a_customer.get("/palette").text
