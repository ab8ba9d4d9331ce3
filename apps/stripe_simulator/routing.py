"""Which function serves which address of the API, and what they share. A handler takes the world, the parameters and the ids in the
address, and returns an object."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apps.stripe_simulator import forms
from apps.stripe_simulator.errors import invalid
from apps.stripe_simulator.forms import Params
from apps.stripe_simulator.store import Object

Handler = Callable[..., Object]
ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """`{}` in the path is an id, handed over in order."""

    def register(handler: Handler) -> Handler:
        ROUTES.append((method, re.compile(path.replace("{}", r"([A-Za-z0-9_-]{1,255})")), handler))
        return handler

    return register


def find_route(method: str, path: str) -> tuple[Handler, tuple[str, ...]]:
    """StripeError (404) when there is nothing at that address."""
    for verb, pattern, handler in ROUTES:
        if verb == method and (found := pattern.fullmatch(path)):
            return handler, found.groups()
    raise invalid(f"Unrecognized request URL ({method}: {path[:200]}).", status=404)


def texts(params: Params, *names: str) -> dict[str, Any]:
    """Those of the text fields that were sent; sent empty, they become null."""
    return {name: forms.text(params, name) for name in names if name in params}


def matching(items: list[Object], params: Params, *names: str) -> list[Object]:
    """Those whose fields are as the parameters of the same names say; a parameter that was not sent asks for nothing."""
    wanted = {name: value for name in names if (value := forms.text(params, name))}
    return [item for item in items if all(item[name] == value for name, value in wanted.items())]


def without(params: Params, name: str) -> Params:
    return {key: value for key, value in params.items() if key != name}
