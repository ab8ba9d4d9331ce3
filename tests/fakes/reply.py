"""A model's reply in the shapes vLLM gives it: chat and text completions, whole and streamed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.actions import Action
from tests.fakes.answers import Answer, Framing, Point, dumps
from tests.fakes.records import Record


class _Omit:
    """Leaves a field out; one that reads the same in every process, since test ids are made of it."""

    def __repr__(self) -> str:
        return "OMIT"


OMIT: Any = _Omit()
"""For `usage`: report none."""


@dataclass(frozen=True)
class Sse:
    """How events are written down. All these forms are valid SSE."""

    newline: str = "\n"
    prefix: str = "data: "
    before_each: str = ""
    """Lines before each event's data, such as ": comment" or "event: message"."""
    multiline: bool = False
    """Spread the JSON over several data lines."""

    def event(self, data: str) -> bytes:
        lines = [*self.before_each.splitlines(), *(self.prefix + line for line in data.split("\n"))]
        return (self.newline.join(lines) + self.newline * 2).encode()

    def json(self, value: Any) -> bytes:
        text = dumps(value)
        # Breaks only where JSON has no string open: after the first brace and before the last.
        return self.event(f"{text[0]}\n{text[1:-1]}\n{text[-1]}" if self.multiline else text)


@dataclass(frozen=True)
class Reply:
    """What the model says and how it is sent. Counts are tokens, delays seconds.

    Points of a streamed reply: before_headers, before_role (chat), before_chunk:0, before_chunk:1, ..., before_finish,
    before_usage (when usage is sent), before_done, before_end. Of a whole one: before_headers, before_body, before_end.
    """

    text: str = "Hello"
    chunks: Sequence[str] | None = None
    """The text in pieces; by default one piece a word. With `text` left out they make up the text."""
    reasoning: str = ""
    reasoning_field: str = "reasoning_content"
    tool_calls: Sequence[Mapping[str, str]] = ()
    """Each with `name`, `arguments` (a str of JSON) and perhaps `id`."""
    finish_reason: str | None = None
    model: str | None = None
    """By default what the request asked for."""
    id: str | None = None
    created: int = 1_700_000_000
    prompt_tokens: int = 10
    completion_tokens: int | None = None
    """By default one for each piece of reasoning, text and tool call, of each choice."""
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage: Any = ...
    """Any JSON in place of the usage object, or OMIT."""
    usage_every_chunk: bool = False
    """As vLLM with continuous_usage_stats, which a request can ask for too."""
    usage_unasked: bool = False
    """Send the usage chunk even when the request did not ask for it."""
    done: bool = True
    """Whether a stream ends in `data: [DONE]`."""
    obey_max_tokens: bool = False
    """Stop after the request's max_tokens pieces with finish_reason "length"."""
    delay_s: float = 0.0
    """Before each chunk of a stream; its sum before a whole answer."""
    sse: Sse = field(default_factory=Sse)
    status: int = 200
    headers: Mapping[str, str | None] = field(default_factory=dict)
    framing: Framing | None = None
    """By default "chunked" for streams, "length" else."""
    split: int | Sequence[int] | None = None
    """Cut the body every so many bytes, or at these offsets only, without regard to events or characters."""
    split_delay_s: float = 0.0
    gzip: bool = False
    insert: Mapping[Point, bytes] = field(default_factory=dict)
    """Bytes to put in before what follows a point (raw: use `sse(...)` for a proper event)."""
    trailing: bytes = b""
    """After everything, [DONE] included."""
    at: Mapping[Point, Action] = field(default_factory=dict)

    def answer(self, request: Record) -> Answer:
        fields = request.fields
        shape = _Shape(self, fields, chat="chat" in request.path)
        stream = fields.get("stream") is True
        answer = self._streamed(shape, fields) if stream else self._whole(shape)
        answer.status, answer.at, answer.piece_delay_s = self.status, self.at, self.split_delay_s
        if self.framing is not None:
            answer.framing = self.framing
        for point, data in sorted(self.insert.items(), key=lambda item: answer.offset(item[0]), reverse=True):
            answer.insert(point, data)
        answer.set_headers(self.headers)
        if self.gzip:
            answer.gzip()
        if self.split is not None:
            answer.split(self.split)
        return answer

    def _whole(self, shape: _Shape) -> Answer:
        body = {**shape.envelope(stream=False), "choices": shape.choices()}
        if shape.usage is not OMIT:
            body["usage"] = shape.usage
        answer = Answer(headers=[("content-type", "application/json")])
        answer.add(dumps(body).encode() + self.trailing, "before_json", self.delay_s * len(shape.pieces))
        return answer

    def _streamed(self, shape: _Shape, fields: Mapping[str, Any]) -> Answer:
        options = fields.get("stream_options")
        options = options if isinstance(options, dict) else {}
        every_chunk = self.usage_every_chunk or options.get("continuous_usage_stats") is True
        answer = Answer(headers=[("content-type", "text/event-stream; charset=utf-8")], framing="chunked")
        envelope = shape.envelope(stream=True)

        def add(mark: str, choices: Sequence[Any], usage: Any, delay_s: float = 0.0) -> None:
            chunk = {**envelope, "choices": choices}
            if usage is not OMIT:
                chunk["usage"] = usage
            answer.add(self.sse.json(chunk), mark, delay_s)

        def running(done: int) -> Any:
            return shape.usage_after(done) if every_chunk else OMIT

        if shape.chat:
            add("before_role", [shape.delta(i, {"role": "assistant", "content": ""}) for i in range(shape.n)], running(0))
        for number, piece in enumerate(shape.pieces):
            add(f"before_chunk:{number}", [shape.delta(i, piece) for i in range(shape.n)], running(number + 1), self.delay_s)
        add("before_finish", [shape.delta(i, {}, shape.finish_reason) for i in range(shape.n)], running(len(shape.pieces)))
        if (options.get("include_usage") is True or self.usage_unasked) and shape.usage is not OMIT:
            add("before_usage", [], shape.usage)
        if self.done:
            answer.add(self.sse.event("[DONE]"), "before_done")
        if self.trailing:
            answer.add(self.trailing, "before_trailing")
        return answer


class _Shape:
    """The parts of a reply to one request, from which both forms are put together."""

    def __init__(self, reply: Reply, fields: Mapping[str, Any], chat: bool) -> None:
        self.reply, self.fields, self.chat = reply, fields, chat
        prompt = fields.get("prompt")
        prompts = len(prompt) if not chat and isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1
        n = fields.get("n")
        self.n = prompts * (n if isinstance(n, int) and n > 0 else 1)
        self.pieces = list(self._pieces())
        self.finish_reason = reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")
        limit = fields.get("max_completion_tokens", fields.get("max_tokens"))
        if reply.obey_max_tokens and isinstance(limit, int) and limit < len(self.pieces):
            del self.pieces[limit:]
            self.finish_reason = "length"
        self.usage = self.usage_after(len(self.pieces)) if reply.usage is ... else reply.usage

    def _pieces(self) -> Iterator[dict[str, Any]]:
        """Deltas one after another: reasoning, text, tool calls."""
        reply = self.reply
        for word in _words(reply.reasoning):
            yield {reply.reasoning_field: word}
        for word in _words(reply.text) if reply.chunks is None else reply.chunks:
            yield {"content": word}
        for index, call in enumerate(reply.tool_calls):
            function = {"name": call["name"], "arguments": ""}
            yield {"tool_calls": [{"index": index, "id": call.get("id", f"call_{index}"), "type": "function", "function": function}]}
            for part in re.findall(r".{1,8}", call["arguments"], re.DOTALL):
                yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}

    def envelope(self, stream: bool) -> dict[str, Any]:
        kind = ("chat.completion.chunk" if stream else "chat.completion") if self.chat else "text_completion"
        reply = self.reply
        return {
            "id": reply.id or ("chatcmpl-fake" if self.chat else "cmpl-fake"),
            "object": kind,
            "created": reply.created,
            "model": reply.model or self.fields.get("model"),
        }

    def delta(self, index: int, piece: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": index}
        if self.chat:
            choice["delta"] = dict(piece)
        else:
            choice["text"] = piece.get("content", "")
        choice |= {"logprobs": self._logprobs([piece]) if piece.get("content") else None, "finish_reason": finish_reason}
        if finish_reason:
            choice["stop_reason"] = None
        return choice

    def choices(self) -> list[dict[str, Any]]:
        texts = [piece["content"] for piece in self.pieces if "content" in piece]
        reasoning = "".join(piece.get(self.reply.reasoning_field, "") for piece in self.pieces)
        end = {"logprobs": self._logprobs(self.pieces), "finish_reason": self.finish_reason, "stop_reason": None}
        if not self.chat:
            return [{"index": index, "text": "".join(texts), **end} for index in range(self.n)]
        calls = [
            {"id": call.get("id", f"call_{index}"), "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
            for index, call in enumerate(self.reply.tool_calls)
        ]
        message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
        if reasoning:
            message[self.reply.reasoning_field] = reasoning
        if calls:
            message["tool_calls"] = calls
        return [{"index": index, "message": message, **end} for index in range(self.n)]

    def usage_after(self, pieces: int) -> dict[str, Any]:
        """Usage when so many pieces are out."""
        reply = self.reply
        completion = pieces * self.n if reply.completion_tokens is None else reply.completion_tokens
        usage: dict[str, Any] = {
            "prompt_tokens": reply.prompt_tokens,
            "total_tokens": reply.prompt_tokens + completion,
            "completion_tokens": completion,
        }
        if reply.cached_tokens is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": reply.cached_tokens}
        if reply.reasoning_tokens is not None:
            usage["completion_tokens_details"] = {"reasoning_tokens": reply.reasoning_tokens}
        return usage

    def _logprobs(self, pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        asked = self.fields.get("logprobs")
        if asked is None or asked is False:
            return None
        texts = [piece["content"] for piece in pieces if "content" in piece]
        if self.chat:
            return {"content": [{"token": text, "logprob": -0.5, "bytes": list(text.encode()), "top_logprobs": []} for text in texts]}
        offsets = [sum(map(len, texts[:i])) for i in range(len(texts))]
        return {"text_offset": offsets, "token_logprobs": [-0.5] * len(texts), "tokens": texts, "top_logprobs": [None] * len(texts)}


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)
