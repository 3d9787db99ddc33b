"""Bends JSON documents: fields away, retyped or renamed, unknown words, odd quotes. Pure.

A path names fields from the document's root, parted by dots; `*` is every member of a list or
object, a number one member of a list: `*.legs.0.status`. A document is never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from services.exchange_sim.faults.fault import Fault

_ABSENT = object()
_Edit = Callable[[Any], Any]
_QUOTE_PRICES = ("bp", "ap", "bs", "as")
_CLOCK_STAMPS = ("timestamp",)
_FOREIGN: dict[str, Any] = {
    "null": None,
    "list": [],
    "object": {},
}


def bend(fault: Fault, document: Any) -> tuple[Any, bool]:
    """Return the document as the fault shows it, and whether anything changed."""
    if fault.kind == "clock_skew":
        shift = timedelta(seconds=float(fault.parameters["seconds"]))
        bent = _each_field(document, _CLOCK_STAMPS, lambda text: _shifted(text, shift))
    elif fault.kind in ("zero_quotes", "stale_quotes"):
        bent = _quotes(document, fault)
    else:
        bent = _at_path(document, str(fault.parameters["path"]).split("."), _editor(fault))
    return bent, bent != document or _kinds_differ(bent, document)


def _kinds_differ(one: Any, other: Any) -> bool:
    """Whether equal values have unequal types, as 1, 1.0 and True do."""
    if type(one) is not type(other):
        return True
    if isinstance(one, dict):
        return any(_kinds_differ(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return any(_kinds_differ(a, b) for a, b in zip(one, other, strict=True))
    return False


def _editor(fault: Fault) -> _Edit:
    if fault.kind == "field_removed":
        return lambda _: _ABSENT
    if fault.kind == "unknown_word":
        return lambda _: fault.parameters["word"]
    if fault.kind == "field_retyped":
        return lambda value: _retyped(value, str(fault.parameters["to"]))
    return lambda value: _Renamed(str(fault.parameters["to"]), value)


class _Renamed:
    """A value that moves to another name of its object."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value


def _at_path(document: Any, path: list[str], edit: _Edit) -> Any:
    if not path:
        return edit(document)
    step, rest = path[0], path[1:]
    if isinstance(document, dict):
        return _in_object(document, step, lambda value: _at_path(value, rest, edit))
    if isinstance(document, list):
        kept = [
            _at_path(value, rest, edit) if step in ("*", str(index)) else value
            for index, value in enumerate(document)
        ]
        return [
            value.value if isinstance(value, _Renamed) else value
            for value in kept
            if value is not _ABSENT
        ]
    return document


def _in_object(document: dict[str, Any], step: str, edit: _Edit) -> dict[str, Any]:
    bent: dict[str, Any] = {}
    for name, value in document.items():
        new = edit(value) if step in ("*", name) else value
        if isinstance(new, _Renamed):
            bent[new.name] = new.value
        elif new is not _ABSENT:
            bent[name] = new
    return bent


def _retyped(value: Any, to: str) -> Any:
    if to in _FOREIGN:
        return _FOREIGN[to]
    if to == "boolean":
        return True
    if to == "string":
        return value if isinstance(value, str) else str(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0


def _each_field(document: Any, names: tuple[str, ...], edit: _Edit) -> Any:
    if isinstance(document, dict):
        return {name: edit(value) if name in names else value for name, value in document.items()}
    return document


def _shifted(value: Any, shift: timedelta) -> Any:
    if isinstance(value, datetime):
        return value + shift
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value) + shift
    except (ValueError, OverflowError):
        return value
    text = moment.isoformat()
    return text.replace("+00:00", "Z") if value.endswith("Z") else text


def _quotes(document: Any, fault: Fault) -> Any:
    if isinstance(document, list):
        return [_quotes(value, fault) for value in document]
    if not isinstance(document, dict):
        return document
    if "bp" in document and "ap" in document:
        if fault.kind == "zero_quotes":
            return _each_field(document, _QUOTE_PRICES, lambda _: 0)
        age = timedelta(seconds=float(fault.parameters["age_s"]))
        return _each_field(document, ("t",), lambda value: _shifted(value, -age))
    return {name: _quotes(value, fault) for name, value in document.items()}
