"""The fields of requests and answers out of the OpenAPI schema, objects within objects unfolded, and an example of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DEEPEST = 5  # how far objects within objects are followed
MOST_DEFAULT = 60  # characters of a default that is shown
# What the fields of these names are in an example.
WORDS: Mapping[str, Any] = {
    "model": "akashml/docs-assistant",
    "messages": [{"role": "user", "content": "What does a refused request cost?"}],
    "max_tokens": 256,
    "prompt": "What does a refused request cost?",
    "name": "ci",
    "slug": "my-preset",
}
FORMATS: Mapping[str, str] = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "uuid": "0199f3a0-6c1e-7a51-9c2d-5b7f3e8a4d10",
    "uri": "https://example.com/hook",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter of an address (`place`: path or query), or a field of a body or an answer with those within it.

    `facts` say what holds of its value (values that there are, range, length, default); `about` is what its object says of itself.
    """

    anchor: str
    name: str
    place: str
    type: str
    required: bool
    text: str
    facts: Sequence[str]
    about: str
    fields: Sequence[Field]

    def everything(self) -> Iterator[Field]:
        """Itself and all within it."""
        yield self
        for one in self.fields:
            yield from one.everything()


class Unfolder:
    """Reads one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._components: Mapping[str, Mapping[str, Any]] = schema["components"]["schemas"]

    def parameter(self, anchor: str, one: Mapping[str, Any]) -> Field:
        return self._field(
            anchor, one["name"], {**one["schema"], "description": one.get("description", "")}, one["in"], bool(one.get("required"))
        )

    def fields(self, anchor: str, part: Mapping[str, Any], place: str, above: tuple[str, ...] = ()) -> list[Field]:
        """The fields of the objects that `part` may be, required ones first. What holds itself is not followed again."""
        found: list[Field] = []
        for name, whole in self._objects(part):
            if name in above or len(above) >= DEEPEST:
                continue
            required = set(whole.get("required", ()))
            ordered = sorted(whole.get("properties", {}).items(), key=lambda item: item[0] not in required)
            found += [
                self._field(f"{anchor}.{field}", field, inner, place, field in required, (*above, name))
                for field, inner in ordered
                if field not in {one.name for one in found}
            ]
        return found

    def example(self, part: Mapping[str, Any], *, whole: bool, depth: int = 0) -> Any:
        """A value of the schema: of objects everything (`whole`) or what is required."""
        if "default" in part and not whole:
            return part["default"]
        resolved = self._resolved(part)
        for given in ("example", "const", "default"):
            if given in resolved and not (whole and resolved[given] is None):
                return resolved[given]
        if resolved.get("enum"):
            return resolved["enum"][0]
        kind = self._kinds(resolved)[0]
        if kind == "object":
            properties = resolved.get("properties", {})
            wanted = (properties if whole else resolved.get("required", ())) if depth < DEEPEST else ()
            return {name: self._example_of(name, properties[name], whole, depth + 1) for name in wanted}
        if kind == "array":
            return [self.example(resolved["items"], whole=whole, depth=depth + 1)] if resolved.get("items") and depth < DEEPEST else []
        if kind == "string":
            return FORMATS.get(resolved.get("format", ""), "text")
        return {"integer": resolved.get("minimum", 1), "number": 1, "boolean": True}.get(kind)

    def _example_of(self, name: str, part: Mapping[str, Any], whole: bool, depth: int) -> Any:
        """What WORDS say of a plain field or a list; objects are unfolded."""
        unfolds = self._kinds(self._resolved(part)) == ["object"]
        return WORDS[name] if name in WORDS and not unfolds else self.example(part, whole=whole, depth=depth)

    def about(self, part: Mapping[str, Any]) -> str:
        """What the objects say of themselves."""
        return " ".join(" ".join(whole.get("description", "").split()) for _, whole in self._objects(part)).strip()

    def type(self, part: Mapping[str, Any]) -> str:
        """`string`, `array of object`, `integer or null`."""
        if choices := part.get("anyOf") or part.get("oneOf"):
            return " or ".join(dict.fromkeys(self.type(one) for one in choices))
        whole = self._resolved(part)
        kinds = self._kinds(whole)
        return " or ".join(f"array of {self.type(whole['items'])}" if kind == "array" and whole.get("items") else kind for kind in kinds)

    def _field(self, anchor: str, name: str, part: Mapping[str, Any], place: str, required: bool, above: tuple[str, ...] = ()) -> Field:
        fields = self.fields(anchor, part, place, above)
        text = part.get("description") or ""
        return Field(anchor, name, place, self.type(part), required, text, self._facts(part), self.about(part) if fields else "", fields)

    def _facts(self, part: Mapping[str, Any]) -> list[str]:
        facts: list[str] = []
        for one in self._choices(part):
            if values := one.get("enum") or ([one["const"]] if "const" in one else []):
                facts.append(
                    f"One of {', '.join(_written(value) for value in values)}" if len(values) > 1 else f"Always {_written(values[0])}"
                )
            facts += _bounds(one)
        default = part.get("default")
        if default is not None and len(written := _written(default)) <= MOST_DEFAULT:
            facts.append(f"Default {written}")
        return list(dict.fromkeys(facts))

    def _choices(self, part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """What `part` may be, each resolved; of lists also their items, with which a reader has to do."""
        whole = self._ref(part)
        if choices := whole.get("anyOf") or whole.get("oneOf") or whole.get("allOf"):
            for one in choices:
                yield from self._choices(one)
            return
        yield whole
        if whole.get("items"):
            yield from self._choices(whole["items"])

    def _objects(self, part: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
        """The objects with fields among what `part` may be or hold, each with its name."""
        return [(one.get("title") or ",".join(one["properties"]), one) for one in self._choices(part) if one.get("properties")]

    def _ref(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._ref(self._components[part["$ref"].rpartition("/")[2]]) if "$ref" in part else part

    def _resolved(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a `$ref` stands for, or of several choices the first that is not null."""
        whole = self._ref(part)
        for choices in (whole.get("allOf"), whole.get("anyOf"), whole.get("oneOf")):
            if choices:
                return self._resolved(next((one for one in choices if one.get("type") != "null"), choices[0]))
        return whole

    def _kinds(self, whole: Mapping[str, Any]) -> list[str]:
        kind = whole.get("type")
        if isinstance(kind, list):
            return [str(one) for one in kind]
        values = [*whole.get("enum", ()), *([whole["const"]] if "const" in whole else ())]
        fallback = "object" if "properties" in whole else "string" if values and all(isinstance(value, str) for value in values) else "any"
        return [str(kind or fallback)]


def _bounds(one: Mapping[str, Any]) -> list[str]:
    facts = []
    least, most = one.get("minimum"), one.get("maximum")
    if least is not None and most is not None:
        facts.append(f"{_number(least)} to {_number(most)}")
    elif least is not None:
        facts.append(f"At least {_number(least)}")
    elif "exclusiveMinimum" in one:
        facts.append(f"Above {_number(one['exclusiveMinimum'])}" + (f", up to {_number(most)}" if most is not None else ""))
    elif most is not None:
        facts.append(f"At most {_number(most)}")
    for key, words in (("maxLength", "Up to {} characters"), ("maxItems", "Up to {} items"), ("pattern", "Matches {}")):
        if key in one:
            facts.append(words.format(_number(one[key]) if key != "pattern" else one[key]))
    return facts


def _number(value: float | str) -> str:
    return f"{value:,}".replace("-", "−") if isinstance(value, int | float) else str(value)


def _written(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
