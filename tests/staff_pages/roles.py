"""Members of staff with one role each, in browsers of their own."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.actions import create_account_for
from apps.accounts.models import User
from tests.people import new_email


def member_of(role: str) -> User:
    """A new member of staff: of a role, or one who may do everything (`superuser`)."""
    user = create_account_for(new_email(), staff=role == "superuser").user
    if role != "superuser":
        user.is_staff = True
        user.save()
        user.groups.add(Group.objects.get(name=role))
    return user


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
