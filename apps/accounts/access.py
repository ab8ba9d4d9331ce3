"""For which account a request acts. Everything that pages show or change hangs on this answer."""

from __future__ import annotations

import zoneinfo
from datetime import tzinfo

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.actions import ensure_account
from apps.accounts.models import Account, User
from apps.accounts.queries import account_of
from apps.accounts.viewing import viewing_of
from apps.core.middleware import is_api_path

REMEMBERED = "_acting_account"


def acting_account(request: HttpRequest) -> Account:
    """The account of whoever is logged in, looked up once a request. Raises PermissionDenied when nobody is.

    A user who has none yet (made in the admin site) gets one. With teams this is where the chosen one is found. A member of staff who
    looks at a customer's pages sees that customer's (viewing.py).
    """
    user = current_user(request)
    if viewing := viewing_of(request):
        return viewing.account
    remembered: tuple[int, Account] | None = getattr(request, REMEMBERED, None)
    if remembered is None or remembered[0] != user.pk:  # another user may have logged in within this request
        remembered = (user.pk, account_of_user(user))
        setattr(request, REMEMBERED, remembered)
    return remembered[1]


def account_or_none(request: HttpRequest) -> Account | None:
    """The same for pages that visitors see too: None when nobody is logged in."""
    return acting_account(request) if request.user.is_authenticated else None


def account_of_user(user: User) -> Account:
    account = account_of(user)
    if account is None:
        with transaction.atomic():
            account = ensure_account(user)
    return account


def current_user(request: HttpRequest) -> User:
    """Whoever is logged in. Raises PermissionDenied when nobody is."""
    if not isinstance(request.user, User):  # Django's lazy object passes for what it stands for
        raise PermissionDenied("log in first")
    return request.user


def time_zone_of(request: HttpRequest) -> tzinfo:
    """In which time zone to show dates: the account's, or the site's for visitors and where the account's is not known here."""
    if is_api_path(request.path) or not request.user.is_authenticated:
        return timezone.get_default_timezone()
    try:
        return zoneinfo.ZoneInfo(acting_account(request).time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return timezone.get_default_timezone()
