"""Reading accounts."""

from __future__ import annotations

from apps.accounts.models import Account, User


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
