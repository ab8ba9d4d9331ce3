"""Making users with an account of their own, and deciding whose an e-mail address is."""

from __future__ import annotations

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from apps.accounts.models import Account, AccountStatus, Membership, Role, Session, User
from apps.accounts.queries import account_of, user_by_email


@dataclass(frozen=True, slots=True)
class Registered:
    """A user and their account; `created` says whether the user is new."""

    user: User
    account: Account
    created: bool


@transaction.atomic
def create_account_for(email: str, password: str | None = None, *, staff: bool = False) -> Registered:
    """A user with a verified address and an account of their own, made or completed by an operator.

    For an existing user a given password and `staff` are set and nothing else changes. Without a password a new user can
    log in only after resetting it. Two calls at the same time make one user. Raises ValidationError naming the field.
    """
    email = normalise_email(email)
    user, created = _get_or_create_user(email, password, staff)
    if not created:
        if password is not None:
            user.set_password(password)
        if staff:
            user.is_staff = user.is_superuser = True
        user.save(update_fields=["password", "is_staff", "is_superuser"])
    _verify_address(user, email)
    return Registered(user, ensure_account(user), created)


def ensure_account(user: User) -> Account:
    """The user's own account, made if there is none. Call it inside a transaction: it locks the user's row."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    account = account_of(user)
    if account is None:
        account = Account.objects.create(name=user.email[: Account._meta.get_field("name").max_length])
        Membership.objects.create(account=account, user=user, role=Role.OWNER)
    return account


def normalise_email(email: str) -> str:
    """The address in lower case, as allauth keeps it. ValidationError when it is not an address."""
    email = email.strip().lower()
    try:
        User._meta.get_field("email").clean(email, None)
    except ValidationError:
        raise ValidationError({"email": f"{email[:100]!r} is not an e-mail address"}) from None
    return email


def _get_or_create_user(email: str, password: str | None, staff: bool) -> tuple[User, bool]:
    user = user_by_email(email)
    if user is None:
        try:
            with transaction.atomic():
                return User.objects.create_user(email, password, is_staff=staff, is_superuser=staff), True
        except IntegrityError:
            # Somebody was faster: the unique index made us wait until their user was there to be read.
            user = User.objects.get(email__iexact=email)
    return User.objects.select_for_update(no_key=True).get(pk=user.pk), False


def _verify_address(user: User, email: str) -> None:
    """The operator vouches for the address: verified and primary, unless it is another user's."""
    if EmailAddress.objects.filter(email__iexact=email, verified=True).exclude(user=user).exists():
        raise ValidationError({"email": "another user has verified this address as a second one of theirs"})
    address = EmailAddress.objects.filter(user=user, email__iexact=email).first() or EmailAddress(user=user, email=email)
    address.verified = True
    address.save()
    address.set_as_primary()


def hand_over(user: User, email: str) -> None:
    """Give a user who never verified `email` to its owner, who has proved it: whatever the one who signed up set is void."""
    user.set_unusable_password()
    user.save(update_fields=["password"])
    for ways_in in (Session, Authenticator, SocialAccount, EmailAddress):
        ways_in.objects.filter(user=user).delete()
    _verify_address(user, email)


def release_address(email: str, *, keep: User) -> None:
    """Take an address from everybody but `keep`, who has proved it. Whoever has verified it keeps it.

    Users who signed up with it and never verified any address go: they could never log in.
    """
    for address in EmailAddress.objects.filter(email__iexact=email, verified=False).exclude(user=keep).select_related("user"):
        if EmailAddress.objects.filter(user=address.user_id, verified=True).exists():
            address.delete()
        else:
            delete_unverified(address.user)


def delete_unverified(user: User) -> None:
    """Delete a user who never could log in, and their account. An account in whose books something stands (staff granted it credit) stays
    in them, closed, without anybody. Call it inside a transaction."""
    accounts = list(Account.objects.filter(memberships__user=user))
    user.delete()
    for account in accounts:
        if account.memberships.exists():
            continue
        try:
            with transaction.atomic():
                account.delete()
        except ProtectedError:
            close_account(account)


def erase_user(user: User) -> None:
    """Take from a user everything that says who they were, and every way in. Their row stays, since staff's audit trail names it.

    The address is free for somebody to sign up with. Call it inside a transaction.
    """
    for belongings in (Session, Authenticator, SocialAccount, EmailAddress):
        belongings.objects.filter(user=user).delete()
    user.email, user.name, user.last_login = f"deleted-{user.pk}@deleted.invalid", "", None
    user.is_active = user.is_staff = user.is_superuser = False
    user.set_unusable_password()
    user.save()
    user.groups.clear()
    user.user_permissions.clear()


def close_account(account: Account) -> None:
    """Nothing is admitted for it any more, and its name is gone. The caller has its lock, and has seen to keys and credit."""
    account.status, account.name, account.time_zone = AccountStatus.CLOSED, f"Closed account {account.pk}", "UTC"
    account.save(update_fields=["status", "name", "time_zone"])
