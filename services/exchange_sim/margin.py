"""What the broker wants to see behind a position, pure.

Maintenance: a long needs 30 % of its value, all of it below 2.50 dollars a share; a short the
larger of 5 dollars a share and 30 % (Alpaca's margin rules). Regulation T asks for half at the
opening of a position, or for the maintenance where that is more.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

MAINTENANCE = Decimal("0.30")
INITIAL = Decimal("0.50")
LOW_PRICE = Decimal("2.50")
"""Dollars a share: below it a long is worth nothing as collateral."""
SHORT_SHARE_MIN = Decimal(5)
"""Dollars that each share sold short needs at least."""
_WHOLE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Holding:
    """One position at its present price."""

    value: Decimal
    """Signed dollars: negative for a short."""
    rate: Decimal
    """Maintenance as a fraction of the value's size."""

    @property
    def size(self) -> Decimal:
        """Dollars of exposure."""
        return abs(self.value)

    @property
    def maintenance(self) -> Decimal:
        """Dollars that must stay behind it."""
        return self.size * self.rate

    @property
    def initial(self) -> Decimal:
        """Dollars that Regulation T asks for."""
        return self.size * max(INITIAL, self.rate)

    def bound(self, multiplier: int) -> Decimal:
        """Dollars of equity that it binds at that multiplier: an exceptional requirement
        cannot be lent against.
        """
        lent = _WHOLE / multiplier
        return self.size * (max(lent, self.rate) if self.rate > MAINTENANCE else lent)


def holding(qty: Decimal, price: Decimal) -> Holding:
    """Return the position of `qty` shares (negative: short) at a price in dollars."""
    if qty > 0:
        return Holding(qty * price, _WHOLE if price < LOW_PRICE else MAINTENANCE)
    rate = max(MAINTENANCE, SHORT_SHARE_MIN / price) if price > 0 else _WHOLE
    return Holding(qty * price, rate)
