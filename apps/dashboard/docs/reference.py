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
from apps.dashboard.docs.fields import Field, Unfolder

GROUPS = {"inference": "Inference", "models": "Models", "keys": "API keys", "presets": "Presets", "billing": "Credits and transactions", "usage": "Usage and inferences"}  # fmt: skip
MANAGEMENT = "/api/v1/"
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes when all went well: its fields, and an example as JSON (empty for what is no JSON)."""

    status: str
    text: str
    fields: Sequence[Field]
    about: str
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """`example` is a body to begin with, as JSON; empty without one. `about`: what the body says of itself. `given`: what may come
    when all went well; `answers`: each status with what it means. `management`: it takes a management key, or a session."""

    anchor: str
    method: str
    path: str
    title: str
    text: str
    parameters: Sequence[Field]
    body: Sequence[Field]
    about: str
    example: str
    given: Sequence[Answer]
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
    unfolder = Unfolder(schema)
    found: dict[str, list[Operation]] = {tag: [] for tag in GROUPS}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            tag = operation["tags"][0]
            found.setdefault(tag, []).append(_operation(unfolder, path, method.upper(), operation))
    return [Group(GROUPS.get(tag, tag.capitalize()), tag, operations) for tag, operations in found.items() if operations]


def _operation(unfolder: Unfolder, path: str, method: str, operation: Mapping[str, Any]) -> Operation:
    anchor = operation["operationId"].replace("_", "-")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    example = _json(unfolder.example(body, whole=False)) if body is not None else ""
    return Operation(
        anchor=anchor,
        method=method,
        path=path,
        title=operation.get("summary", operation["operationId"]),
        text=operation.get("description", ""),
        parameters=[unfolder.parameter(f"{anchor}.{one['in']}.{one['name']}", one) for one in operation.get("parameters", [])],
        body=unfolder.fields(anchor, body, "body") if body is not None else [],
        about=unfolder.about(body) if body is not None else "",
        example=example,
        given=[_answer(unfolder, anchor, status, answer) for status, answer in operation["responses"].items() if status < "300"],
        answers=[(status, answer.get("description", "")) for status, answer in operation["responses"].items()],
        needs_key=bool(operation.get("security")),
        management=path.startswith(MANAGEMENT),
        sample=_sample(path, method, example, bool(operation.get("security"))),
    )


def _answer(unfolder: Unfolder, anchor: str, status: str, answer: Mapping[str, Any]) -> Answer:
    content = answer.get("content", {}).get("application/json", {})
    schema = content.get("schema")
    example = content.get("example") or (unfolder.example(schema, whole=True) if schema else None)
    fields = unfolder.fields(f"{anchor}-{status}", schema, "answer") if schema else []
    return Answer(
        status, answer.get("description", ""), fields, unfolder.about(schema) if fields else "", _json(example) if example else ""
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _sample(path: str, method: str, example: str, needs_key: bool) -> Sample:
    management = path.startswith(MANAGEMENT)
    lines = [f"curl {settings.BASE_URL if management else settings.API_BASE_URL}{path}"]
    lines += [f"-X {method}"] if method not in ("GET", "POST") or (method == "POST" and not example) else []
    lines += [f'-H "Authorization: Bearer $AKASHML_{"MANAGEMENT" if management else "API"}_KEY"'] if needs_key else []
    if example:
        lines += ['-H "Content-Type: application/json"', "-d '" + example.replace("'", "'\\''") + "'"]
    return Sample("curl", "curl", " \\\n  ".join(lines))
