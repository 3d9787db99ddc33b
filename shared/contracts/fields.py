"""Reads typed fields out of one raw JSON object, or says precisely which one drifted.

Only what is read is checked: extra fields are allowed, since vendors add some every week.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from enum import StrEnum
from typing import TypeVar

from shared.contracts.drift import EVIDENCE, SchemaDrift, broken, picture

Choice = TypeVar("Choice", bound=StrEnum)

AMOUNT_MAX = Decimal(10) ** 15
"""Beyond any price, size or balance in dollars, and within what SQLite and floats can hold."""
AMOUNT_LEAST = Decimal(10) ** -15
"""Nothing that is traded or counted is nearer to 0: further in it would be 0, and divided by."""
_PRECISE = Context(prec=40)
"""No vendor writes more digits; one may write a million."""
TEXT_CHARACTERS_MAX = 1_000
YEARS = range(1970, 2200)
"""Beyond them a stamp cannot be moved between time zones, or to its neighbours, safely."""

_ABSENT = object()
_PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,40})?", re.ASCII)
_NEVER_SET = "0001-01-01T00:00:00"
"""Go writes a time that was never set as the year 1."""


def as_list(raw: object, path: str) -> list[object]:
    """Return the raw value as a list; SchemaDrift when it is none."""
    if not isinstance(raw, list):
        raise broken(path, "a list", raw)
    return raw


class Fields:
    """One raw JSON object under a path. Each reader raises SchemaDrift naming its field.

    The `optional_` readers take an absent field and null alike as None; the others take
    neither.
    """

    __slots__ = ("path", "raw")

    def __init__(self, raw: object, path: str) -> None:
        if not isinstance(raw, Mapping):
            raise broken(path, "an object", raw)
        self.raw: Mapping[str, object] = raw
        self.path = path

    def drift(self, name: str, expected: str) -> SchemaDrift:
        """Return the failure of one field, to be raised; the object is kept as evidence."""
        value = self.raw.get(name, _ABSENT)
        found = "nothing" if value is _ABSENT else picture(value)
        drift = SchemaDrift(f"{self.path}.{name}", expected, found)
        EVIDENCE.keep(drift, self.raw)
        return drift

    def text(self, name: str) -> str:
        """A text that is not empty, of whole characters and of sensible length."""
        value = self.raw.get(name)
        if not isinstance(value, str) or not value:
            raise self.drift(name, "a text that is not empty")
        if len(value) > TEXT_CHARACTERS_MAX or not _is_whole(value):
            raise self.drift(name, f"a text of at most {TEXT_CHARACTERS_MAX} whole characters")
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
        """A plain decimal written as a text, as the trading API does with every amount."""
        value = self.raw.get(name)
        if not isinstance(value, str) or not _PLAIN_DECIMAL.fullmatch(value):
            raise self.drift(name, "a decimal as text")
        return self._bounded(name, Decimal(value))

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
        # A float goes through its shortest text: the digits that the vendor wrote.
        amount = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if not amount.is_finite() or amount < 0:
            raise self.drift(name, "a number of 0 or more")
        if 0 < amount < AMOUNT_LEAST:
            raise self.drift(name, f"0, or a number of at least {AMOUNT_LEAST}")
        bounded = self._bounded(name, amount)
        if _PRECISE.plus(bounded) != bounded:
            raise self.drift(name, f"a number of at most {_PRECISE.prec} digits")
        return bounded

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
        if value.year not in YEARS:
            raise self.drift(name, f"a year from {YEARS.start} to {YEARS.stop - 1}")
        return value.astimezone(UTC)

    def day(self, name: str) -> date:
        """A day of the calendar, written YYYY-MM-DD."""
        try:
            day = date.fromisoformat(self.text(name))
        except ValueError:
            raise self.drift(name, "a day as YYYY-MM-DD") from None
        if day.year not in YEARS:
            raise self.drift(name, f"a year from {YEARS.start} to {YEARS.stop - 1}")
        return day

    def optional_moment(self, name: str) -> datetime | None:
        """As `moment`, or None, also for a time that was never set."""
        value = self.raw.get(name)
        if value is None or (isinstance(value, str) and value.startswith(_NEVER_SET)):
            return None
        return self.moment(name)

    def choice(self, name: str, words: type[Choice]) -> Choice:
        """One of the words of an enumeration."""
        value = self.raw.get(name)
        if isinstance(value, str):
            try:
                return words(value)
            except ValueError:
                raise self.drift(name, f"a known {words.__name__}") from None
        raise self.drift(name, f"a known {words.__name__}")

    def _bounded(self, name: str, amount: Decimal) -> Decimal:
        # Compared, not computed with: beyond an exponent of a million abs() itself fails.
        if not -AMOUNT_MAX <= amount <= AMOUNT_MAX:
            raise self.drift(name, f"an amount of at most {AMOUNT_MAX}")
        return amount


def _is_whole(text: str) -> bool:
    """Whether every character can be written as UTF-8: JSON lets half of a pair through."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
