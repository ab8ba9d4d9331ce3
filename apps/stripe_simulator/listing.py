"""Lists, searches and expansion, as Stripe's API has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apps.stripe_simulator import forms
from apps.stripe_simulator.errors import invalid
from apps.stripe_simulator.forms import Params
from apps.stripe_simulator.store import Object, now
from apps.stripe_simulator.world import World, public

PAGING = ("limit", "starting_after", "ending_before", "created")
DEEPEST_EXPANSION = 4
CLAUSE = re.compile(r"""(-?)([a-z_]+)(?:\[["']([^"']+)["']\])?\s*(:|>=|<=|>|<|~)\s*(?:"([^"]*)"|'([^']*)'|(-?\d+)|(null))""")
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ":": lambda have, want: have == want,
    ">": lambda have, want: have > want,
    "<": lambda have, want: have < want,
    ">=": lambda have, want: have >= want,
    "<=": lambda have, want: have <= want,
    "~": lambda have, want: want.lower() in have.lower(),
}


def page(items: list[Object], params: Params, url: str) -> Object:
    """A page of `items`, which are the newest first."""
    items = [item for item in items if _created_within(item, params)]
    limit = forms.integer(params, "limit", 10) or 0
    if not 1 <= limit <= 100:
        raise invalid("limit: from 1 to 100.", "limit")
    after, before = forms.text(params, "starting_after"), forms.text(params, "ending_before")
    if after and before:
        raise invalid("You may only specify one of these parameters: starting_after, ending_before.", "starting_after")
    if after:
        items = items[_place(items, after, "starting_after") + 1 :]
        shown, more = items[:limit], len(items) > limit
    elif before:
        items = items[: _place(items, before, "ending_before")]
        shown, more = items[-limit:], len(items) > limit
    else:
        shown, more = items[:limit], len(items) > limit
    return {"object": "list", "data": shown, "has_more": more, "url": url}


def _place(items: list[Object], object_id: str, param: str) -> int:
    for place, item in enumerate(items):
        if item["id"] == object_id:
            return place
    raise invalid(f"No such object in this list: '{object_id[:100]}'", param, "resource_missing")


def _created_within(item: Object, params: Params) -> bool:
    wanted = params.get("created")
    if not wanted:
        return True
    bounds = wanted if isinstance(wanted, dict) else {"": wanted}
    names = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "": ":"}
    for name in bounds:
        if name not in names:
            raise invalid(f"created: unknown bound {name!r}", "created")
    return all(COMPARISONS[names[name]](item["created"], forms.integer(bounds, name)) for name in bounds)


def search(items: list[Object], params: Params, url: str, lag_s: float) -> Object:
    """What matches Stripe's query language: clauses joined by AND, or by OR. What is younger than `lag_s` is not found yet."""
    query = forms.required(params, "query").strip()
    words = re.split(r"\s+(AND|OR)\s+", query)
    if len(set(words[1::2])) > 1:
        raise invalid("A query joins by AND or by OR, not by both.", "query")
    clauses = [_clause(each) for each in words[0::2]]
    joined = any if "OR" in words[1::2] else all
    found = [item for item in items if item["created"] <= now() - lag_s and joined(clause(item) for clause in clauses)]
    limit = forms.integer(params, "limit", 10) or 10
    start = int(forms.text(params, "page", "0") or 0)
    more = len(found) > start + limit
    return {
        "object": "search_result",
        "data": found[start : start + limit],
        "has_more": more,
        "next_page": str(start + limit) if more else None,
        "url": url,
    }


def _clause(text: str) -> Callable[[Object], bool]:
    found = CLAUSE.fullmatch(text.strip())
    if found is None:
        raise invalid(f"This part of the query cannot be understood: {text[:200]}", "query")
    negated, name, key, sign, *values = found.groups()
    want: Any = next((value for value in values[:2] if value is not None), None)
    if values[2] is not None:
        want = int(values[2])

    def holds(item: Object) -> bool:
        have = item.get(name)
        if key is not None:
            have = have.get(key) if isinstance(have, dict) else None
        if have is None or want is None:
            return (have is None) == (want is None)
        try:
            return COMPARISONS[sign](have, want if isinstance(have, int) == isinstance(want, int) else type(have)(want))
        except (TypeError, ValueError):
            return False

    return lambda item: holds(item) != bool(negated)


def expanded(world: World, item: Object, params: Params) -> Object:
    """The object as it is sent, with the ids that `expand` names replaced by what they stand for."""
    answer: Object = public(item)
    for path in forms.items(params, "expand"):
        steps = str(path).split(".")
        if len(steps) > DEEPEST_EXPANSION + (steps[0] == "data"):
            raise invalid(f"You cannot expand more than {DEEPEST_EXPANSION} levels of a property.", "expand")
        _expand(world, answer, steps, str(path))
    return answer


def _expand(world: World, place: Any, steps: list[str], path: str) -> None:
    name, rest = steps[0], steps[1:]
    if isinstance(place, list):
        for each in place:
            _expand(world, each, steps, path)
        return
    if not isinstance(place, dict):
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    if name not in place:
        place[name] = _included(world, place, name, path)
    if isinstance(place[name], str):
        found = world.store.find(place[name])
        if found is None:
            raise invalid(f"This property cannot be expanded ({path}).", "expand")
        place[name] = public(found)
    if rest and place[name] is not None:
        _expand(world, place[name], rest, path)


def _included(world: World, place: Object, name: str, path: str) -> Object:
    """Lists that objects carry only when they are asked for."""
    if (place.get("object"), name) == ("charge", "refunds"):
        items = [each for each in world.store.all("refund") if each["charge"] == place["id"]]
        return public({"object": "list", "data": items, "has_more": False, "url": f"/v1/charges/{place['id']}/refunds"})
    if (place.get("object"), name) == ("checkout.session", "line_items"):
        stored = world.get("checkout.session", place["id"])
        return public(
            {"object": "list", "data": stored["_line_items"], "has_more": False, "url": f"/v1/checkout/sessions/{place['id']}/line_items"}
        )
    raise invalid(f"This property cannot be expanded ({path}).", "expand")
