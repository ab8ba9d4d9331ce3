"""The admin site for tests: use with `@pytest.mark.urls("tests.staff")`."""

from __future__ import annotations

from django.contrib import admin
from django.test import Client
from django.urls import path

from apps.accounts.actions import create_account_for
from tests.people import new_email

urlpatterns = [path("admin/", admin.site.urls)]


def staff_client() -> Client:
    """A browser in which a member of staff is logged in."""
    client = Client()
    client.force_login(create_account_for(new_email(), staff=True).user)
    return client
