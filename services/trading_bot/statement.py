"""The day's statement: our books against the broker's activities, cent for cent. Pure.

Compared is everything since the statement before: the fills of our orders in shares and dollars,
and with them every trade's profit; and the broker's cash with all that moved it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.events.fills import cost_of
from shared.models.broker import BrokerFill
from shared.models.movements import BrokerMovement
from shared.models.numbers import CENT
from shared.models.orders import Order, Side
from shared.models.pnl import Statement
from shared.models.trading_state import BotState

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Activities:
    """What the broker lists since the statement before, both read whole, and its cash now."""

    fills: tuple[BrokerFill, ...]
    movements: tuple[BrokerMovement, ...]
    cash: Decimal
    at: datetime


def compare(state: BotState, seen: Activities) -> tuple[str, ...]:
    """Return every difference in one sentence each; empty when all agrees to the cent."""
    since = state.statement.at if state.statement is not None else None
    fills = [fill for fill in seen.fills if since is None or fill.at > since]
    by_order: dict[str, list[BrokerFill]] = {}
    for fill in fills:
        by_order.setdefault(fill.broker_order_id, []).append(fill)
    found = [
        difference
        for order in state.orders.values()
        if (difference := _order_difference(order, by_order, since)) is not None
    ]
    return (*found, *_cash_difference(state.statement, fills, seen))


def _order_difference(
    order: Order, by_order: dict[str, list[BrokerFill]], since: datetime | None
) -> str | None:
    fills = by_order.get(order.broker_order_id or "", [])
    if not fills:
        is_due = order.filled_at is not None and (since is None or order.filled_at > since)
        return f"{_name(order)}: the broker lists no fill of it" if is_due else None
    total = max(fill.cumulative_qty for fill in fills)
    if total != order.filled_qty:
        return f"{_name(order)}: filled {order.filled_qty} here, {total} there"
    if sum((fill.qty for fill in fills), ZERO) != total:
        return None  # filled before the statement before, too: its dollars were compared then
    cost = sum((fill.qty * fill.price for fill in fills), ZERO)
    if abs(cost - cost_of(order)) < CENT:
        return None
    return f"{_name(order)}: {cost_of(order):.2f} dollars here, {cost:.2f} there"


def _cash_difference(
    before: Statement | None, fills: Iterable[BrokerFill], seen: Activities
) -> Iterable[str]:
    if before is None:
        return
    expected = before.cash
    for fill in fills:
        expected += fill.qty * fill.price * (-1 if fill.side is Side.BUY else 1)
    for movement in seen.movements:
        if movement.moment > before.at:
            expected += movement.amount
    # The account shows whole cents: two readings of it may be one cent apart by rounding alone.
    if abs(expected - seen.cash) > CENT:
        yield f"cash: {expected:.2f} by the activities, {seen.cash:.2f} by the account"


def _name(order: Order) -> str:
    return f"{order.role.value} {order.side.value} {order.qty} {order.symbol}"
