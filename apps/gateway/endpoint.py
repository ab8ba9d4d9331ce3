"""What the story asks of an endpoint, whatever its dialect: a parser of requests, and of each request what it may cost, how a backend
gets it, and how its answer is read."""

from __future__ import annotations

from typing import Protocol

from apps.catalog.snapshot import BackendEntry, ModelEntry
from apps.gateway.openai.answers import AnswerReader
from apps.usage.models import Dialect


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

    def reader(self, model: ModelEntry, backend: BackendEntry) -> AnswerReader: ...


class Endpoint(Protocol):
    dialect: Dialect
    backend_path: str

    def parse(self, body: bytes) -> InferenceRequest:
        """Raises BadRequest that names the field."""
        ...
