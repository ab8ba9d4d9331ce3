"""What each field of the inference API's requests means, and an example of each of their answers, added to the schema when it is made.

The structures that parse requests (apps/gateway) stay without words: they are loaded by every gateway process, the schema is made by few.
tests/docs/test_the_reference_is_the_schema.py holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# By a field's name, in whichever request it stands.
EVERYWHERE: Mapping[str, str] = {
    "best_of": "Answers that are produced, of which the best are returned. Each is charged.",
    "echo": "Repeats the prompt before its continuation.",
    "frequency_penalty": "Above 0 it makes a token less likely the more often it came.",
    "function_call": "The old form of `tool_choice`.",
    "functions": "The old form of `tools`. Not together with them.",
    "logit_bias": "Token ids, each with how much more (up to 100) or less (down to −100) likely it is made.",
    "logprobs": "The probabilities of the tokens that were chosen.",
    "max_completion_tokens": "The most tokens to produce, reasoning included. It counts before `max_tokens`; more than the model can write is cut to that.",
    "max_tokens": "The most tokens to produce, reasoning included. More than the model can write is cut to that.",
    "messages": "The conversation so far, oldest first.",
    "metadata": "About the request; only `user_id` is read.",
    "min_p": "Leaves out tokens less likely than this share of the likeliest one.",
    "modalities": "What the answer may hold.",
    "model": "The id of the model, as `GET /v1/models` lists it. Required, unless `preset` names one that has it.",
    "n": "How many answers to produce. Each is charged.",
    "output_config": "How much effort to spend, and the shape of the answer.",
    "output_format": "The older place of `output_config.format`.",
    "parallel_tool_calls": "Whether several tools may be called at once.",
    "presence_penalty": "Above 0 it makes tokens that came already less likely.",
    "preset": "The slug of a preset of the account: it fills in what the request leaves out.",
    "prompt": "The text to continue; or several, as texts or as token ids, up to 128.",
    "reasoning": "How much to think, and whether the thinking is shown.",
    "reasoning_effort": "How much to think.",
    "repetition_penalty": "Above 1 it makes tokens that came already less likely, prompt included.",
    "response_format": "Text, JSON, or JSON by a schema.",
    "seed": "For answers that can be repeated, as far as the engine manages.",
    "service_tier": "Taken for the sake of clients; there is one tier.",
    "stop": "Up to 16 texts at which the answer ends. They are no part of it.",
    "stop_sequences": "Texts at which the answer ends. They are no part of it.",
    "stream": "The answer as server-sent events while it is written.",
    "stream_options": "What a stream brings besides.",
    "suffix": "The text that follows what is written.",
    "system": "The system prompt: a text, or a list of text blocks.",
    "temperature": "Higher is more random, lower more predictable.",
    "thinking": "Whether the model thinks, and for how many tokens.",
    "tool_choice": "Whether tools may or must be called, or which one.",
    "tools": "Functions that the model may call.",
    "top_k": "Chooses among so many of the likeliest tokens.",
    "top_logprobs": "With `logprobs`: how many alternatives are told of each token.",
    "top_p": "Chooses among the likeliest tokens that make up this share.",
    "user": "Your own name for who asks; passed on to the backend.",
}
# By component and field, where a name means something of its own there.
OF_COMPONENTS: Mapping[str, Mapping[str, str]] = {
    "CompletionRequest": {"logprobs": "How many alternatives are told of each token.", "max_tokens": "The most tokens to produce."},
    "MessagesRequest": {"max_tokens": "The most tokens to produce, thinking included. Required, unless `preset` names one that has it."},
    "Message": {
        "role": "Who speaks.",
        "content": "A text, or a list of parts: text, pictures and, by model, others. Null beside tool calls.",
        "name": "A name of who speaks, to tell several apart.",
        "tool_calls": "Of an assistant's message: the tools it called.",
        "tool_call_id": "Of a tool's message: the call that it answers.",
        "function_call": "The old form of `tool_calls`.",
    },
    "InputMessage": {
        "role": "Who speaks.",
        "content": "A text, or a list of blocks: text, pictures, tool calls and their results.",
        "output_config": "In a system message: the effort from here on.",
        "clear_at": "A system message with `next_user_message` is left out once the user has spoken again.",
    },
    "ToolCall": {"id": "The call's own id, which its answer names.", "function": "What is called.", "type": "The kind of tool."},
    "FunctionCall": {"name": "The function's name.", "arguments": "Its arguments as a text of JSON."},
    "Tool": {"function": "The function and its parameters.", "type": "The kind of tool."},
    "Function": {
        "name": "What the model calls it by.",
        "description": "What it does and when to call it, for the model.",
        "parameters": "Its parameters as JSON Schema.",
        "strict": "Whether arguments must keep to the schema, where the backend can see to it.",
    },
    "NamedTool": {"function": "The function that must be called.", "type": "The kind of tool."},
    "NamedFunction": {"name": "The name of the function that must be called."},
    "ResponseFormat": {
        "type": "`text`, `json_object` or `json_schema`.",
        "json_schema": "With type `json_schema`: the schema and its name.",
    },
    "JsonSchema": {
        "name": "A name of the schema, for the model.",
        "schema": "JSON Schema that the answer keeps to.",
        "description": "What the answer is for, for the model.",
        "strict": "Whether the schema must be kept to the letter, where the backend can see to it.",
    },
    "Reasoning": {
        "effort": "How much to think.",
        "max_tokens": "The most tokens to think with.",
        "exclude": "Leaves the thinking out of the answer. It is produced and charged all the same.",
        "enabled": "Switches thinking on or off.",
    },
    "Thinking": {
        "type": "`enabled`, `disabled` or `adaptive`: the model decides.",
        "budget_tokens": "The most tokens to think with.",
        "display": "`omitted` leaves the thinking's text out of the answer.",
    },
    "ToolDefinition": {
        "name": "What the model calls it by.",
        "type": "Left out or `custom`.",
        "description": "What it does and when to call it, for the model.",
        "input_schema": "Its parameters as JSON Schema.",
        "strict": "Whether arguments must keep to the schema, where the backend can see to it.",
        "defer_loading": "It is offered once the conversation or `tool_choice` has named it.",
    },
    "ToolChoice": {
        "type": "Whether tools may or must be called.",
        "name": "With type `tool`: the tool that must be called.",
        "disable_parallel_tool_use": "Calls one tool at a time.",
    },
    "OutputConfig": {"effort": "How much to think.", "format": "A schema that the answer keeps to."},
    "OutputFormat": {"type": "The kind of schema.", "schema": "JSON Schema that the answer keeps to."},
    "StreamOptions": {"include_usage": "A last chunk with the token counts."},
    "Metadata": {"user_id": "Your own name for who asks; passed on to the backend."},
}
REQUESTS = ("ChatCompletionRequest", "CompletionRequest", "MessagesRequest", "CountTokensRequest")
_USAGE = {"prompt_tokens": 21, "completion_tokens": 12, "total_tokens": 33}
_ID = "0199f3a0-6c1e-7a51-9c2d-5b7f3e8a4d10"
_MODEL = "akashml/docs-assistant"
_TEXT = "A refused request costs nothing."
# Of answers whose shape is another's: OpenAI's and Anthropic's.
EXAMPLES: Mapping[str, Any] = {
    "/v1/chat/completions": {
        "id": f"chatcmpl-{_ID}",
        "object": "chat.completion",
        "created": 1764324000,
        "model": _MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": _TEXT}, "finish_reason": "stop"}],
        "usage": _USAGE,
    },
    "/v1/completions": {
        "id": f"cmpl-{_ID}",
        "object": "text_completion",
        "created": 1764324000,
        "model": _MODEL,
        "choices": [{"index": 0, "text": _TEXT, "finish_reason": "stop"}],
        "usage": _USAGE,
    },
    "/anthropic/v1/messages": {
        "id": f"msg_{_ID.replace('-', '')}",
        "type": "message",
        "role": "assistant",
        "model": _MODEL,
        "content": [{"type": "text", "text": _TEXT}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 21, "cache_read_input_tokens": 0, "output_tokens": 12},
    },
}


def described(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular's for the schema that it made: words for fields that have none, and examples."""
    components = result.get("components", {}).get("schemas", {})
    for component in (*REQUESTS, *OF_COMPONENTS):
        for name, field in components.get(component, {}).get("properties", {}).items():
            text = OF_COMPONENTS.get(component, {}).get(name) or EVERYWHERE.get(name)
            if text:
                field["description"] = text
    for path, example in EXAMPLES.items():
        if operation := result["paths"].get(path):
            operation["post"]["responses"]["200"]["content"]["application/json"]["example"] = example
    return result
