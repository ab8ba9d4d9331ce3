"""Counting tokens without a tokenizer, and who pays when a request ends. Pure.

Two estimators: `prompt_upper_bound` errs high, for holds; `prompt_estimate` and `output_estimate` are as close as they can be, for
charging when a backend reports nothing.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from apps.catalog.pricing import Rates, Usage, cost_pico
from apps.core.money import nano_from_pico
from apps.usage.models import Status

# Parts of a message that are pictures, recordings or files, by bytes or by address: models take some hundreds to two thousand tokens for
# one, and for a file what its text comes to, which cannot be seen from here.
ATTACHMENTS = ("image_url", "input_audio", "file")
TOKENS_PER_ATTACHMENT = 2_000
# Byte-level vocabularies average four bytes a token in English, three in code, two to three in scripts of three-byte characters.
LEAST_BYTES_PER_TOKEN = 2
USUAL_BYTES_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
# A longer prompt is estimated by its length: to look through megabytes of it would hold up every stream of the process.
MOST_LOOKED_THROUGH = 262_144  # bytes
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")


def prompt_upper_bound(text_bytes: int, attachments: int = 0) -> int:
    """Tokens that so many bytes of a prompt's raw JSON (messages, tools, schemas), and so many attachments, will hardly exceed."""
    return max(0, text_bytes) // LEAST_BYTES_PER_TOKEN + attachments * TOKENS_PER_ATTACHMENT + 8


def prompt_estimate(messages: bytes, extra_bytes: int = 0, *, attachments: int = 0, attachment_bytes: int = 0) -> int:
    """Tokens of a prompt, as close as can be without its tokenizer. Parses the messages: not for the usual path.

    `extra_bytes` of JSON besides the messages (tools, schemas) are in the prompt too. `attachments`, and their bytes within the messages,
    are what is known of them already: they count where the messages are too long to be looked through."""
    if len(messages) > MOST_LOOKED_THROUGH:
        text_bytes = max(0, len(messages) - attachment_bytes) + extra_bytes
        return text_bytes // USUAL_BYTES_PER_TOKEN + attachments * TOKENS_PER_ATTACHMENT
    texts: list[str] = []
    found = 0
    try:
        decoded = msgspec.json.decode(messages)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # nested too deep, not UTF-8: a settlement must not fail over it
        return (len(messages) + extra_bytes) // USUAL_BYTES_PER_TOKEN
    for message in decoded if isinstance(decoded, list) else [decoded]:
        found += _collect(message, texts, depth=0)
        texts.append("")
    text = "".join(texts)
    return text_estimate(text) + TOKENS_PER_MESSAGE * texts.count("") + extra_bytes // USUAL_BYTES_PER_TOKEN + found * TOKENS_PER_ATTACHMENT


def text_estimate(text: str) -> int:
    """Tokens of a text: one for each wide character, one for every four bytes of the rest."""
    wide = len(_WIDE.findall(text))
    rest = len(text.encode("utf-8", "surrogatepass")) - 3 * wide
    return wide + math.ceil(rest / USUAL_BYTES_PER_TOKEN)


def _collect(value: Any, texts: list[str], depth: int) -> int:
    """Gathers the strings of a message; returns the number of attachments."""
    if isinstance(value, str):
        if value:
            texts.append(value)
        return 0
    if depth > 20:
        return 0
    if isinstance(value, dict):
        if value.get("type") in ATTACHMENTS:
            return 1
        return sum(_collect(item, texts, depth + 1) for key, item in value.items() if key not in ("role", "type"))
    if isinstance(value, list):
        return sum(_collect(item, texts, depth + 1) for item in value)
    return 0


def output_estimate(pieces: int, text_bytes: int) -> int:
    """Tokens of an answer that came in `pieces` chunks with `text_bytes` of text: most backends send a token a chunk; where the
    chunks are clearly longer than a token, their bytes decide."""
    if text_bytes > 3 * USUAL_BYTES_PER_TOKEN * pieces:
        return math.ceil(text_bytes / USUAL_BYTES_PER_TOKEN)
    return pieces


class Charge(msgspec.Struct, frozen=True, gc=False):
    """What is charged: tokens, and their cost in nano-USD. `estimated` when a part was counted here."""

    usage: Usage
    cost: int
    estimated: bool


NOTHING = Charge(Usage(0, 0), 0, False)


def charge(
    status: Status, *, reported: Usage | None, prompt_tokens: int, output_tokens: int, rates: Rates, held: int, sent: bool = True
) -> Charge:
    """Who pays (docs/ledger.md): completed, the actual usage; cancelled by the client, the prompt and what was generated; failed or
    lost, the output that was delivered and nothing else.

    `reported` is the backend's usage, `prompt_tokens` and `output_tokens` our own counts. What is counted here is never charged above
    `held` (nano-USD). `sent` false: no backend ever had the request, nothing is charged."""
    if not sent:
        return NOTHING
    if reported is not None and reported.completion_tokens == 0 and output_tokens > 0:
        reported = None  # it cannot be true
    if status == Status.COMPLETED and reported is not None:
        return Charge(reported, nano_from_pico(cost_pico(reported, rates)), False)
    if status in (Status.FAILED, Status.LOST):
        usage = Usage(0, output_tokens)
        cost = nano_from_pico(output_tokens * rates.output_pico)
    else:
        # A running total in a stream that was cut short is closer than our count, as long as it is not behind what was delivered.
        usage = reported if reported is not None and reported.completion_tokens >= output_tokens else Usage(prompt_tokens, output_tokens)
        cost = nano_from_pico(cost_pico(usage, rates))
    return Charge(usage, min(cost, held), usage is not reported)
