"""What changes an account without an order: cash in and out, fees, splits. Frozen values.

Alpaca calls them non-trade activities; their kinds are its own words (CSD, CSW, SPLIT, CIL, ...),
kept as text: a kind that appears tomorrow must not break a reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from shared.models.numbers import round_to_tick
from shared.models.trading_day import NEW_YORK

TRANSFER_KINDS = frozenset({"CSD", "CSW", "JNLC", "ACATC"})
"""The owner's own money moving in or out: neither profit nor loss (Alpaca, activity types)."""
SPLIT_KINDS = frozenset({"SPLIT", "REORG", "SPIN"})
"""Change shares and no cash."""
CASH_IN_LIEU = "CIL"
"""Pays out a fraction of a share."""
_CLOSE = time(16, 0)
_FRIDAY = 4
ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True)
class BrokerMovement:
    """One non-trade activity."""

    activity_id: str
    kind: str
    day: date
    """The broker's date, New York."""
    amount: Decimal
    """Signed change of cash, in dollars."""
    at: datetime | None = None
    """When it was booked, if the broker says so."""
    symbol: str = ""
    qty: Decimal = Decimal(0)
    """Signed change of shares."""

    @property
    def moment(self) -> datetime:
        """When it was booked; by its date alone the beginning of that day."""
        return self.at or datetime.combine(self.day, time(0), NEW_YORK)


def previous_close(day: date) -> datetime:
    """Return the close of the weekday before: what was moved later is not in `last_equity` yet.
    Holidays are not known here; a transfer on one counts as before the close.
    """
    before = day - timedelta(days=1)
    while before.weekday() > _FRIDAY:
        before -= timedelta(days=1)
    return datetime.combine(before, _CLOSE, NEW_YORK)


@dataclass(frozen=True, slots=True)
class ShareChange:
    """One split as it changed a position, or the cash for a fraction that it left."""

    activity_id: str
    at: datetime
    qty: Decimal
    """Signed shares that came or went."""
    cash: Decimal = Decimal(0)
    """What was paid for them."""
    ratio: Decimal = Decimal(1)
    """New shares for one old one; 1 where shares were paid out."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What splits have made of one position, beside its fills; oldest first."""

    changes: tuple[ShareChange, ...] = ()

    @property
    def shares(self) -> Decimal:
        """Signed shares that came or went without cost."""
        return sum((one.qty for one in self.changes if one.ratio != ONE), ZERO)

    @property
    def paid_qty(self) -> Decimal:
        """Fractions of shares that were paid out."""
        return -sum((one.qty for one in self.changes if one.ratio == ONE), ZERO)

    @property
    def paid_cash(self) -> Decimal:
        """Dollars for them."""
        return sum((one.cash for one in self.changes), ZERO)

    def is_stale(self, created_at: datetime | None) -> bool:
        """Whether an order of that time speaks of the old shares."""
        return created_at is not None and any(
            created_at < one.at for one in self.changes if one.ratio != ONE
        )

    def price_now(self, price: Decimal, created_at: datetime | None) -> Decimal:
        """Return a price of that time in dollars for a share of today, on the broker's tick."""
        ratio = ONE
        for one in self.changes:
            if created_at is not None and created_at < one.at:
                ratio *= one.ratio
        return price if ratio == ONE else round_to_tick(price / ratio)


UNCHANGED = Adjustment()
