"""What all REST views of the API share: errors in the gateway's shape, and no answer header that the fast door does not send."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.core.batching import Unavailable as LinkUnavailable
from apps.core.ids import uuid7
from apps.core.middleware import is_api_path
from apps.gateway.endpoints import surface_of
from apps.gateway.errors import ApiError, BadRequest, Header, InternalError, TooLarge, Unavailable

log = logging.getLogger(__name__)


class UnknownUrl(ApiError):
    status, type, code = 404, "invalid_request_error", "unknown_url"


class MethodNotAllowed(ApiError):
    status, type, code = 405, "invalid_request_error", "method_not_allowed"


class ApiView(APIView):
    """A DRF view that always speaks JSON, whatever `Accept` says, and answers every error as the gateway does."""

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    http_method_names: Sequence[str] = ("get", "post", "put", "patch", "delete", "head")

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type or ""

    @property
    def default_response_headers(self) -> dict[str, str]:
        """None: DRF would add Allow and Vary to every answer."""
        return {}

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        allowed = ", ".join(self.allowed_methods)
        raise MethodNotAllowed(f"{request.method} is not allowed here. Allowed: {allowed}.", headers=[(b"allow", allowed.encode("ascii"))])

    def handle_exception(self, exc: Exception) -> HttpResponseBase:
        return error_response(as_api_error(exc), self.request.path)


@extend_schema(exclude=True)
class UnknownAddress(ApiView):
    """Every address of the API that leads nowhere, by any method."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        raise UnknownUrl(f"Unknown address: {request.method} {request.path}. The API is described at /api/schema/.")


def as_api_error(error: Exception) -> ApiError:
    """The answer to whatever went wrong in a view; what is none of the client's doing is logged with its trace."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestDataTooBig):
        return TooLarge(f"The request is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes.")
    if isinstance(error, UnreadablePostError):
        return BadRequest("The request's body ended early.")
    if isinstance(error, OperationalError | InterfaceError | LinkUnavailable):
        log.warning("Postgres cannot be reached (%s)", type(error).__name__)
        return Unavailable("The platform is busy or restarting. Nothing was charged; try again.", headers=[(b"retry-after", b"2")])
    log.error("an error of our own", exc_info=error)
    return InternalError("Something broke on our side.")


def error_response(error: ApiError, path: str) -> HttpResponse:
    """In the shape of the surface that this address belongs to. The management API has no inferences, and so no ids of them."""
    surface, identifier = surface_of(path), uuid7()
    identity = surface.identity(identifier) if is_api_path(path) else []
    headers = [*identity, *error.headers, (b"content-type", b"application/json")]
    return HttpResponse(surface.error_body(error, identifier), status=error.status, headers=django_headers(headers))


def json_response(body: bytes) -> HttpResponse:
    return HttpResponse(body, headers={"content-type": "application/json"})


def django_headers(headers: Sequence[Header]) -> dict[str, str]:
    """The gateway's headers in Django's form."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


# What Django answers when no view was reached (akashml/errors.py).
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(BadRequest("The request is malformed, or its Host is not one of this site's."), request.path)


def server_error(request: HttpRequest) -> HttpResponse:
    return error_response(InternalError("Something broke on our side."), request.path)
