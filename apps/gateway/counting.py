"""The way of a request to count tokens: no admission and no settlement, since nothing is generated and nothing charged.

It costs neither requests nor tokens of a minute (Claude Code asks forty times in a second), but has a bound of its own, and the key must
be in force.
"""

from __future__ import annotations

import logging
from operator import attrgetter

import msgspec

from apps.gateway.anthropic.counting import Count, parse_count
from apps.gateway.anthropic.presets import message_with
from apps.gateway.anthropic.surface import anthropic_surface
from apps.gateway.client import Call, Client
from apps.gateway.endpoint import PresetNamed
from apps.gateway.errors import ApiError, InternalError, RateLimited
from apps.gateway.inference import Reply
from apps.gateway.keyring import KeyEntry
from apps.gateway.preset_call import read_with_preset
from apps.gateway.runtime import Gateway

log = logging.getLogger(__name__)

# Who counted: `tokenizer`, the model's own, or `estimate`, ours by the length of the text.
SOURCE = b"x-token-count-source"


async def answer_count(gateway: Gateway, call: Call, client: Client) -> None:
    """Never raises for what a client or a backend did."""
    reply = Reply(client, anthropic_surface, call.id)
    try:
        _take(gateway, call.key)
        await gateway.key_states.check(call.key)
        try:
            asked = parse_count(call.body)
        except PresetNamed as named:
            asked = await read_with_preset(gateway, call.key, named, call.body, message_with, parse_count, attrgetter("model_id"))
        model, _ = gateway.catalog.find(asked.model_id)
        asked.prompt.check(model)
        backend = gateway.balancer.choose(model.backends)
        counted = await gateway.tokenizers.count(backend, asked.question()) if backend is not None else None
        reply.headers.append((SOURCE, b"estimate" if counted is None or asked.pictures else b"tokenizer"))
        await reply.finish(_body(asked, counted), streamed=False)
    except ApiError as error:
        await reply.fail(error)
    except Exception:
        log.exception("count %s: an error of our own", call.id)
        await reply.fail(InternalError("Something broke on our side."))


def _take(gateway: Gateway, key: KeyEntry) -> None:
    """Raises RateLimited when this key has counted too often."""
    assert key.id is not None, "whoever has no key counts nothing"
    if wait_s := gateway.counts.take(key.id):
        raise RateLimited(
            f"This API key allows {gateway.counts.most} counts of tokens a minute. Try again in {wait_s} s.",
            code="count_limit_exceeded",
            headers=[(b"retry-after", b"%d" % wait_s)],
        )


def _body(asked: Count, counted: int | None) -> bytes:
    tokens = asked.prompt.prompt_estimate() if counted is None else counted + asked.pictures
    return msgspec.json.encode({"input_tokens": tokens})
