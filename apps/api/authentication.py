"""API keys for REST views that are no inference: judged by the database on every request, in admission's words."""

from __future__ import annotations

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.accounts.models import AccountStatus
from apps.api_keys import minting
from apps.api_keys.models import ApiKey, Scope
from apps.gateway.admission import KEY_EXPIRED, KEY_REFUSED, SUSPENDED, key_refusal
from apps.gateway.client import bearer
from apps.gateway.errors import Unauthorized
from apps.gateway.keyring import MISSING_KEY


class ApiKeyAuthentication(BaseAuthentication):
    """`request.auth` becomes the ApiKey, its account loaded; there is no user. No key, or one not in force, raises an ApiError."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey]:
        return None, key_in_force(bearer_of(request._request))


def bearer_of(request: HttpRequest) -> str | None:
    """The API key of a Django request, from `Authorization: Bearer` or `x-api-key`."""
    return bearer(request.META.get("HTTP_AUTHORIZATION"), request.META.get("HTTP_X_API_KEY"))


def key_in_force(key: str | None) -> ApiKey:
    """The inference key's row, in one query. Raises Unauthorized and Forbidden, judged in the order of gateway_admit."""
    if not key:
        raise Unauthorized(MISSING_KEY, code="missing_api_key")
    expired = ExpressionWrapper(Q(expires_at__lte=Now()), output_field=BooleanField())
    rows = ApiKey.objects.select_related("account").annotate(expired=expired)
    row = rows.filter(digest=minting.digest(key)).first() if minting.well_formed(key) else None
    if row is None or row.revoked_at is not None or row.scope != Scope.INFERENCE:
        raise key_refusal(KEY_REFUSED)
    if row.expired:
        raise key_refusal(KEY_EXPIRED)
    if row.account.status != AccountStatus.ACTIVE:
        raise key_refusal(SUSPENDED)
    return row
