"""Comparing what the simulator sends with the types that the stripe package declares."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, Union

import stripe
from stripe._expandable_field import ExpandableField
from stripe._list_object import ListObject
from stripe._stripe_object import StripeObject, UntypedStripeObject

CLASSES = {
    "customer": stripe.Customer,
    "payment_method": stripe.PaymentMethod,
    "payment_intent": stripe.PaymentIntent,
    "setup_intent": stripe.SetupIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "checkout.session": stripe.checkout.Session,
    "item": stripe.LineItem,
}


@cache
def names() -> dict[str, Any]:
    """Every object's class by its name: annotations are texts, and what they name is imported for type checkers alone."""
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(stripe.__path__, "stripe."):
        if module.name.startswith("stripe._") and not module.name.endswith("_service"):
            kinds = vars(importlib.import_module(module.name)).values()
            found.update({kind.__name__: kind for kind in kinds if isinstance(kind, type) and kind.__module__ == module.name})
    found |= {f"{name}Resource": kind for name, kind in found.items()}  # what a module calls a class whose name it uses itself
    return found | vars(typing) | {"ExpandableField": ExpandableField, "UntypedStripeObject": UntypedStripeObject}


@cache
def annotations_of(kind: type) -> dict[str, Any]:
    """The fields of an object's class. A nested class may be named there by its bare name."""
    here = names() | {key: value for key, value in vars(kind).items() if isinstance(value, type)}
    declared = {key: text for base in reversed(kind.__mro__) for key, text in vars(base).get("__annotations__", {}).items() if base.__module__.startswith("stripe.")}  # fmt: skip
    return {
        key: eval(text, vars(sys.modules[kind.__module__]) | here) if isinstance(text, str) else text
        for key, text in declared.items()
        if not key.startswith("_") and key != "OBJECT_NAME"
    }


def complaints(value: Any, kind: Any, path: str) -> Iterator[str]:
    """What of `value` is not as `kind` declares it."""
    origin = typing.get_origin(kind)
    if isinstance(kind, str | typing.ForwardRef):
        name = (kind if isinstance(kind, str) else kind.__forward_arg__).strip("'")
        if name in names():
            yield from complaints(value, names()[name], path)
        else:
            yield f"{path}: a {name}, which the simulator has nothing of"
    elif kind is Any:
        return
    elif origin is Union or origin is types.UnionType:
        tries = [list(complaints(value, one, path)) for one in typing.get_args(kind)]
        if all(tries):
            yield min(tries, key=len)[0]
    elif origin is Literal:
        if value not in typing.get_args(kind):
            yield f"{path}: {value!r} is not one of {typing.get_args(kind)}"
    elif origin is ExpandableField:
        if not isinstance(value, str):
            yield from complaints(value, typing.get_args(kind)[0], path)
    elif origin is list or origin is ListObject:
        items = value["data"] if origin is ListObject else value
        if not isinstance(items, list):
            yield f"{path}: {value!r} is no list"
            return
        for number, item in enumerate(items):
            yield from complaints(item, typing.get_args(kind)[0], f"{path}[{number}]")
    elif origin is UntypedStripeObject or kind is UntypedStripeObject:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no object"
    elif kind is type(None):
        if value is not None:
            yield f"{path}: {value!r} is not null"
    elif isinstance(kind, type) and issubclass(kind, StripeObject):
        yield from _fields(value, kind, path)
    elif isinstance(kind, type):
        if type(value) is not kind:
            yield f"{path}: {value!r} is no {kind.__name__}"
    else:
        raise AssertionError(f"{path}: {kind!r} is a kind of type that this does not know")


def _fields(value: Any, kind: type, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no object"
        return
    declared = annotations_of(kind)
    for name in value.keys() - declared.keys():
        yield f"{path}.{name}: {kind.__name__} has no such field"
    for name, one in declared.items():
        if name in value:
            yield from complaints(value[name], one, f"{path}.{name}")
        elif not _may_miss(one):
            yield f"{path}.{name}: missing"


def _may_miss(kind: Any) -> bool:
    return kind is Any or type(None) in typing.get_args(kind)
