"""Option contracts that fit a price: strike, expiry, name, and what one is worth. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from shared.models.numbers import CENT

CONTRACT_SHARES = 100
_FRIDAY = 4
_STRIKE_STEPS = (
    (Decimal(25), Decimal("0.5")),
    (Decimal(200), Decimal(1)),
    (Decimal(5_000), Decimal(5)),
    (Decimal(50_000), Decimal(50)),
)
_COARSE_STEP = Decimal(500)
_DAYS_PER_YEAR = 365
_CHEAPEST = Decimal("0.01")
_AT_THE_MONEY = 0.4
"""Value of an option at the money, in deviations of the price until its expiry."""


@dataclass(frozen=True, slots=True)
class OptionContract:
    """One listed option; `strike` in dollars."""

    ticker: str
    expiry: date
    is_call: bool
    strike: Decimal

    @property
    def symbol(self) -> str:
        """The contract's name as the Options Clearing Corporation writes it."""
        kind = "C" if self.is_call else "P"
        return f"{self.ticker}{self.expiry:%y%m%d}{kind}{int(self.strike * 1000):08d}"

    @property
    def kind(self) -> str:
        """`call` or `put`."""
        return "call" if self.is_call else "put"

    def is_out_of_the_money(self, price: Decimal) -> bool:
        """Whether exercising at that price of the share would be worth nothing."""
        return self.strike >= price if self.is_call else self.strike <= price


def expiry_after(day: date, weeks: int) -> date:
    """Return the Friday that many weeks after the first one later than `day`."""
    ahead = (_FRIDAY - day.weekday()) % 7 or 7
    return day + timedelta(days=ahead + 7 * weeks)


def strike_step(price: Decimal) -> Decimal:
    """Return how many dollars lie between two listed strikes near a price."""
    return next((step for below, step in _STRIKE_STEPS if price < below), _COARSE_STEP)


def strike_near(price: Decimal) -> Decimal:
    """Return the listed strike nearest to a price."""
    step = strike_step(price)
    return max(step, (price / step).to_integral_value() * step)


def worth(contract: OptionContract, price: Decimal, day: date, volatility: float) -> Decimal:
    """Return what a contract is quoted at, dollars per share: its inner value and what the time
    left adds, less the further away the strike is.
    """
    days = max(1, (contract.expiry - day).days)
    deviation = float(price) * volatility * math.sqrt(days / _DAYS_PER_YEAR)
    distance = float(contract.strike - price)
    inner = Decimal(max(0.0, -distance if contract.is_call else distance))
    time_value = _AT_THE_MONEY * deviation * math.exp(-abs(distance) / deviation)
    return max(_CHEAPEST, (inner + Decimal(time_value)).quantize(CENT))
