"""Frozen records to JSON text and back, by their type hints. Decimal and moments as strings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

Record = TypeVar("Record")


class DamagedRecord(ValueError):
    """A text that is not what `to_text` wrote."""


_AS_THEY_ARE = frozenset({str, int, bool, type(None)})


@lru_cache(maxsize=32)
def _names(kind: type) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind))


def _plain(value: Any) -> Any:
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in _names(type(value))}
    return value


def to_text(record: Any) -> str:
    """Return the record as one line of JSON."""
    return json.dumps(_plain(record), separators=(",", ":"))


def _reader(hint: Any) -> Callable[[Any], Any]:
    if isinstance(hint, UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if hint is datetime:
        return datetime.fromisoformat
    if is_dataclass(hint):
        return lambda document: _from_document(hint, document)
    if hint is Decimal or issubclass(hint, Enum):
        return hint  # type: ignore[no-any-return] # both are made by calling them on the text
    return lambda value: value


@lru_cache(maxsize=32)
def _readers(kind: type) -> dict[str, Callable[[Any], Any]]:
    return {name: _reader(hint) for name, hint in get_type_hints(kind).items()}


def _from_document(kind: Any, document: dict[str, Any]) -> Any:
    readers = _readers(kind)
    return kind(
        **{
            name: None if value is None else readers[name](value)
            for name, value in document.items()
            if name in readers
        }
    )


def from_text(kind: type[Record], text: str) -> Record:
    """Return the record that `to_text` wrote; raises DamagedRecord on other text."""
    try:
        record: Record = _from_document(kind, json.loads(text))
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as failure:
        raise DamagedRecord(f"{kind.__name__}: {failure}") from failure
    return record
