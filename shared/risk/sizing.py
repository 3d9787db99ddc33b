"""How many shares an entry buys: the least of what risk, limits and money allow, whole shares."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from shared.models.limits import Limits
from shared.models.orders import Side
from shared.models.signals import Signal
from shared.risk.dollars import HUGE, ZERO, DollarLimits

_NO_BOUND = HUGE


@dataclass(frozen=True, slots=True)
class Room:
    """What stands already, in dollars; the limits leave the rest. Negative room buys nothing."""

    symbol_exposure: Decimal = ZERO
    gross_exposure: Decimal = ZERO
    open_risk: Decimal = ZERO
    buying_power: Decimal = _NO_BOUND


def size_entry(
    signal: Signal, equity: Decimal, limits: Limits, price: Decimal, room: Room | None = None
) -> int:
    """Return whole shares, 0 when the limits leave none or an input is no sane number.

    `price` is the worst price that the entry may pay: notional and risk are counted from it.
    """
    room = room if room is not None else Room()
    dollars = DollarLimits.of(limits, equity)
    numbers = (price, *(getattr(room, name) for name in Room.__slots__))
    if dollars.equity is None or not all(number.is_finite() for number in numbers):
        return 0
    stop = signal.stop_price
    risk_per_share = price - stop if signal.side is Side.BUY else stop - price
    if price <= ZERO or risk_per_share <= ZERO:
        return 0
    value = min(
        dollars.notional,
        dollars.position - room.symbol_exposure,
        dollars.concentration - room.symbol_exposure,
        dollars.exposure - room.gross_exposure,
        room.buying_power,
    )
    risk = min(dollars.risk_per_trade, dollars.total_risk - room.open_risk)
    shares = min(value / price, risk / risk_per_share)
    return max(0, int(shares.to_integral_value(rounding=ROUND_FLOOR)))
