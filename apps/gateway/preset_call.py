"""A request that names a preset: looked up, merged, and read once more as if the client had written all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from apps.gateway.endpoint import PresetNamed
from apps.gateway.errors import BadRequest, ModelNotFound, PresetNotFound
from apps.gateway.keyring import KeyEntry
from apps.gateway.openai.fields import decode_fields
from apps.gateway.runtime import Gateway
from apps.presets.merging import PresetEntry

Parsed = TypeVar("Parsed")


async def read_with_preset(
    gateway: Gateway,
    key: KeyEntry,
    named: PresetNamed,
    body: bytes,
    add: Callable[[bytes, PresetEntry], bytes],
    parse: Callable[[bytes], Parsed],
    model_of: Callable[[Parsed], str],
) -> Parsed:
    """Raises ApiError; what is the preset's fault says so."""
    try:
        preset = await gateway.presets.find(key.account_id, named.slug)
    except PresetNotFound:
        await gateway.key_states.check(key)  # a key that is not in force learns no more than that
        raise
    try:
        request = parse(add(body, preset))
        gateway.catalog.find(model_of(request))
    except (BadRequest, ModelNotFound) as error:
        if error.param is not None and error.param.partition(".")[0].partition("[")[0] not in decode_fields(body):
            error.message += f" It is the preset {preset.slug!r} that says so."
        raise
    return request
