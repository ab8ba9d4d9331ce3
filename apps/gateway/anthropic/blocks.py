"""Content blocks as clients send them, and the text or part that a block becomes. Pure.

Every block has a `type`; what else it carries depends on it. Fields we do not know (cache_control, citations, …) are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Annotated, Any, Literal

import msgspec

from apps.gateway.openai.fields import parse_part, refuse
from apps.gateway.openai.messages import check_image_address

Required = Annotated[str, msgspec.Meta(min_length=1)]


class Kind(msgspec.Struct):
    type: str


class Text(msgspec.Struct):
    text: str


class Source(msgspec.Struct):
    """Of an image or a document; `content` is a string or text and image blocks."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    content: str | list[msgspec.Raw] | None = None


class Image(msgspec.Struct):
    source: Source


class Document(msgspec.Struct):
    source: Source
    title: str | None = None
    context: str | None = None


class SearchResult(msgspec.Struct):
    source: str
    title: str
    content: list[Text]


class Thought(msgspec.Struct):
    thinking: str = ""
    signature: str = ""


class ToolUse(msgspec.Struct):
    id: Required
    name: Required
    input: msgspec.Raw = msgspec.Raw(b"{}")


class ToolResult(msgspec.Struct):
    tool_use_id: Required
    content: str | list[msgspec.Raw] | None = None
    is_error: bool | None = None


class ToolReference(msgspec.Struct):
    tool_name: Required


class Compaction(msgspec.Struct):
    """What stands for the messages it sums up."""

    content: str


Role = Literal["user", "assistant", "system"]
decode_kind = msgspec.json.Decoder(Kind)
decode_text = msgspec.json.Decoder(Text)
decode_image = msgspec.json.Decoder(Image)
decode_document = msgspec.json.Decoder(Document)
decode_search_result = msgspec.json.Decoder(SearchResult)
decode_thought = msgspec.json.Decoder(Thought)
decode_tool_use = msgspec.json.Decoder(ToolUse)
decode_tool_result = msgspec.json.Decoder(ToolResult)
decode_tool_reference = msgspec.json.Decoder(ToolReference)
decode_compaction = msgspec.json.Decoder(Compaction)
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw])

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


@dataclass(slots=True)
class Content:
    """What some blocks become: texts and OpenAI's parts in their order, and what a model must be able to read for them."""

    parts: list[dict[str, Any]] = field(default_factory=list)
    attachments: int = 0
    attachment_bytes: int = 0
    modalities: list[tuple[str, str]] = field(default_factory=list)  # (where, what a model must read)

    def add_text(self, text: str) -> None:
        if text:
            self.parts.append({"type": "text", "text": text})

    def add_image(self, raw: msgspec.Raw, place: str) -> None:
        """Raises BadRequest."""
        url = _image_url(parse_part(decode_image, raw, place).source, place)
        self.parts.append({"type": "image_url", "image_url": {"url": url}})
        self.attachments += 1
        self.attachment_bytes += len(url)
        self.modalities.append((place, "image"))

    def add_document(self, raw: msgspec.Raw, place: str) -> None:
        """Its text with its title, or, for a PDF, a file. Raises BadRequest."""
        document = parse_part(decode_document, raw, place)
        source = document.source
        if source.type == "base64" and source.data:
            media_type = source.media_type or "application/pdf"
            file = {"filename": document.title or "document.pdf", "file_data": f"data:{media_type};base64,{source.data}"}
            self.parts.append({"type": "file", "file": file})
            self.attachments += 1
            self.attachment_bytes += len(file["file_data"])
            self.modalities.append((place, "file"))
            return
        if source.type == "text" and source.data is not None:
            inner: str | list[msgspec.Raw] = source.data
        elif source.type == "content" and source.content is not None:
            inner = source.content
        else:
            raise refuse(
                f"{place}.source", "send a document as 'text', as 'content' or, for a PDF, as 'base64': nothing is fetched from here"
            )
        self.add_text(f'<document title="{escape(document.title or "")}">')
        self.add_text(document.context or "")
        if isinstance(inner, str):
            self.add_text(inner)
        else:
            for number, block in enumerate(inner):
                self.add(block, f"{place}.source.content[{number}]")
        self.add_text("</document>")

    def add(self, raw: msgspec.Raw, place: str) -> None:
        """A block that any role may hold. One of a type we do not know goes to the model as its JSON. Raises BadRequest."""
        kind = parse_part(decode_kind, raw, place).type
        if kind == "text":
            self.add_text(parse_part(decode_text, raw, place).text)
        elif kind == "image":
            self.add_image(raw, place)
        elif kind == "document":
            self.add_document(raw, place)
        elif kind == "search_result":
            found = parse_part(decode_search_result, raw, place)
            text = "\n".join(block.text for block in found.content)
            self.add_text(f'<search_result source="{escape(found.source)}" title="{escape(found.title)}">\n{text}\n</search_result>')
        elif kind == "compaction":
            self.add_text(parse_part(decode_compaction, raw, place).content)
        else:
            self.add_text(as_json_text(raw, place))

    @property
    def text(self) -> str:
        """The texts alone."""
        return joined(part["text"] for part in self.parts if part["type"] == "text")

    @property
    def others(self) -> list[dict[str, Any]]:
        """The parts that are no text."""
        return [part for part in self.parts if part["type"] != "text"]

    def as_openai(self) -> str | list[dict[str, Any]]:
        """A string where there is nothing but text: many chat templates know no parts."""
        return self.parts if self.others else self.text


def joined(texts: Any) -> str:
    return "\n\n".join(texts)


def as_json_text(raw: msgspec.Raw, place: str) -> str:
    """A block as its JSON, without what is sealed for somebody else."""
    fields = parse_part(_decode_object, raw, place)
    readable = {name: value for name, value in fields.items() if name != "cache_control" and not name.startswith("encrypted_")}
    return msgspec.json.encode(readable).decode()


def _image_url(source: Source, place: str) -> str:
    if source.type == "base64" and source.data:
        if source.media_type not in IMAGE_TYPES:
            raise refuse(f"{place}.source.media_type", f"expected one of {', '.join(IMAGE_TYPES)}")
        return f"data:{source.media_type};base64,{source.data}"
    if source.type == "url" and source.url and source.url.startswith(("https://", "http://", "data:")):
        check_image_address(source.url, f"{place}.source.url")
        return source.url
    raise refuse(f"{place}.source", "an image is given as 'base64' with data, or as 'url' with an address (https://)")
