"""The greeks of European options by Black and Scholes, without interest and dividends. Pure.

A call and a put of one strike and expiry share gamma, charm and vanna; their deltas differ by one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
_SQRT_2 = math.sqrt(2.0)
_DAYS_PER_YEAR = 365.0


class Greeks(NamedTuple):
    """Of one share's worth of an option."""

    call_delta: float
    """Change of the call's worth for one dollar of the share: 0 to 1."""
    gamma: float
    """Change of delta for one dollar of the share."""
    charm: float
    """Change of delta in one calendar day."""
    vanna: float
    """Change of delta for a change of the volatility by 1, that is by 100 percent."""

    @property
    def put_delta(self) -> float:
        """Change of the put's worth for one dollar of the share: -1 to 0."""
        return self.call_delta - 1.0


def greeks(spot: float, strike: float, years: float, volatility: float) -> Greeks:
    """Return the greeks; all arguments positive, `years` until the expiry, `volatility` by year."""
    deviation = volatility * math.sqrt(years)
    first = math.log(spot / strike) / deviation + deviation / 2.0
    second = first - deviation
    density = _DENSITY * math.exp(-first * first / 2.0)
    return Greeks(
        call_delta=0.5 * math.erfc(-first / _SQRT_2),
        gamma=density / (spot * deviation),
        charm=density * second / (2.0 * years * _DAYS_PER_YEAR),
        vanna=-density * second / volatility,
    )
