"""Walks through nested objects and lists, to break each member of a payload in turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member, nested ones too."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def parent_of(value: Any, path: tuple[Any, ...]) -> Any:
    """Return the object or list that holds the member at the path."""
    for step in path[:-1]:
        value = value[step]
    return value
