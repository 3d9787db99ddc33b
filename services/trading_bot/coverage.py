"""Coverage: open quantity against live, broker-held stop quantity, per symbol. Pure.

Judged from the stored legs by status, side, quantity, stop price and expiry, never from a list
of open orders: a held stop is in no such list (ORDER_PATH.md rule 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from shared.models.externals import serves_externals
from shared.models.orders import Order, OrderRole, OrderStatus, OrderType, Side
from shared.models.plans import PlanKind
from shared.models.portfolio import BrokerPosition, Position
from shared.models.trading_state import BotState

ZERO = Decimal(0)

_COUNTING = frozenset(
    {
        OrderStatus.ACCEPTED,
        OrderStatus.PENDING_NEW,
        OrderStatus.NEW,
        OrderStatus.HELD,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_REPLACE,
        OrderStatus.ACCEPTED_FOR_BIDDING,
    }
)
"""Statuses in which an order certainly stands at the broker and stays."""


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One symbol of ours. Quantities in shares, unsigned."""

    symbol: str
    open_qty: Decimal
    """Whole shares held."""
    stop_qty: Decimal
    """Live stop quantity, and closing market orders on their way."""

    @property
    def gap_qty(self) -> Decimal:
        """Shares without a stop."""
        return max(ZERO, self.open_qty - self.stop_qty)

    @property
    def is_covered(self) -> bool:
        """Whether every share has its stop."""
        return self.gap_qty == 0


class _LastCoverage:
    """A turn asks for one state and moment several times; both are values that never change."""

    kept: tuple[BotState | None, datetime | None, Mapping[str, CoverageRow]] = (None, None, {})


_last = _LastCoverage()


def coverage(state: BotState, now: datetime | None = None) -> dict[str, CoverageRow]:
    """Return one row per position of ours; with `now` (market time) expired stops do not count."""
    kept = _last.kept
    if kept[0] is not state or kept[1] != now:
        rows = {symbol: row_of(state, held, now) for symbol, held in state.positions.items()}
        kept = _last.kept = state, now, rows
    return dict(kept[2])


def row_of(state: BotState, position: Position, now: datetime | None = None) -> CoverageRow:
    """Return the row of one position of ours, as `coverage` does."""
    stop_qty = _stop_qty(state, position, now)
    return CoverageRow(position.symbol, whole(position.qty), stop_qty)


def gap_at_broker(
    row: CoverageRow, position: Position, held: Mapping[str, Position] | None
) -> Decimal:
    """Return how many shares without a stop the broker's own fresh list really shows (`held` None:
    not readable, then all). What it does not show cannot be protected, and asking for it as well
    would be refused and leave the rest naked.
    """
    if held is None:
        return row.gap_qty
    shown = held.get(row.symbol)
    there = whole(shown.qty) if shown is not None and shown.qty * position.qty > 0 else ZERO
    return min(row.gap_qty, max(ZERO, there - row.stop_qty))


def free_at_broker(symbol: str, held: Mapping[str, Position] | None) -> Decimal | None:
    """Return how many shares no order at the broker holds, whoever placed it; None when he does not
    say so.
    """
    shown = held.get(symbol) if held is not None else None
    if not isinstance(shown, BrokerPosition) or shown.available_qty is None:
        return None
    return abs(shown.available_qty)


def whole(qty: Decimal) -> Decimal:
    """Return the whole shares of a quantity, unsigned: no stop can be had for a fraction, which a
    split may leave.
    """
    return abs(qty).to_integral_value(ROUND_DOWN)


def stands(order: Order) -> bool:
    """Whether an order certainly stands at the broker, and nobody has asked for its end."""
    return order.status in _COUNTING


def is_stale(order: Order, state: BotState) -> bool:
    """Whether an order speaks of the shares from before a split: quantity and prices are wrong."""
    return state.adjustment(order.position_key).is_stale(order.created_at)


def is_waiting_change(order: Order, state: BotState) -> bool:
    """Whether it is to replace an order that still stands: 200 is not yet replaced (rule 4)."""
    old = state.orders.by_broker_id(order.replaces) if order.replaces is not None else None
    return old is not None and old.status.is_live


def gaps_out_of_grace(state: BotState, now: datetime | None = None) -> tuple[str, ...]:
    """Return the symbols whose missing stops must hold new risk back everywhere: all that are not
    covered, but an entry that is filling has the two seconds of rule 2 for its rest.
    """
    rows = coverage(state, now)
    return tuple(
        symbol
        for symbol, row in rows.items()
        if not row.is_covered and not _is_in_grace(state, symbol)
    )


def _is_in_grace(state: BotState, symbol: str) -> bool:
    entry = state.entry_working(symbol)
    if entry is None or not stands(entry):
        return False
    plans = [plan for plan in state.plans if plan.symbol == symbol]
    return all(plan.kind is PlanKind.PARTIAL_ENTRY and plan.step_number == 0 for plan in plans)


def coverage_pct(rows: Mapping[str, CoverageRow]) -> Decimal:
    """Return the covered share of all open quantity in percent; 100 while nothing is open."""
    open_qty = sum((row.open_qty for row in rows.values()), ZERO)
    if open_qty == 0:
        return Decimal(100)
    gap = sum((row.gap_qty for row in rows.values()), ZERO)
    return (open_qty - gap) / open_qty * 100


def _stop_qty(state: BotState, position: Position, now: datetime | None) -> Decimal:
    side = Side.SELL if position.qty > 0 else Side.BUY
    return sum(
        (
            order.remaining_qty
            for order in _of_position(state, position)
            if order.side is side and protects(order, state, now)
        ),
        ZERO,
    )


def _of_position(state: BotState, position: Position) -> Iterable[Order]:
    return (
        order
        for order in state.orders.of_symbol(position.symbol)
        if order.position_key
        and order.broker_order_id is not None
        and not serves_externals(order.position_key)
    )


def closing_by_group(exits: Iterable[Order]) -> dict[str, Decimal]:
    """Return how many shares live exits would close, by the group's parent: the legs of one group
    close the same shares.
    """
    closing: dict[str, Decimal] = {}
    for order in exits:
        group = order.parent_id or order.client_order_id
        closing[group] = max(closing.get(group, ZERO), order.remaining_qty)
    return closing


def protects(order: Order, state: BotState, now: datetime | None) -> bool:
    """Whether the order certainly protects, or sells, its shares; with `now` until it expires."""
    if not stands(order):
        return False
    if order.role is OrderRole.EXIT:
        # Queued outside the session or filling now: these shares are on their way out.
        return order.type is OrderType.MARKET
    if order.role is not OrderRole.STOP:
        return False
    if order.stop_price is None and order.type is not OrderType.TRAILING_STOP:
        return False
    if is_stale(order, state) or is_waiting_change(order, state):
        return False
    if now is not None and order.expires_at is not None and order.expires_at <= now:
        return False
    return not _is_inert(order, state)


def _is_inert(order: Order, state: BotState) -> bool:
    """Legs of a bracket do nothing until the entry is completely filled (rule 2)."""
    parent = state.orders.get(order.parent_id) if order.parent_id is not None else None
    if parent is None or parent.role is not OrderRole.ENTRY:
        return False
    return parent.status is not OrderStatus.FILLED
