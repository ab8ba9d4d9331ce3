"""Promise: every entry of the sidebar, the account menu and the palette is a page that exists, drawn with an icon that exists."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.icons import ICONS
from apps.dashboard.navigation import ACCOUNT_MENU, SIDEBAR, Entry
from tests.staff import staff_client

ENTRIES = [*(entry for group in SIDEBAR for entry in group), *ACCOUNT_MENU]


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
