"""Who uses the platform: people (User), and what owns keys, credit and logs (Account), joined by Membership."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Lower, Now

from apps.core.ids import uuid7


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person; logs in by e-mail address, which is unique whatever its case."""

    email = models.EmailField()
    name = models.CharField(max_length=150, blank=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="accounts_user_email_once")]

    def __str__(self) -> str:
        return self.email


class AccountStatus(models.IntegerChoices):
    ACTIVE = 1
    SUSPENDED = 2
    CLOSED = 3  # by its owner, for good: keys are revoked, names are gone, the ledger stays


MOST_KEEP_DAYS = 30


class Account(models.Model):
    """What pays and what is limited. Its row is the lock of everything below it: pools, keys' counters, holds.

    Whoever changes money or limits of an account first locks this row (`FOR NO KEY UPDATE`), several in id order.
    """

    name = models.CharField(max_length=150)
    status = models.SmallIntegerField(choices=AccountStatus, default=AccountStatus.ACTIVE)
    time_zone = models.CharField(max_length=64, default="UTC")
    keep_days = models.SmallIntegerField(null=True, editable=False, help_text="how long prompts and answers are kept; empty: they are not")
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="accounts")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(keep_days__range=(1, MOST_KEEP_DAYS)), name="accounts_keep_days_bounded")]

    def __str__(self) -> str:
        return self.name


class Role(models.IntegerChoices):
    OWNER = 1
    MEMBER = 2


class Membership(models.Model):
    account = models.ForeignKey(Account, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.SmallIntegerField(choices=Role, default=Role.OWNER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "user"], name="accounts_membership_once")]


class Session(AbstractBaseSession):
    """What a browser's cookie stands for (session_store.py writes it). Its user's other sessions are found by `user`."""

    handle = models.UUIDField(default=uuid7, unique=True, editable=False, help_text="names the session on pages, opens nothing")
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions", null=True)
    created_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now(), help_text="to a few minutes")
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300)
