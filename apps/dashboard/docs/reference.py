"""The API reference: operations out of the OpenAPI schema, made once a process and not before somebody looks, since it takes a second."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator

from apps.core.code_samples import Sample

GROUPS = {"inference": "Inference", "models": "Models", "keys": "API keys", "presets": "Presets", "billing": "Credits and transactions", "usage": "Usage and inferences"}  # fmt: skip
DEEPEST = 4  # how far an example follows objects within objects
MANAGEMENT = "/api/v1/"
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter of an address (`place`: path or query) or a field of a body (`place`: body)."""

    name: str
    place: str
    type: str
    required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Operation:
    """`example` is a body to begin with, as JSON; empty without one. `management`: it takes a management key, or a session."""

    anchor: str
    method: str
    path: str
    title: str
    text: str
    parameters: Sequence[Field]
    body: Sequence[Field]
    example: str
    answers: Sequence[tuple[str, str]]
    needs_key: bool
    management: bool
    sample: Sample


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    anchor: str
    operations: Sequence[Operation]


def reference() -> Sequence[Group]:
    """All operations in groups. Of many who ask at once one makes it."""
    with _lock:
        return _made()


@lru_cache(maxsize=1)
def _made() -> Sequence[Group]:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    found: dict[str, list[Operation]] = {tag: [] for tag in GROUPS}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            tag = operation["tags"][0]
            found.setdefault(tag, []).append(_operation(schema, path, method.upper(), operation))
    return [Group(GROUPS.get(tag, tag.capitalize()), tag, operations) for tag, operations in found.items() if operations]


def _operation(schema: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Operation:
    parameters = [
        Field(one["name"], one["in"], _type(schema, one["schema"]), bool(one.get("required")), one.get("description", ""))
        for one in operation.get("parameters", [])
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    example = json.dumps(_example(schema, body), indent=2, ensure_ascii=False) if body is not None else ""
    return Operation(
        anchor=operation["operationId"].replace("_", "-"),
        method=method,
        path=path,
        title=operation.get("summary", operation["operationId"]),
        text=operation.get("description", ""),
        parameters=parameters,
        body=_fields(schema, body) if body is not None else [],
        example=example,
        answers=[(status, answer.get("description", "")) for status, answer in operation["responses"].items()],
        needs_key=bool(operation.get("security")),
        management=path.startswith(MANAGEMENT),
        sample=_sample(path, method, example, bool(operation.get("security"))),
    )


def _resolved(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a `$ref` stands for, or the one of several choices that says most: the first that is not null."""
    if "$ref" in part:
        return _resolved(schema, schema["components"]["schemas"][part["$ref"].rpartition("/")[2]])
    for choices in (part.get("allOf"), part.get("anyOf"), part.get("oneOf")):
        if choices:
            return _resolved(schema, next((one for one in choices if one.get("type") != "null"), choices[0]))
    return part


def _type(schema: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    """`string`, `array of object`, `integer or null`, or the values that there are."""
    if choices := part.get("anyOf") or part.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(schema, one) for one in choices))
    whole = _resolved(schema, part)
    if "enum" in whole:
        return ", ".join("null" if value is None else str(value) for value in whole["enum"])
    if "const" in whole:
        return str(whole["const"])
    kind = whole.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    return f"array of {_type(schema, whole['items'])}" if kind == "array" and whole.get("items") else str(kind)


def _fields(schema: Mapping[str, Any], body: Mapping[str, Any]) -> list[Field]:
    whole = _resolved(schema, body)
    required = set(whole.get("required", ()))
    fields = [Field(name, "body", _type(schema, part), name in required, part.get("description", "")) for name, part in whole.get("properties", {}).items()]  # fmt: skip
    return sorted(fields, key=lambda one: not one.required)


def _example(schema: Mapping[str, Any], part: Mapping[str, Any], depth: int = 0) -> Any:
    """A value of the schema: of objects what is required."""
    whole = _resolved(schema, part)
    for given in ("example", "const", "default"):
        if given in whole:
            return whole[given]
    if whole.get("enum"):
        return whole["enum"][0]
    kind = whole.get("type")
    if kind == "object" or "properties" in whole:
        wanted = whole.get("required", ()) if depth < DEEPEST else ()
        return {name: WORDS.get(name) or _example(schema, whole["properties"][name], depth + 1) for name in wanted}
    if kind == "array":
        return [_example(schema, whole["items"], depth + 1)] if whole.get("items") and depth < DEEPEST else []
    return {"integer": whole.get("minimum", 1), "number": 1, "boolean": True, "string": "text"}.get(str(kind))


# What the fields of these names are in an example.
WORDS: Mapping[str, Any] = {
    "model": "akashml/docs-assistant",
    "messages": [{"role": "user", "content": "What does a refused request cost?"}],
    "max_tokens": 256,
    "prompt": "What does a refused request cost?",
    "name": "ci",
    "slug": "my-preset",
}


def _sample(path: str, method: str, example: str, needs_key: bool) -> Sample:
    management = path.startswith(MANAGEMENT)
    lines = [f"curl {settings.BASE_URL if management else settings.API_BASE_URL}{path}"]
    lines += [f"-X {method}"] if method not in ("GET", "POST") or (method == "POST" and not example) else []
    lines += [f'-H "Authorization: Bearer $AKASHML_{"MANAGEMENT" if management else "API"}_KEY"'] if needs_key else []
    if example:
        lines += ['-H "Content-Type: application/json"', "-d '" + example.replace("'", "'\\''") + "'"]
    return Sample("curl", "curl", " \\\n  ".join(lines))
