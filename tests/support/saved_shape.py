"""What state and journal hold, in lines: every member and every kind, reached from their roots."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from shared.events.types import Event
from shared.models.orders import Order
from shared.models.plans import PLAN_STEPS
from shared.models.trading_state import BotState


def saved_shape() -> str:
    """Return one line per type that is ever written, sorted."""
    found: dict[type, str] = {}
    for root in (BotState, Order, *get_args(Event)):
        _walk(root, found)
    steps = (f"steps of {kind.value}: {', '.join(names)}" for kind, names in PLAN_STEPS.items())
    return "\n".join(sorted([*found.values(), *steps])) + "\n"


def _walk(kind: Any, found: dict[type, str]) -> None:
    for argument in get_args(kind):
        _walk(argument, found)
    if not isinstance(kind, type) or kind in found:
        return
    if issubclass(kind, Enum):
        found[kind] = f"{kind.__name__}: {', '.join(sorted(str(one.value) for one in kind))}"
    elif is_dataclass(kind):
        hints = get_type_hints(kind)
        members = (f"{one.name} {_words(hints[one.name])}" for one in fields(kind))
        found[kind] = f"{kind.__name__}: {', '.join(members)}"
        for hint in hints.values():
            _walk(hint, found)


def _words(hint: Any) -> str:
    arguments = [_words(each) for each in get_args(hint)]
    if not arguments:
        return hint.__name__ if isinstance(hint, type) else str(hint)
    outer = get_origin(hint)
    if outer in (UnionType, Union):
        return " or ".join(arguments)
    return f"{getattr(outer, '__name__', outer)}<{' '.join(arguments)}>"
