"""What the story asks of an endpoint, whatever its dialect: a parser of requests, and of each request what it may cost, how a backend
gets it, and how its answer is read."""

from __future__ import annotations

from typing import Protocol

from apps.catalog.pricing import Usage
from apps.catalog.snapshot import BackendEntry, ModelEntry
from apps.gateway.surface import Surface
from apps.presets.merging import PresetEntry
from apps.usage.models import Dialect


class BadAnswer(Exception):
    """What the backend sent is unusable. The text is for our log."""


class BackendRefused(Exception):
    """The backend answered 200 and sent an error object instead of an answer."""


class PresetNamed(Exception):
    """The request names a preset, without which it cannot be read to its end (apps/gateway/preset_call.py)."""

    def __init__(self, slug: str) -> None:
        super().__init__(slug)
        self.slug = slug


class Reader(Protocol):
    """What one answer has said so far, whether streamed or whole, and what its client sees of it. The backend speaks OpenAI's dialect."""

    usage: Usage | None  # as the backend reports it
    finish_reason: str
    done: bool  # nothing more of this answer is to be read
    pieces: int  # chunks that carried something generated
    text_bytes: int  # of it, as JSON

    @property
    def finished(self) -> bool:
        """The answer ended as an answer ends; anything else is a break."""
        ...

    def event(self, payload: bytes) -> bytes:
        """The data of one event of a stream; returns whole frames for the client, empty when it is to see nothing of it.

        Raises BadAnswer and BackendRefused."""
        ...

    def end(self) -> bytes:
        """The last frames of a stream that has finished; they go out when it is settled."""
        ...

    def whole(self, body: bytes) -> bytes:
        """A whole answer; returns the body for the client. Raises BadAnswer and BackendRefused."""
        ...


class Transcript(Protocol):
    """A stream as the whole answer it would have been, for accounts that keep texts (apps/gateway/text_keeping.py)."""

    size: int  # bytes it holds

    def feed(self, payload: bytes) -> None:
        """The data of one event, as the client gets it. Raises msgspec.MsgspecError and UnicodeDecodeError."""
        ...

    def whole(self) -> bytes:
        """JSON; empty when nothing was fed."""
        ...


class InferenceRequest(Protocol):
    """A request that has been parsed. Tokens are counted without a tokenizer (apps/gateway/metering.py)."""

    @property
    def model_id(self) -> str: ...

    @property
    def streamed(self) -> bool: ...

    @property
    def prompts(self) -> int: ...

    @property
    def choices(self) -> int:
        """How many answers the backend generates."""
        ...

    @property
    def max_output(self) -> int | None:
        """The client's own bound of output tokens a choice, if it set one."""
        ...

    def prompt_bound(self) -> int:
        """Tokens that the prompt will hardly exceed: for the hold."""
        ...

    def prompt_estimate(self) -> int:
        """Tokens of the prompt, as close as can be: for charging when the backend does not say. May be slow, never raises."""
        ...

    def check(self, model: ModelEntry) -> None:
        """Raises BadRequest for what this model cannot do."""
        ...

    def for_backend(self, model: ModelEntry, backend: BackendEntry, max_output: int | None) -> bytes:
        """The request as this backend gets it; `max_output` is the bound to write into it, None leaves the client's."""
        ...

    def ping(self, model: ModelEntry) -> bytes:
        """Frames that tell the client of a stream that we are still there; only of endpoints that have `pings`."""
        ...

    def reader(self, model: ModelEntry, backend: BackendEntry) -> Reader: ...


class Endpoint(Protocol):
    dialect: Dialect
    surface: Surface
    backend_path: str
    pings: bool
    """Whether its streams know signs of life."""

    def parse(self, body: bytes) -> InferenceRequest:
        """Raises BadRequest that names the field, and PresetNamed."""
        ...

    def with_preset(self, body: bytes, preset: PresetEntry) -> bytes:
        """A request that named this preset, with what it adds and without its name."""
        ...

    def transcript(self) -> Transcript:
        """For an answer that has not begun."""
        ...
