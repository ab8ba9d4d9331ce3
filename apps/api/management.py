"""What the views of the management API (`/api/v1/…`) share: who may, what a body may say, how lists are paged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from apps.api.authentication import ManagerAuthentication
from apps.api.schema import ErrorAnswer
from apps.api.views import ApiView
from apps.gateway.errors import ApiError, BadRequest
from apps.gateway.openai.fields import parse
from apps.gateway.reading import check_media_type

DEFAULT_LIMIT, MOST = 20, 100
# A cursor is the id of the last row of the page before.
CURSOR = re.compile(r"[0-9]{1,18}")

Body = TypeVar("Body")
Row = TypeVar("Row", bound=Model)


class NotFound(ApiError):
    """There is no such object, or it is somebody else's: which of the two is not said."""

    status, type, code = 404, "invalid_request_error", "not_found"


class Conflict(ApiError):
    """The object is not in a state in which this can be done."""

    status, type, code = 409, "invalid_request_error", "conflict"


class ManagementView(ApiView):
    """`request.auth` is the Manager. No answer is kept by anybody: some carry a key."""

    authentication_classes = (ManagerAuthentication,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method in ("POST", "PUT", "PATCH"):
            check_media_type(request._request.META.get("CONTENT_TYPE") or "")  # before CSRF's check, which reads forms
        super().initial(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response.headers["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)


class Page(Generic[Row]):
    """One page of a list, newest first: `?limit=` rows after the `?cursor=` of the page before. Raises BadRequest naming either."""

    def __init__(self, rows: QuerySet[Row], query: QueryDict) -> None:
        limit = bounded(query, "limit", DEFAULT_LIMIT, MOST)
        if cursor := query.get("cursor"):
            if not CURSOR.fullmatch(cursor):
                raise BadRequest("cursor: not one that a list gave as 'next'.", param="cursor")
            rows = rows.filter(pk__lt=int(cursor))
        found = list(rows.order_by("-pk")[: limit + 1])
        self.rows = found[:limit]
        self.next = str(self.rows[-1].pk) if len(found) > limit else None


def bounded(query: QueryDict, name: str, default: int, most: int) -> int:
    """A whole number from 1 to `most` out of the query. Raises BadRequest naming it."""
    text = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise BadRequest(f"{name}: must be a whole number from 1 to {most}.", param=name)
    return int(text)


def one_of(query: QueryDict, name: str, allowed: Sequence[str]) -> str | None:
    """A word out of the query, None where it is not there. Raises BadRequest naming it."""
    word = query.get(name)
    if word is not None and word not in allowed:
        raise BadRequest(f"{name}: must be one of {', '.join(allowed)}.", param=name)
    return word


def body_of(request: Request, decoder: msgspec.json.Decoder[Body]) -> Body:
    """The parsed body. Raises BadRequest naming the field."""
    return parse(decoder, request._request.body)


def as_bad_request(error: ValidationError) -> BadRequest:
    """The first of a model's or an action's complaints, in the API's shape."""
    by_field = error.message_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.messages}
    [(name, messages), *_] = by_field.items()
    text = messages[0].rstrip(".")
    if name == NON_FIELD_ERRORS:
        return BadRequest(f"{text}.")
    return BadRequest(f"{name}: {text}.", param=name)


def answer(structure: msgspec.Struct, status: int = 200) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(structure), status=status, content_type="application/json")


LIMIT = OpenApiParameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT}, description="Rows of a page."
)
PAGING = [
    LIMIT,
    OpenApiParameter("cursor", {"type": "string", "pattern": f"^{CURSOR.pattern}$"}, description="`next` of the page before."),
]
ERRORS = {
    400: OpenApiResponse(ErrorAnswer, "A field or parameter is missing, malformed or out of range: `error.param` names it."),
    401: OpenApiResponse(ErrorAnswer, "Not logged in, and no key, or none in force."),
    403: OpenApiResponse(ErrorAnswer, "The key is for inference, the account is suspended, or the CSRF token is missing."),
    404: OpenApiResponse(ErrorAnswer, "No such object."),
    408: OpenApiResponse(ErrorAnswer, "The request's body took too long."),
    409: OpenApiResponse(ErrorAnswer, "Not in a state in which this can be done."),
    413: OpenApiResponse(ErrorAnswer, "The request is too large."),
    415: OpenApiResponse(ErrorAnswer, "The body is not JSON."),
    429: OpenApiResponse(ErrorAnswer, "Too many wrong keys from this address; `Retry-After` says when to try again."),
    500: OpenApiResponse(ErrorAnswer, "Something broke on our side."),
    503: OpenApiResponse(ErrorAnswer, "The platform is busy or restarting."),
}
READING = (400, 401, 403, 404, 429, 500, 503)
WRITING = tuple(ERRORS)


def errors(statuses: Sequence[int]) -> dict[int, OpenApiResponse]:
    """The errors of an operation, for its schema."""
    return {status: ERRORS[status] for status in statuses}


def operation(tag: str, identifier: str, summary: str, structure: type[msgspec.Struct], **more: Any) -> Any:
    """`extend_schema` of an operation that answers with `structure`. `reads`: it changes nothing; `status`: of success, else 200."""
    statuses, success = (READING if more.pop("reads", False) else WRITING), more.pop("status", 200)
    return extend_schema(operation_id=identifier, tags=[tag], summary=summary, responses={success: structure, **errors(statuses)}, **more)
