"""The second door: inference as DRF views, under any Django server. The same story as behind the fast door (apps/gateway/asgi.py)."""

from __future__ import annotations

import time

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request

from apps.api.authentication import bearer_of
from apps.api.bridge import Answer, AsyncPieces, BlockingPieces, Bridge
from apps.api.schema import inference_operation
from apps.api.views import ApiView, django_headers
from apps.core.ids import uuid7
from apps.gateway.asgi import check_media_type, client_address, too_large
from apps.gateway.client import Call
from apps.gateway.endpoint import Endpoint
from apps.gateway.errors import InternalError
from apps.gateway.inference import answer_call
from apps.gateway.openai.chat import ChatCompletionRequest, chat_completions
from apps.gateway.openai.completions import CompletionRequest, completions
from apps.gateway.process import host


class InferenceView(ApiView):
    """One of the hot POSTs. The key is the story's to judge, as are the body's fields."""

    http_method_names = ("post",)
    endpoint: Endpoint

    def post(self, request: Request) -> HttpResponseBase:
        """Runs in a thread, never on the gateway's loop: under WSGI the server's, under ASGI the one Django gives each request."""
        arrived = time.monotonic()
        django_request = request._request
        body = read_body(django_request)
        address = client_address(django_request.META.get("REMOTE_ADDR") or "", django_request.META.get("HTTP_X_FORWARDED_FOR") or "")
        call = Call(uuid7(), bearer_of(django_request), address, body, arrived)
        gateway, loop = host.from_thread()
        bridge = Bridge(loop)
        answer = Answer(bridge)
        bridge.begin(answer_call(gateway, self.endpoint, call, bridge))
        # Under ASGI this waits on the server's loop, where Django cancels it when the client disconnects.
        return async_to_sync(_respond)(answer, isinstance(django_request, ASGIRequest))


@extend_schema_view(post=extend_schema(**inference_operation("create_chat_completion", ChatCompletionRequest, "chat completion")))
class ChatCompletions(InferenceView):
    endpoint = chat_completions


@extend_schema_view(post=extend_schema(**inference_operation("create_completion", CompletionRequest, "text completion")))
class Completions(InferenceView):
    endpoint = completions


async def _respond(answer: Answer, under_asgi: bool) -> HttpResponseBase:
    """A whole answer when it is complete, a stream when it begins. Raises InternalError when the story broke off."""
    try:
        head = await answer.head()
        if head is None:
            raise InternalError("Something broke on our side.")
        headers = django_headers(head.headers)
        if "content-length" not in headers:
            pieces = AsyncPieces(answer) if under_asgi else BlockingPieces(answer)
            return StreamingHttpResponse(pieces, status=head.status, headers=headers)
        body = b""
        while (piece := await answer.piece()) is not None:
            body += piece
        return HttpResponse(body, status=head.status, headers=headers)
    except BaseException:
        answer.close()
        raise


def read_body(request: HttpRequest) -> bytes:
    """The body as it was sent. Raises UnsupportedMediaType and TooLarge."""
    check_media_type(request.META.get("CONTENT_TYPE") or "")
    most = settings.MAX_REQUEST_BYTES
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isascii() and length.isdigit() and int(length) > most:
        raise too_large(most)
    body: bytes = request.read(most + 1)
    if len(body) > most:
        raise too_large(most)
    return body
