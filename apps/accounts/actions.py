"""Making users with an account of their own."""

from __future__ import annotations

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.accounts.models import Account, Membership, Role, User
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
