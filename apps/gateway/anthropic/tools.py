"""Tools and the choice among them, from Anthropic's form into OpenAI's. Pure.

A tool that the client defines becomes a function. One of Anthropic's own types (web_search_…, bash_…, computer_…) runs on its servers
or is known to its models alone: it is refused by name, since no other model could call it right. The exception is tool search: without
it every tool that waits to be found is offered at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from apps.gateway.openai.fields import parse_part, refuse

ToolName = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_.:-]+$")]
SEARCH = "tool_search_tool_"


class ToolDefinition(msgspec.Struct):
    """`type` is missing or `custom` for a tool of the client's own."""

    name: str | None = None
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, msgspec.Raw] | None = None
    strict: bool | None = None
    defer_loading: bool | None = None


class ToolChoice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _ChangedTool(msgspec.Struct):
    type: str
    name: str | None = None
    definition: ToolDefinition | None = None


class _Change(msgspec.Struct):
    type: str
    tool: _ChangedTool | None = None


_decode_change = msgspec.json.Decoder(_Change)
_decode_name = msgspec.json.Decoder(ToolName)
CHOICES = {"auto": "auto", "any": "required", "none": "none"}


@dataclass(slots=True)
class ToolChanges:
    """What messages say of tools: which were found or brought in after the start, and which were withdrawn."""

    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    defined: dict[str, ToolDefinition] = field(default_factory=dict)

    def add(self, name: str) -> None:
        self.added.add(name)
        self.removed.discard(name)

    def take(self, raw: msgspec.Raw, place: str) -> bool:
        """Notes a block of a system message; False when it is not about tools. Raises BadRequest."""
        change = parse_part(_decode_change, raw, place)
        if change.type not in ("tool_addition", "tool_removal"):
            return False
        tool = change.tool
        if tool is None:
            raise refuse(f"{place}.tool", "this field is required")
        if tool.definition is not None:
            if tool.definition.name is None:
                raise refuse(f"{place}.tool.definition.name", "this field is required")
            self.defined[tool.definition.name] = tool.definition
            self.add(tool.definition.name)
        elif tool.name is not None and change.type == "tool_addition":
            self.add(tool.name)
        elif tool.name is not None:
            self.removed.add(tool.name)
        return True


def translate(tools: list[ToolDefinition] | None, choice: ToolChoice | None, changes: ToolChanges) -> dict[str, Any]:
    """The request's `tools`, `tool_choice` and `parallel_tool_calls`, as far as there are any. Raises BadRequest."""
    named: dict[str, tuple[str, ToolDefinition]] = {}
    searched = False
    places = [(f"tools[{number}]", tool) for number, tool in enumerate(tools or ())]
    for place, tool in [*places, *(("messages", tool) for tool in changes.defined.values())]:
        if tool.type is not None and tool.type.startswith(SEARCH):
            searched = True
            continue
        name = _checked_name(tool, place)
        if name in named and place != "messages":
            raise refuse(f"{place}.name", f"there are two tools of the name {name!r}")
        named[name] = (place, tool)
    wanted = choice.name if choice is not None and choice.type == "tool" else None
    offered = {
        name: tool
        for name, (_, tool) in named.items()
        if name not in changes.removed and (searched or not tool.defer_loading or name in changes.added or name == wanted)
    }
    if choice is not None and choice.type == "tool" and wanted not in offered:
        raise refuse("tool_choice.name", f"{wanted!r} is not the name of one of the tools")
    if not offered:
        if choice is not None and choice.type == "any":
            raise refuse("tool_choice", "'any' needs at least one tool")
        return {}
    fields: dict[str, Any] = {"tools": [_function(name, tool) for name, tool in offered.items()]}
    if choice is not None:
        fields["tool_choice"] = {"type": "function", "function": {"name": wanted}} if wanted else CHOICES[choice.type]
        if choice.disable_parallel_tool_use:
            fields["parallel_tool_calls"] = False
    return fields


def _checked_name(tool: ToolDefinition, place: str) -> str:
    if tool.type not in (None, "custom"):
        raise refuse(
            f"{place}.type",
            f"{tool.type!r} is a tool of Anthropic's own that only its servers and models can run. "
            "Define a tool with a name, a description and an input_schema instead, and run it yourself",
        )
    if tool.name is None:
        raise refuse(f"{place}.name", "this field is required")
    if tool.input_schema is None:
        raise refuse(f"{place}.input_schema", "this field is required")
    return parse_part(_decode_name, msgspec.Raw(msgspec.json.encode(tool.name)), f"{place}.name")


def _function(name: str, tool: ToolDefinition) -> dict[str, Any]:
    function: dict[str, Any] = {"name": name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}
