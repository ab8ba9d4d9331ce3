"""The parameters of a model as the page offers them: names from the catalogue, ranges from the structure that requests are checked by."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from apps.catalog.models import Model
from apps.gateway.openai.chat import ChatCompletionRequest
from apps.gateway.openai.reasoning import SCALE


class Control(msgspec.Struct, frozen=True):
    """`default` is what a model does without it, None where that is the model's own business."""

    name: str
    kind: str
    label: str
    help: str
    minimum: float | int | None = None
    maximum: float | int | None = None
    step: float | int | None = None
    default: Any = None
    choices: list[str] | None = None


# What our own parser does not judge is passed on as it is: there, these are what engines take.
CONTROLS = (
    Control("temperature", "number", "Temperature", "How freely words are chosen: 0 always takes the likeliest.", step=0.05),
    Control("top_p", "number", "Top P", "Chooses among the likeliest words that together have this probability.", step=0.01),
    Control("top_k", "integer", "Top K", "Chooses among this many of the likeliest words.", 1, 1000, 1),
    Control("min_p", "number", "Min P", "Leaves out words less likely than this share of the likeliest one.", 0, 1, 0.01),
    Control(
        "frequency_penalty", "number", "Frequency penalty", "Makes words less likely the more often they were used.", step=0.1, default=0
    ),
    Control("presence_penalty", "number", "Presence penalty", "Makes words less likely once they were used.", step=0.1, default=0),
    Control("repetition_penalty", "number", "Repetition penalty", "Above 1, repeats less, also of the prompt.", 0.01, 2, 0.01, 1),
    Control("max_tokens", "integer", "Max tokens", "Ends the answer after this many tokens; thinking counts.", step=1),
    Control("stop", "strings", "Stop sequences", "Ends the answer before it would write one of these texts."),
    Control("seed", "integer", "Seed", "The same seed makes answers repeatable, as far as the model's server can.", step=1),
)
REASONING = Control("reasoning_effort", "choice", "Reasoning effort", "How much the model thinks before it answers.")
FORMAT = Control("response_format", "schema", "Response format", "Asks for JSON, or for JSON that follows a schema.")
TOOLS = Control("tools", "tools", "Tools", "Functions that the model may call; you write what they return.")
FLOAT_SAFE = 2**53 - 1  # the largest integer that a page's JavaScript counts exactly


def controls_of(model: Model) -> list[Control]:
    """In the order in which a page shows them."""
    shown = [_ranged(control) for control in CONTROLS if control.name in model.supported_sampling_parameters]
    most = min(model.max_output_length or model.context_length, model.context_length)
    own = {"maximum": most, "default": min(model.default_max_output, most)}
    shown = [msgspec.structs.replace(control, **own) if control.name == "max_tokens" else control for control in shown]
    features = set(model.supported_features)
    if "reasoning" in features or model.reasoning:
        efforts = model.reasoning.get("efforts") or (SCALE if "enabled" in model.reasoning or not model.reasoning else SCALE[1:])
        shown.append(msgspec.structs.replace(REASONING, choices=[effort for effort in SCALE if effort in efforts]))
    if features & {"json_mode", "structured_outputs"}:
        formats = [
            "text",
            *(["json_object"] if "json_mode" in features else []),
            *(["json_schema"] if "structured_outputs" in features else []),
        ]
        shown.append(msgspec.structs.replace(FORMAT, choices=formats, default="text"))
    if "tools" in features:
        shown.append(TOOLS)
    return shown


@cache
def _ranged(control: Control) -> Control:
    """With the bounds of the request's own field, where it has some."""
    field = next((field for field in _fields() if field.name == control.name), None)
    kinds = field.type.types if field is not None and isinstance(field.type, inspect.UnionType) else ()
    for kind in kinds:
        if isinstance(kind, inspect.IntType | inspect.FloatType):
            low, high = kind.ge, kind.le
            return msgspec.structs.replace(
                control,
                minimum=max(low, -FLOAT_SAFE) if low is not None else control.minimum,
                maximum=min(high, FLOAT_SAFE) if high is not None else control.maximum,
            )
        if isinstance(kind, inspect.ListType) and kind.max_length is not None:
            return msgspec.structs.replace(control, maximum=kind.max_length)
    return control


@cache
def _fields() -> tuple[inspect.Field, ...]:
    structure = inspect.type_info(ChatCompletionRequest)
    assert isinstance(structure, inspect.StructType)
    return structure.fields
