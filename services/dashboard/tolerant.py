"""Reading documents that other processes wrote, without ever trusting their shape.

Every function answers something harmless for a missing or mistyped value: a page that shows
"unknown" in one cell is worth more than an error instead of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

Row = Mapping[str, Any]

EMPTY: Row = {}


def mapping_of(document: object, key: str) -> Row:
    """Return the object under the key, an empty one when there is none."""
    value = document.get(key) if isinstance(document, Mapping) else None
    return value if isinstance(value, Mapping) else EMPTY


def rows_of(document: object, key: str) -> tuple[Row, ...]:
    """Return the objects of the list under the key; entries of another shape are left out."""
    value = document.get(key) if isinstance(document, Mapping) else None
    if not isinstance(value, list | tuple):
        return ()
    return tuple(entry for entry in value if isinstance(entry, Mapping))


def known_rows(document: object, key: str) -> tuple[Row, ...] | None:
    """Return the objects of the list under the key; None when there is no list to count."""
    value = document.get(key) if isinstance(document, Mapping) else None
    return rows_of(document, key) if isinstance(value, list | tuple) else None


def text_of(row: Row, key: str, default: str = "") -> str:
    """Return text or a number as text; the default for null and everything else."""
    value = row.get(key)
    if isinstance(value, str):
        return value or default
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    return default


_BELIEVED_MAX = Decimal(10) ** 18
"""Nothing that we show is larger; what is larger is a broken document."""


def decimal_or_none(value: object) -> Decimal | None:
    """Return a Decimal of a number or a decimal string that can be believed, else None."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < _BELIEVED_MAX else None


def number_of(row: Row, key: str) -> Decimal | None:
    """Return the finite number under the key, else None."""
    return decimal_or_none(row.get(key))


def count_of(row: Row, key: str) -> int | None:
    """Return the whole number under the key, None when nobody has counted."""
    value = row.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def integer_of(row: Row, key: str, default: int = 0) -> int:
    """Return the whole number under the key, else the default."""
    found = count_of(row, key)
    return default if found is None else found


def flag_of(row: Row, key: str) -> bool | None:
    """Return the boolean under the key, else None."""
    value = row.get(key)
    return value if isinstance(value, bool) else None


def moment_of(row: Row, key: str) -> datetime | None:
    """Return the UTC moment of the ISO stamp under the key, else None."""
    value = row.get(key)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
