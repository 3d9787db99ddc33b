"""An unchanging mapping whose changed copy costs the same however much it holds."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, TypeVar

Value = TypeVar("Value")

_LAYER_MAX = 256
"""Changes that lie above the shared part before both are joined."""
_GONE: Any = object()


class Layered(Mapping[str, Value]):
    """A dict that many versions share, below the few changes of this one.

    It keeps the order in which keys became known, as a dict does. Reading it as a whole joins the
    layers once; nobody can see the difference.
    """

    __slots__ = ("_above", "_below", "_count")

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        self._below: dict[str, Value] = dict(values or {})
        self._above: dict[str, Value] = {}
        self._count = len(self._below)

    def put(self, key: str, value: Value) -> Layered[Value]:
        """Return a mapping in which the key has this value."""
        return self._changed(key, value, 0 if key in self else 1)

    def without(self, key: str) -> Layered[Value]:
        """Return a mapping without the key; itself when it is not there."""
        return self._changed(key, _GONE, -1) if key in self else self

    def _changed(self, key: str, value: Value, growth: int) -> Layered[Value]:
        copy: Layered[Value] = object.__new__(Layered)
        if len(self._above) >= _LAYER_MAX:
            self._whole()
        copy._below = self._below
        copy._above = {**self._above, key: value}
        copy._count = self._count + growth
        return copy

    def _whole(self) -> dict[str, Value]:
        if self._above:
            joined = self._below | self._above
            if len(joined) != self._count:
                joined = {key: value for key, value in joined.items() if value is not _GONE}
            self._below, self._above = joined, {}
        return self._below

    def __getitem__(self, key: str) -> Value:
        found: Value = self._above[key] if key in self._above else self._below[key]
        if found is _GONE:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        if key in self._above:
            return self._above[key] is not _GONE
        return key in self._below

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole())

    def __len__(self) -> int:
        return self._count

    def keys(self) -> KeysView[str]:
        """Return a view of the keys."""
        return self._whole().keys()

    def values(self) -> ValuesView[Value]:
        """Return a view of the values."""
        return self._whole().values()

    def items(self) -> ItemsView[str, Value]:
        """Return a view of keys and values."""
        return self._whole().items()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._whole() == dict(other.items())

    __hash__ = None  # type: ignore[assignment]  # equal by content, like every mapping

    def __repr__(self) -> str:
        return f"Layered({self._whole()!r})"


def layered(values: Mapping[str, Value]) -> Layered[Value]:
    """Return the mapping as a layered one; itself when it is one already."""
    return values if isinstance(values, Layered) else Layered(values)
