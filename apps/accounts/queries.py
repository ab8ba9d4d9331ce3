"""Reading accounts."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.accounts.models import Account, Role, Session, User


def user_by_email(email: str) -> User | None:
    """The user with this address, whatever its case."""
    return User.objects.filter(email__iexact=email.strip()).first()


def account_of(user: User) -> Account | None:
    """The user's own account: the first one they own, else the first they are a member of."""
    return Account.objects.filter(memberships__user=user).order_by("memberships__role", "pk").first()


def account_by_email(email: str) -> Account | None:
    """The own account of the user with this address."""
    user = user_by_email(email)
    return account_of(user) if user else None


def display_name(user: User) -> str:
    """What to call a user."""
    return user.name or user.email


def sessions_of(user: User) -> QuerySet[Session]:
    """The browsers in which the user is logged in. One whose session was opened with an earlier password counts until it is next used."""
    return Session.objects.filter(user=user, expire_date__gt=Now())


def other_sessions_of(user: User, session_key: str | None) -> QuerySet[Session]:
    """All but the one with this id."""
    return Session.objects.filter(user=user).exclude(pk=session_key)


def verified_email(account: Account) -> str | None:
    """The verified address of the account's first owner, None while there is none."""
    found = EmailAddress.objects.filter(user__memberships__account=account, user__memberships__role=Role.OWNER, verified=True)
    return found.order_by("user_id", "-primary", "pk").values_list("email", flat=True).first()
