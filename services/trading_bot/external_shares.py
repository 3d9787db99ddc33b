"""How many shares at the broker are not ours, and which orders hold them. Pure.

A quantity is acted upon only as far as the last reconciliation and the fresh reading agree on it:
either may lag, and what is in doubt is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from services.trading_bot.coverage import (
    CoverageRow,
    closing_by_group,
    free_at_broker,
    protects,
    whole,
)
from services.trading_bot.decision import Facts
from shared.events.orders import role_of_leg
from shared.models.broker import BrokerOrder
from shared.models.externals import EXTERNAL, external_key, serves_externals
from shared.models.orders import Order, OrderClass, OrderRole, Side
from shared.models.plans import Plan
from shared.models.portfolio import Position
from shared.models.trading_state import BotState

ZERO = Decimal(0)
Held = Mapping[str, Position]


def beyond_ours(symbol: str, state: BotState, held: Held) -> Decimal:
    """Return the signed shares that the broker holds beside ours."""
    shown, ours = held.get(symbol), state.positions.get(symbol)
    return (shown.qty if shown is not None else ZERO) - (ours.qty if ours is not None else ZERO)


def external_position(symbol: str, state: BotState, held: Held | None) -> Position | None:
    """Return the external shares of a symbol as a position that orders can serve, or None; as last
    reconciled while `held`, the fresh reading, is None.
    """
    known = state.external_positions.get(symbol)
    if known is None:
        return None
    qty = known.qty
    if held is not None:
        beyond = beyond_ours(symbol, state, held)
        if beyond * qty <= 0:
            return None
        qty = min(beyond, qty, key=abs)
    return replace(known, qty=qty, strategy=EXTERNAL, position_key=external_key(symbol))


def held_of(plan: Plan, facts: Facts) -> Position | None:
    """Return the position that a plan serves, ours or an external one; None when it is gone."""
    if serves_externals(plan.position_key):
        return external_position(plan.symbol, facts.state, facts.broker_positions)
    position = facts.state.positions.get(plan.symbol)
    return position if position and position.position_key == plan.position_key else None


def closing_side(qty: Decimal) -> Side:
    """Return the side that makes so many signed shares fewer."""
    return Side.SELL if qty > 0 else Side.BUY


def own_stops(symbol: str, state: BotState) -> list[Order]:
    """Return our stops for external shares that still work, or may."""
    orders = state.orders.group(external_key(symbol))
    return [one for one in orders if one.role is OrderRole.STOP and one.status.is_live]


@dataclass(frozen=True, slots=True)
class _InSight:
    """What orders of others would close: shares of single stops, of other single orders, and of
    groups by their stops and by their targets. Target and stop of a group close the same shares,
    and once its entry has filled nothing tells any more which two belong together (rule 3).
    """

    lone_stops: Decimal
    lone_others: Decimal
    group_stops: Decimal
    group_targets: Decimal

    @classmethod
    def of(cls, position: Position, foreign: Iterable[BrokerOrder]) -> _InSight:
        """Add up those that make the position smaller."""
        side, sums = closing_side(position.qty), [ZERO] * 4
        closing = (one for one in foreign if (one.symbol, one.side) == (position.symbol, side))
        for order in (each for one in closing for each in (one, *one.legs)):
            is_target = role_of_leg(order) is not OrderRole.STOP
            is_grouped = order.order_class is not OrderClass.SIMPLE
            sums[2 * is_grouped + is_target] += order.qty - order.filled_qty
        return cls(*sums)

    @property
    def held(self) -> Decimal:
        """Shares that they hold."""
        groups = max(self.group_stops, self.group_targets)
        return self.lone_stops + self.lone_others + groups

    @property
    def bare(self) -> Decimal:
        """Those that they hold and do not protect."""
        return self.lone_others + max(ZERO, self.group_targets - self.group_stops)


def _held_by_others(
    position: Position, state: BotState, held: Held | None, in_sight: _InSight
) -> Decimal:
    """Return how many shares of the symbol orders that are none of ours hold: as many as those in
    sight, or as the broker's own count of what is free says; the larger number counts.
    """
    side = closing_side(position.qty)
    return max(in_sight.held, _held_unseen(position.symbol, side, state, held))


def room_for_ours(
    position: Position, state: BotState, held: Held | None, foreign: Iterable[BrokerOrder]
) -> Decimal:
    """Return how many whole shares of an external position no order of others holds."""
    others = _held_by_others(position, state, held, _InSight.of(position, foreign))
    return max(ZERO, whole(position.qty) - others)


def _held_unseen(symbol: str, side: Side, state: BotState, held: Held | None) -> Decimal:
    free = free_at_broker(symbol, held)
    if free is None or held is None:
        return ZERO
    ours = [
        order
        for order in state.orders.of_symbol(symbol)
        if order.status.is_live and order.side is side and order.role is not OrderRole.ENTRY
    ]
    mine = sum(closing_by_group(ours).values(), ZERO)
    return max(ZERO, abs(held[symbol].qty) - free - mine)


def external_row(
    position: Position,
    state: BotState,
    held: Held | None,
    now: datetime | None,
    foreign: Iterable[BrokerOrder] = (),
) -> CoverageRow:
    """Return how far the external shares are protected: by our stops, and by what others hold
    unless it is seen to be no stop.
    """
    stops = own_stops(position.symbol, state)
    own = sum((one.remaining_qty for one in stops if protects(one, state, now)), ZERO)
    in_sight = _InSight.of(position, foreign)
    others = _held_by_others(position, state, held, in_sight) - in_sight.bare
    return CoverageRow(position.symbol, whole(position.qty), own + others)


def external_coverage(
    state: BotState,
    held: Held | None,
    now: datetime | None,
    foreign: Iterable[BrokerOrder] = (),
) -> dict[str, CoverageRow]:
    """Return one row per external position, beside `coverage`, which knows ours alone."""
    found = (external_position(symbol, state, held) for symbol in sorted(state.external_positions))
    shown = tuple(foreign)
    return {
        each.symbol: external_row(each, state, held, now, shown)
        for each in found
        if each is not None
    }
