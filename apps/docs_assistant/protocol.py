"""What clients send: OpenAI's request bodies as structs, and the checks that types alone cannot state.

Everything that is wrong with a request is a RequestError that names the field. Fields that no rule here mentions
(sampling, tools on offer, user, …) have no effect on a search and are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from apps.docs_assistant import tokenizer

MODEL_ID = "akashml/docs-assistant"
MODEL_NAMES = (MODEL_ID, "docs-assistant")
CONTEXT_LENGTH = 131_072  # tokens, prompt and answer together
MAX_PROMPTS = 8
TEXT_PARTS = ("text", "input_text", "output_text", "refusal")

Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Body = TypeVar("Body", bound=Struct)


class RequestError(Exception):
    """A request that cannot be served: the status and OpenAI's error fields."""

    def __init__(self, message: str, param: str | None = None, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.status, self.code = message, param, status, code

    def body(self) -> dict[str, Any]:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


class Part(Struct):
    type: str
    text: str | None = None
    refusal: str | None = None


class Message(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    def text(self, path: str) -> str:
        """The text of the content, parts joined by a line end. RequestError for parts that are not text."""
        if isinstance(self.content, str) or self.content is None:
            return self.content or ""
        for number, part in enumerate(self.content):
            if part.type not in TEXT_PARTS:
                raise RequestError(
                    f"{path}.content[{number}].type: this model reads text only, not {part.type!r}.", f"{path}.content[{number}].type"
                )
        return "\n".join(part.text or part.refusal or "" for part in self.content)


class StreamOptions(Struct):
    include_usage: bool | None = None


class ResponseFormat(Struct):
    type: str


class Generation(Struct, kw_only=True):
    """The fields that both kinds of completion have."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Positive | None = None
    max_tokens: Positive | None = None
    stop: str | list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    def check(self) -> None:
        """RequestError for what is well-formed but cannot be served."""
        check_model(self.model)
        if self.n not in (None, 1):
            raise RequestError("n: this model gives one answer; send 1 or leave it out.", "n")
        if self.stream_options is not None and not self.stream:
            raise RequestError("stream_options: only allowed together with stream: true.", "stream_options")
        if len(self.stops()) > 4 or "" in self.stops():
            raise RequestError("stop: send at most 4 sequences, none of them empty.", "stop")


class ChatRequest(Generation, kw_only=True):
    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Positive | None = None
    logprobs: bool | None = None
    response_format: ResponseFormat | None = None
    tool_choice: str | dict[str, Any] | None = None

    def check(self) -> None:
        super().check()
        if self.logprobs:
            raise RequestError("logprobs: a search has no token probabilities; leave it out.", "logprobs")
        if self.response_format and self.response_format.type != "text":
            raise RequestError(
                'response_format: this model answers in text only; send {"type": "text"} or leave it out.', "response_format"
            )
        if self.tool_choice not in (None, "auto", "none"):
            raise RequestError('tool_choice: this model calls no tools; send "auto" or "none" or leave it out.', "tool_choice")

    def conversation(self) -> list[tuple[str, str]]:
        return conversation(self.messages)


class CompletionRequest(Generation, kw_only=True):
    prompt: str | list[str | int | list[int]]
    logprobs: int | None = None
    echo: bool | None = None
    best_of: Positive | None = None
    suffix: str | None = None

    def check(self) -> None:
        super().check()
        for name, idle in (("logprobs", None), ("echo", False), ("best_of", 1), ("suffix", "")):
            if getattr(self, name) not in (None, idle):
                raise RequestError(f"{name}: not supported by this model; leave it out.", name)

    def prompts(self) -> list[str]:
        """The prompts as texts: a string, a list of strings, token ids, or a list of lists of token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if not self.prompt:
            raise RequestError("prompt: the list is empty.", "prompt")
        if all(isinstance(each, int) for each in self.prompt):
            return [_from_ids(self.prompt, "prompt")]
        if len(self.prompt) > MAX_PROMPTS:
            raise RequestError(f"prompt: at most {MAX_PROMPTS} prompts in one request.", "prompt")
        if any(isinstance(each, int) for each in self.prompt):
            raise RequestError("prompt: send strings or token ids, not both in one list.", "prompt")
        return [each if isinstance(each, str) else _from_ids(each, f"prompt[{number}]") for number, each in enumerate(self.prompt)]


class TokenizeRequest(Struct):
    model: str | None = None
    prompt: str | None = None
    messages: list[Message] | None = None

    def token_ids(self) -> list[int]:
        if self.model is not None:
            check_model(self.model)
        if (self.prompt is None) == (self.messages is None):
            raise RequestError("prompt: send either prompt (a text) or messages.", "prompt")
        if self.prompt is not None:
            count_prompt([self.prompt], 0, "prompt")
            return tokenizer.encode(self.prompt)
        messages = conversation(self.messages or [])
        count_prompt([text for _, text in messages], tokenizer.MESSAGE_OVERHEAD * len(messages), "messages")
        return tokenizer.encode_messages(messages)


def conversation(messages: list[Message]) -> list[tuple[str, str]]:
    """Messages as (role, text) pairs."""
    return [(message.role, message.text(f"messages[{number}]")) for number, message in enumerate(messages)]


def check_model(name: str) -> None:
    if name not in MODEL_NAMES:
        raise RequestError(f"model: this server has {MODEL_ID!r} only, not {name[:100]!r}.", "model", status=404, code="model_not_found")


def count_prompt(texts: Sequence[str], overhead: int, param: str) -> int:
    """Tokens of a prompt's texts and their overhead. RequestError when the context cannot hold them."""
    tokens = tokenizer.fewest(sum(map(len, texts)))
    if tokens < CONTEXT_LENGTH:  # else not worth the time of an exact count
        tokens = overhead + sum(map(tokenizer.count, texts))
    if tokens >= CONTEXT_LENGTH:
        message = f"{param}: this model's context is {CONTEXT_LENGTH} tokens, the request has {tokens} or more. Send less text."
        raise RequestError(message, param, code="context_length_exceeded")
    return tokens


def parse(body: bytes, kind: type[Body]) -> Body:
    """A request body as a struct. RequestError that names the field when it is not one."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _field_error(str(error)) from None
    except RecursionError:
        raise RequestError("The body is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"The body is not valid JSON: {error}.") from None


def _field_error(message: str) -> RequestError:
    """msgspec's message ("Expected `int`, got `str` - at `$.n`") with the field in front."""
    problem, _, place = message.partition(" - at ")
    field = re.sub(r"^\$\.?", "", place.strip("`"))
    missing = re.search(r"missing required field `(\w+)`", problem)
    if missing:
        field = f"{field}.{missing[1]}".lstrip(".")
        return RequestError(f"{field}: this field is required.", field)
    return RequestError(
        f"{field}: {problem[:1].lower()}{problem[1:]}." if field else f"The body: {problem[:1].lower()}{problem[1:]}.", field or None
    )


def _from_ids(ids: Any, path: str) -> str:
    try:
        return tokenizer.decode(ids)
    except ValueError as error:
        raise RequestError(f"{path}: {error}.", path) from None
