"""Somebody who is logged in, for pages that everybody may see."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.people import new_customer


@pytest.fixture
def client_of_a_customer() -> Client:
    """Somebody with an account of their own is logged in."""
    client = Client()
    client.force_login(new_customer().user)
    return client
