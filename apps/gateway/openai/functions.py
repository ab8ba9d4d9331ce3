"""The deprecated `functions` and `function_call`, translated to tools for the backend and back for the client. Pure.

The old form has one call an answer, so parallel calls are switched off and the first call is the one that is shown.
"""

from __future__ import annotations

from typing import Any


def to_tools(fields: dict[str, Any]) -> None:
    """Rewrites a request's decoded fields: functions → tools, function_call → tool_choice, and both kinds of messages."""
    functions = fields.pop("functions", None)
    choice = fields.pop("function_call", None)
    if functions:
        fields["tools"] = [{"type": "function", "function": function} for function in functions]
        fields["parallel_tool_calls"] = False
        if isinstance(choice, dict):
            fields["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
        elif choice is not None:
            fields["tool_choice"] = choice
    messages_to_tools(fields["messages"])


def messages_to_tools(messages: list[dict[str, Any]]) -> None:
    """An assistant's function_call becomes a tool call with an id made from its place, and the function's answer refers to it."""
    last_call = ""
    for number, message in enumerate(messages):
        if call := message.pop("function_call", None):
            last_call = f"call_{number}"
            arguments = call.get("arguments") or "{}"
            message["tool_calls"] = [{"id": last_call, "type": "function", "function": {"name": call["name"], "arguments": arguments}}]
        elif message.get("role") == "function":
            message["role"] = "tool"
            message["tool_call_id"] = last_call or f"call_{number}"


def from_tools(choice: dict[str, Any]) -> None:
    """Rewrites one choice of an answer or of a chunk: the first tool call is the function call."""
    carrier = choice.get("delta") or choice.get("message")
    if isinstance(carrier, dict) and isinstance(calls := carrier.pop("tool_calls", None), list):
        first = next((call for call in calls if isinstance(call, dict) and call.get("index", 0) == 0), None)
        if first is not None and isinstance(first.get("function"), dict):
            carrier["function_call"] = first["function"]
    if choice.get("finish_reason") == "tool_calls":
        choice["finish_reason"] = "function_call"
