"""The second door: inference as DRF views, under any Django server. The same story as behind the fast door (apps/gateway/door.py)."""

from __future__ import annotations

import asyncio
import time

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request

from apps.api.authentication import address_of, bearer_of
from apps.api.bridge import Answer, AsyncPieces, BlockingPieces, Bridge
from apps.api.schema import ANTHROPIC, OPENAI, count_operation, inference_operation
from apps.api.views import ApiView, django_headers
from apps.core.ids import uuid7
from apps.gateway.anthropic.counting import CountTokensRequest
from apps.gateway.anthropic.messages import MessagesRequest
from apps.gateway.client import Call
from apps.gateway.endpoints import HOT_POSTS, HotPost
from apps.gateway.errors import InternalError
from apps.gateway.openai.chat import ChatCompletionRequest
from apps.gateway.openai.completions import CompletionRequest
from apps.gateway.process import host
from apps.gateway.reading import check_length, check_media_type, too_large


class InferenceView(ApiView):
    """One of the hot POSTs. The key is the story's to judge, as are the body's fields."""

    http_method_names = ("post",)
    hot_post: HotPost

    def post(self, request: Request) -> HttpResponseBase:
        """Runs in a thread, never on the gateway's loop: under WSGI the server's, under ASGI the one Django gives each request."""
        arrived = time.monotonic()
        django_request = request._request
        check_length(django_request.META.get("CONTENT_LENGTH") or "")
        check_media_type(django_request.META.get("CONTENT_TYPE") or "")
        key, address = bearer_of(django_request), address_of(django_request)
        gateway, loop = host.from_thread()
        entry = asyncio.run_coroutine_threadsafe(gateway.keyring.find(key, address), loop).result()  # a stranger's body is not read
        call = Call(uuid7(), entry, read_body(django_request), arrived)
        bridge = Bridge(loop)
        answer = Answer(bridge)
        bridge.begin(self.hot_post.answer(gateway, call, bridge))
        # Under ASGI this waits on the server's loop, where Django cancels it when the client disconnects.
        return async_to_sync(_respond)(answer, isinstance(django_request, ASGIRequest))


@extend_schema_view(post=extend_schema(**inference_operation("create_chat_completion", ChatCompletionRequest, "chat completion", OPENAI)))
class ChatCompletions(InferenceView):
    hot_post = HOT_POSTS["/v1/chat/completions"]


@extend_schema_view(post=extend_schema(**inference_operation("create_completion", CompletionRequest, "text completion", OPENAI)))
class Completions(InferenceView):
    hot_post = HOT_POSTS["/v1/completions"]


@extend_schema_view(post=extend_schema(**inference_operation("create_message", MessagesRequest, "message", ANTHROPIC)))
class Messages(InferenceView):
    hot_post = HOT_POSTS["/anthropic/v1/messages"]


@extend_schema_view(post=extend_schema(**count_operation("count_tokens", CountTokensRequest)))
class CountTokens(InferenceView):
    hot_post = HOT_POSTS["/anthropic/v1/messages/count_tokens"]


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
    """The body as it was sent. Raises TooLarge. Under ASGI Django has read it before (apps/gateway/asgi.py: `in_time`); how long a
    WSGI server waits for it is that server's to say."""
    body: bytes = request.read(settings.MAX_REQUEST_BYTES + 1)
    if len(body) > settings.MAX_REQUEST_BYTES:
        raise too_large()
    return body
