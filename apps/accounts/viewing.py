"""A member of staff looks at the pages of a customer: which account a session looks at, until when.

Whoever may is judged at every request. Only reading is possible (apps/staff/viewing.py refuses the rest).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.http import HttpRequest

from apps.accounts.models import Account, User

KEY = "_viewing"
LONGEST_S = 30 * 60
PERMISSION = "staff.view_as"
_REMEMBERED = "_viewing_of_request"


@dataclass(frozen=True, slots=True)
class Viewing:
    account: Account
    until: float  # Unix seconds


def viewing_of(request: HttpRequest) -> Viewing | None:
    """What the session behind a request looks at; None for everybody else. Looked up once a request."""
    known: tuple[Viewing | None] | None = getattr(request, _REMEMBERED, None)
    if known is None:
        known = (_looked_up(request),)
        setattr(request, _REMEMBERED, known)
    return known[0]


def begin(request: HttpRequest, account: Account) -> None:
    """Looks at `account` from the next request on, for LONGEST_S seconds."""
    request.session[KEY] = {"account": account.pk, "until": time.time() + LONGEST_S}


def end(request: HttpRequest) -> None:
    request.session.pop(KEY, None)


def _looked_up(request: HttpRequest) -> Viewing | None:
    said = request.session.get(KEY)
    if not isinstance(said, dict) or said["until"] < time.time():
        return None
    user = request.user
    if not (isinstance(user, User) and user.is_staff and user.has_perm(PERMISSION)):
        return None
    account = Account.objects.filter(pk=said["account"]).first()
    return Viewing(account, said["until"]) if account is not None else None
