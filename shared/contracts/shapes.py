"""The shape of a reply: which fields stood where, and of what type; and how two shapes differ.

Values are not kept: a shape holds no money, no key and no name of anybody. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.contracts.promises import is_read

Shape = dict[str, frozenset[str]]
"""Path → the words for the types that were seen there: `orders[].qty` → {amount}."""

NOTHING = "null"
PATHS_MAX = 2_000
DEPTH_MAX = 12
_BY_SYMBOL = frozenset({"bars", "quotes", "trades", "snapshots"})
"""Objects whose names are symbols and no fields."""
_WORDS = (
    ("amount", re.compile(r"-?\d{1,20}(\.\d{1,40})?", re.ASCII)),
    ("day", re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)),
    ("moment", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*", re.ASCII)),
)


def shape_of(reply: str, raw: object) -> Shape:
    """Return the shape of a decoded reply; every path begins with its name."""
    found: dict[str, set[str]] = {}
    for path, word in _walk(reply, raw, DEPTH_MAX):
        if path in found or len(found) < PATHS_MAX:
            found.setdefault(path, set()).add(word)
    return {path: frozenset(words) for path, words in found.items()}


def _walk(path: str, raw: object, depth: int) -> Iterator[tuple[str, str]]:
    yield path, _word(raw)
    if depth == 0:
        return
    if isinstance(raw, Mapping):
        is_keyed = path.rpartition(".")[2] in _BY_SYMBOL and "." in path
        for name, value in raw.items():
            yield from _walk(f"{path}.{'*' if is_keyed else name}", value, depth - 1)
    elif isinstance(raw, list):
        for value in raw:
            yield from _walk(f"{path}[]", value, depth - 1)


def _word(raw: object) -> str:
    if raw is None or raw == "":
        return NOTHING
    if isinstance(raw, bool):
        return "flag"
    if isinstance(raw, str):
        return next((word for word, form in _WORDS if form.fullmatch(raw)), "text")
    if isinstance(raw, Mapping):
        return "object"
    if isinstance(raw, list):
        return "list"
    return "moment" if isinstance(raw, datetime) else "number"


def updated(known: Shape, seen: Shape) -> Shape:
    """Return what is known after another look: what left or changed its type is forgotten, what
    could not be seen this time is kept.
    """
    kept = {path: words for path, words in known.items() if not _was_there(path, seen)}
    for path, words in seen.items():
        before = known.get(path, words)
        kept[path] = words if _is_other(before, words) else words | before
    return kept


def fingerprint(shape: Shape) -> str:
    """Return a short name of the shape; equal shapes have the same."""
    text = "\n".join(f"{path} {' '.join(sorted(shape[path]))}" for path in sorted(shape))
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two shapes; before or after is empty when the field was not there."""

    path: str
    before: frozenset[str]
    after: frozenset[str]

    @property
    def is_read(self) -> bool:
        """Whether it concerns us: the removal or another type of a field that we read."""
        return bool(self.before) and is_read(self.path)

    @property
    def line(self) -> str:
        """The change for people: `+` came, `-` left, `~` is of another type."""
        before, after = ("|".join(sorted(words)) for words in (self.before, self.after))
        mark = "~" if before and after else "-" if before else "+"
        words = " → ".join(word for word in (before, after) if word)
        whose = "WE READ IT" if self.is_read else "nobody reads it"
        return f"{mark} {self.path}: {words} ({whose})"


def changes(before: Shape, after: Shape) -> list[Change]:
    """Return what differs, by path. What could not be seen on one of the two days, since its list
    was empty or its object null, is no difference; nor is a value that happened to be null.
    """
    found = []
    for path in sorted(before | after):
        old, new = before.get(path, frozenset()), after.get(path, frozenset())
        if not (_was_there(path, before) and _was_there(path, after)):
            continue
        if not old or not new:
            found.append(Change(path, old, new))
        elif _is_other(old, new):
            found.append(Change(path, old - {NOTHING}, new - {NOTHING}))
    return found


def _is_other(old: frozenset[str], new: frozenset[str]) -> bool:
    """Whether the types have nothing in common; null says nothing."""
    return bool(old - {NOTHING} and new - {NOTHING}) and not (old & new) - {NOTHING}


def _was_there(path: str, shape: Shape) -> bool:
    """Whether the object or list around a path was seen with something in it."""
    if path in shape:
        return True
    parent = path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]
    if path.endswith(("[]", ".*")):
        return False  # a list, or a set of symbols, may be empty today
    return "object" in shape.get(parent, frozenset())
