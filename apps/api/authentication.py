"""API keys for REST views that are no inference: judged by the database on every request, in admission's words."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import BaseAuthentication, CSRFCheck, SessionAuthentication
from rest_framework.request import Request

from apps.accounts.access import acting_account, current_user
from apps.accounts.models import Account, AccountStatus, User
from apps.api_keys import minting
from apps.api_keys.models import ApiKey, Scope
from apps.core.client_address import client_address
from apps.gateway.admission import KEY_EXPIRED, KEY_REFUSED, SUSPENDED, WRONG_SCOPE, key_refusal
from apps.gateway.client import bearer
from apps.gateway.errors import Forbidden, Unauthorized
from apps.gateway.keyring import MISSING_KEY, REMEMBERED, Throttle

NOBODY = "Log in, or send a management key as 'Authorization: Bearer akml-…' or in the header 'x-api-key'."
NOT_FOR_MANAGEMENT = "This key is for inference and cannot manage the account. Send a management key, made under Settings → API Keys."


class ApiKeyAuthentication(BaseAuthentication):
    """`request.auth` becomes the ApiKey, its account loaded; there is no user. No key, or one not in force, raises an ApiError."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey]:
        return None, key_in_force(bearer_of(request._request), address_of(request._request), Scope.INFERENCE)


@dataclass(frozen=True, slots=True)
class Manager:
    """Who manages an account: somebody who is logged in, or a management key (then there is no user)."""

    account: Account
    user: User | None


class ManagerAuthentication(SessionAuthentication):
    """`request.auth` becomes a Manager. A key that was sent decides; without one the session does, which needs the CSRF token to change
    anything. Neither, or one not in force, raises an ApiError."""

    def authenticate(self, request: Request) -> tuple[User | None, Manager]:
        http = request._request
        key = bearer_of(http)
        if key:
            return None, Manager(key_in_force(key, address_of(http), Scope.MANAGEMENT).account, None)
        if not http.user.is_authenticated:
            raise Unauthorized(NOBODY, code="not_authenticated")
        self.enforce_csrf(request)
        user = current_user(http)
        return user, Manager(acting_account(http), user)

    def enforce_csrf(self, request: Request) -> None:
        """Raises Forbidden for a change that a page of another site may have sent."""
        check = CSRFCheck(lambda _: HttpResponse())
        http = request._request  # whose form fields are read without parsing the body as DRF would
        check.process_request(http)
        if reason := check.process_view(http, None, (), {}):
            raise Forbidden(
                f"Refused without a valid CSRF token: send the cookie's in the header X-CSRFToken. ({reason})", code="csrf_failed"
            )


def bearer_of(request: HttpRequest) -> str | None:
    """The API key of a Django request, from `Authorization: Bearer` or `x-api-key`."""
    return bearer(request.META.get("HTTP_AUTHORIZATION"), request.META.get("HTTP_X_API_KEY"))


def address_of(request: HttpRequest) -> str:
    """The client's address, as the fast door sees it."""
    return client_address(request.META.get("REMOTE_ADDR") or "", request.META.get("HTTP_X_FORWARDED_FOR") or "")


class KnownKeys:
    """Digests of keys that exist, seen by this process: whoever has one of them is not guessing. For any thread."""

    def __init__(self) -> None:
        self._digests: OrderedDict[bytes, None] = OrderedDict()
        self._throttle = Throttle()
        self._lock = threading.Lock()

    def check(self, digest: bytes, address: str) -> None:
        """Raises RateLimited for an unknown key from an address that has tried too many wrong ones."""
        with self._lock:
            if digest not in self._digests:
                self._throttle.check(address)

    def found(self, digest: bytes) -> None:
        with self._lock:
            self._digests[digest] = None
            self._digests.move_to_end(digest)
            while len(self._digests) > REMEMBERED:
                self._digests.popitem(last=False)

    def wrong(self, address: str) -> None:
        with self._lock:
            self._throttle.wrong(address)


known_keys = KnownKeys()


def key_in_force(key: str | None, address: str, scope: Scope) -> ApiKey:
    """The key's row, in one query. Raises Unauthorized and Forbidden, judged in the order of gateway_admit, and RateLimited (too many
    wrong keys from this address)."""
    if not key:
        raise Unauthorized(MISSING_KEY, code="missing_api_key")
    digest = minting.digest(key)
    known_keys.check(digest, address)
    expired = ExpressionWrapper(Q(expires_at__lte=Now()), output_field=BooleanField())
    rows = ApiKey.objects.select_related("account").annotate(expired=expired)
    row = rows.filter(digest=digest).first() if minting.well_formed(key) else None
    if row is None:
        known_keys.wrong(address)
        raise key_refusal(KEY_REFUSED)
    known_keys.found(digest)
    if row.revoked_at is not None:
        raise key_refusal(KEY_REFUSED)
    if row.scope != scope:
        raise key_refusal(WRONG_SCOPE) if scope == Scope.INFERENCE else Forbidden(NOT_FOR_MANAGEMENT, code="wrong_key_scope")
    if row.expired:
        raise key_refusal(KEY_EXPIRED)
    if row.account.status != AccountStatus.ACTIVE:
        raise key_refusal(SUSPENDED)
    return row
