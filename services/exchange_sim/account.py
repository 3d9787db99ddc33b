"""Money, pure: what a fill does to cash and position, what orders reserve, what is left to buy.

Buying power follows Alpaca in shape, simplified in depth: multiplier x equity, less what is
held and what open orders reserve; the multiplier is 4 from 2,000 dollars of equity on, else 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from services.exchange_sim.records import ZERO, SimOrder, SimPosition
from shared.models.orders import OrderStatus, OrderType, Side

MARGIN_EQUITY_MIN = Decimal(2_000)
MAINTENANCE_LONG = Decimal("0.30")
INITIAL_MARGIN = Decimal("0.50")
SHORT_PRICE_FACTOR = Decimal("1.03")
STOP_PRICE_FACTOR = Decimal("1.025")
"""A buy stop becomes a stop-limit a little above: that is what it may cost."""
PRICE_DIGITS = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class FillEffect:
    """What one fill changes."""

    position: SimPosition | None
    """None is flat."""
    cash: Decimal
    """Signed change of cash."""


def apply_fill(
    position: SimPosition | None, symbol: str, signed_qty: Decimal, price: Decimal
) -> FillEffect:
    """Return position and cash change of buying (+) or selling (-) shares at a price."""
    cash = -signed_qty * price
    old_qty = position.qty if position else ZERO
    new_qty = old_qty + signed_qty
    if new_qty == 0:
        return FillEffect(None, cash)
    if position is None or (old_qty > 0) != (new_qty > 0):
        return FillEffect(SimPosition(symbol, new_qty, price), cash)
    if abs(new_qty) < abs(old_qty):
        return FillEffect(SimPosition(symbol, new_qty, position.avg_entry_price), cash)
    paid = position.avg_entry_price * abs(old_qty) + price * abs(signed_qty)
    average = (paid / abs(new_qty)).quantize(PRICE_DIGITS)
    return FillEffect(SimPosition(symbol, new_qty, average), cash)


def _takes_part(order: SimOrder) -> bool:
    # A replacement stands behind the order it replaces until that one is gone.
    waiting = order.status is OrderStatus.PENDING_NEW and order.replaces is not None
    return order.is_live and not order.inert and not waiting


def held_qty(orders: Iterable[SimOrder], side: Side) -> Decimal:
    """Return the shares that live orders of that side hold; a group's legs count once."""
    singles = ZERO
    groups: dict[str, Decimal] = {}
    for order in orders:
        if order.side is not side or not _takes_part(order):
            continue
        if order.group_id is None:
            singles += order.remaining
        else:
            groups[order.group_id] = max(groups.get(order.group_id, ZERO), order.remaining)
    return singles + sum(groups.values(), ZERO)


def available_qty(position: SimPosition | None, orders: Iterable[SimOrder]) -> Decimal:
    """Return the shares of the position that no closing order holds; signed as the position."""
    if position is None:
        return ZERO
    closing = Side.SELL if position.qty > 0 else Side.BUY
    free = max(ZERO, abs(position.qty) - held_qty(orders, closing))
    return free if position.qty > 0 else -free


def cost_price(order: SimOrder, bid_ask: tuple[Decimal, Decimal]) -> Decimal:
    """Return the price per share that an opening order is reserved at."""
    bid, ask = bid_ask
    if order.side is Side.SELL:
        return max(order.limit_price or bid, ask * SHORT_PRICE_FACTOR)
    if order.limit_price is not None:
        return order.limit_price
    if order.type is OrderType.STOP and order.stop_price is not None:
        return order.stop_price * STOP_PRICE_FACTOR
    return ask


def opening_qty(order: SimOrder, position: SimPosition | None) -> Decimal:
    """Return how many of the order's open shares would open exposure, not close it."""
    if position is None or (position.qty > 0) == (order.side is Side.BUY):
        return order.remaining
    return max(ZERO, order.remaining - abs(position.qty))


@dataclass(frozen=True, slots=True)
class Worth:
    """The account's numbers at one moment, in dollars."""

    cash: Decimal
    long_value: Decimal
    short_value: Decimal
    """Negative or zero."""
    reserved: Decimal
    """What open orders that would open exposure may cost."""
    multiplier: int

    @property
    def equity(self) -> Decimal:
        """Cash and all positions."""
        return self.cash + self.long_value + self.short_value

    @property
    def gross(self) -> Decimal:
        """Exposure of both sides."""
        return self.long_value - self.short_value

    @property
    def margin_multiplier(self) -> int:
        """1 below the margin minimum, else the account's own."""
        return self.multiplier if self.equity >= MARGIN_EQUITY_MIN else 1

    def buying_power(self, multiplier: int | None = None) -> Decimal:
        """What may still be bought, at that multiplier or the account's own."""
        factor = self.margin_multiplier if multiplier is None else multiplier
        return max(ZERO, self.equity * factor - self.gross - self.reserved)


def worth_of(
    cash: Decimal,
    positions: Iterable[SimPosition],
    prices: Mapping[str, Decimal],
    reserved: Decimal,
    multiplier: int,
) -> Worth:
    """Return the account's numbers; a position without a price counts at its entry."""
    long_value = short_value = ZERO
    for position in positions:
        value = position.qty * prices.get(position.symbol, position.avg_entry_price)
        if value > 0:
            long_value += value
        else:
            short_value += value
    return Worth(cash, long_value, short_value, reserved, multiplier)
