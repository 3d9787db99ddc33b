"""Pure: looks into documents of others, in which anything may stand anywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def rows(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the rows of that list which are rows; none where it is no list."""
    found = document.get(name)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def number(value: object) -> float:
    """Return the number, zero for what is none; infinite when no float can hold it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def clipped(text: str, characters_max: int) -> str:
    """Return the text as one printable line that is no longer than that."""
    line = "".join(sign if sign.isprintable() else " " for sign in text[: characters_max + 1])
    return line if len(line) <= characters_max else line[: characters_max - 3] + "..."
