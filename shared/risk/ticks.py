"""The broker's tick: cents from one dollar on, a hundredth of a cent below."""

from __future__ import annotations

from decimal import Decimal

from shared.models.numbers import CENT
from shared.risk.dollars import HUGE, ONE, ZERO

_BELOW_ONE = Decimal("0.0001")


def on_tick(price: Decimal) -> bool:
    """Whether the broker takes this price; a missing one never is on the tick."""
    if price >= ONE:
        return price < HUGE and not price % CENT
    return price > ZERO and not price % _BELOW_ONE
