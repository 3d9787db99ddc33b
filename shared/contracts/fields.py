"""Reads typed fields out of one raw JSON object, or says precisely which one drifted.

Only what is read is checked: extra fields are allowed, since vendors add some every week.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from shared.contracts.drift import SchemaDrift, picture

Choice = TypeVar("Choice", bound=StrEnum)

_ABSENT = object()


def as_list(raw: object, path: str) -> list[object]:
    """Return the raw value as a list; SchemaDrift when it is none."""
    if not isinstance(raw, list):
        raise SchemaDrift(path, "a list", picture(raw))
    return raw


class Fields:
    """One raw JSON object under a path. Each reader raises SchemaDrift naming its field.

    The `optional_` readers take an absent field and null alike as None; the others take
    neither.
    """

    __slots__ = ("path", "raw")

    def __init__(self, raw: object, path: str) -> None:
        if not isinstance(raw, Mapping):
            raise SchemaDrift(path, "an object", picture(raw))
        self.raw: Mapping[str, object] = raw
        self.path = path

    def drift(self, name: str, expected: str) -> SchemaDrift:
        """Return the failure of one field, to be raised."""
        value = self.raw.get(name, _ABSENT)
        found = "nothing" if value is _ABSENT else picture(value)
        return SchemaDrift(f"{self.path}.{name}", expected, found)

    def text(self, name: str) -> str:
        """A text that is not empty."""
        value = self.raw.get(name)
        if not isinstance(value, str) or not value:
            raise self.drift(name, "a text that is not empty")
        return value

    def optional_text(self, name: str) -> str | None:
        """A text or None; an empty text counts as None."""
        value = self.raw.get(name)
        if value is None or value == "":
            return None
        return self.text(name)

    def flag(self, name: str) -> bool:
        """True or false, never a number or a text."""
        value = self.raw.get(name)
        if not isinstance(value, bool):
            raise self.drift(name, "true or false")
        return value

    def money(self, name: str) -> Decimal:
        """A finite decimal written as a text, as the trading API does with every amount."""
        value = self.raw.get(name)
        if not isinstance(value, str):
            raise self.drift(name, "a decimal as text")
        return self._finite(name, value)

    def money_from(self, name: str, least: Decimal) -> Decimal:
        """As `money`, and at least `least`."""
        amount = self.money(name)
        if amount < least:
            raise self.drift(name, f"a decimal of {least} or more")
        return amount

    def money_above(self, name: str, floor: Decimal) -> Decimal:
        """As `money`, and above `floor`."""
        amount = self.money(name)
        if amount <= floor:
            raise self.drift(name, f"a decimal above {floor}")
        return amount

    def optional_money_above(self, name: str, floor: Decimal) -> Decimal | None:
        """As `money_above`, or None."""
        return None if self.raw.get(name) is None else self.money_above(name, floor)

    def number(self, name: str) -> Decimal:
        """A finite JSON number of 0 or more, as the market data API writes prices."""
        value = self.raw.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise self.drift(name, "a number")
        amount = self._finite(name, value)
        if amount < 0:
            raise self.drift(name, "a number of 0 or more")
        return amount

    def moment(self, name: str) -> datetime:
        """A timezone-aware stamp (a text, or a datetime from a binary frame), as UTC."""
        value = self.raw.get(name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise self.drift(name, "an RFC 3339 stamp") from None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self.drift(name, "a stamp with its timezone")
        return value.astimezone(UTC)

    def optional_moment(self, name: str) -> datetime | None:
        """As `moment`, or None."""
        return None if self.raw.get(name) is None else self.moment(name)

    def choice(self, name: str, words: type[Choice]) -> Choice:
        """One of the words of an enumeration."""
        value = self.raw.get(name)
        if isinstance(value, str):
            try:
                return words(value)
            except ValueError:
                raise self.drift(name, f"a known {words.__name__}") from None
        raise self.drift(name, f"a known {words.__name__}")

    def _finite(self, name: str, value: str | int | float | Decimal) -> Decimal:
        try:
            # A float goes through its shortest text: the digits that the vendor wrote.
            number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        except InvalidOperation:
            raise self.drift(name, "a decimal") from None
        if not number.is_finite():
            raise self.drift(name, "a finite decimal")
        return number
