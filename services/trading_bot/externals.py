"""What is begun for external shares: a stop with ADOPT_EXTERNAL, leaving them on command. Pure.

They are observed, counted and shown, and never traded (ORDER_PATH.md rule 18). With the setting
they get a stop of ours, for exactly the shares that no order at the broker holds. Where they become
fewer, or an order of somebody else takes them, our stop goes, and one for what is left comes: it
never sells more than is there. It goes, too, once the setting is off: nobody wants it any more, and
it holds shares that are not ours. Each step is judged from the recorded orders, so that a restart
goes on where the process before it stood.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

from services.trading_bot.coverage import protects
from services.trading_bot.decision import NOTHING, Decision, Facts, Note, safely
from services.trading_bot.exits import OPERATOR, fresh_bid, recent_atr
from services.trading_bot.external_shares import (
    beyond_ours,
    external_position,
    own_stops,
    room_for_ours,
)
from services.trading_bot.plan_steps import cancels, start_plan
from services.trading_bot.sends import Holding, external_stop_send
from shared.events.types import PlanStarted
from shared.models.externals import external_key, serves_externals
from shared.models.numbers import CENT, round_to_tick
from shared.models.orders import Order, OrderStatus
from shared.models.plans import PlanKind
from shared.models.portfolio import Position

QUIET = timedelta(seconds=60)
"""Market time after a fill, a new stop or a refusal in which the broker's positions may lag behind:
no other stop for external shares goes out meanwhile."""
ATR_BARS = 14
FRACTION_MIN = Decimal("0.005")
"""The stop is never nearer than this share of the price: noise would fill it."""
FRACTION_WIDEST = Decimal("0.05")
"""How far it lies while no average true range is known, as for symbols that nobody watches."""
_UNSETTLED = frozenset({OrderStatus.INTENT, OrderStatus.UNKNOWN})
_ENDED_UNSENT = frozenset({OrderStatus.REJECTED, OrderStatus.NOT_SENT})


def watch_externals(facts: Facts) -> Decision:
    """Protect, follow or leave what the broker holds beside ours."""
    state = facts.state
    symbols = set(state.external_positions)
    symbols |= {each.symbol for each in state.orders.live() if serves_externals(each.position_key)}
    found = NOTHING
    for symbol in sorted(symbols):
        found += safely(partial(_watch, symbol, facts), f"external {symbol}")
    return found


def _watch(symbol: str, facts: Facts) -> Decision:
    key = external_key(symbol)
    if any(plan.position_key == key for plan in facts.state.plans):
        return NOTHING
    position = external_position(symbol, facts.state, facts.broker_positions)
    if facts.flatten is not None and facts.flatten_externals:
        return _leave(position, facts) if position is not None else NOTHING
    if facts.broker_positions is None or _is_moving(symbol, facts):
        return NOTHING
    stops = own_stops(symbol, facts.state)
    if stops and not facts.policy.adopt_external:
        return _withdraw(stops, "ADOPT_EXTERNAL is off")
    if stops and _holds_too_many(stops, facts):
        return _withdraw(stops, "the external shares became fewer, or another order protects them")
    if position is None or not facts.policy.adopt_external or _must_wait(symbol, facts):
        return NOTHING
    return _protect(position, facts)


def _leave(position: Position, facts: Facts) -> Decision:
    """Start closing, as an operator's flatten with what is external demands."""
    why = (facts.flatten or "", OPERATOR)
    plan = start_plan(facts, PlanKind.CLOSE, position.position_key, why)
    message = f"leave external {position.symbol}, {position.qty}: {facts.flatten}"
    note = Note("exit_decided", message, {"symbol": position.symbol, "strategy": position.strategy})
    return Decision(bookings=(PlanStarted(plan),), notes=(note,))


def _is_moving(symbol: str, facts: Facts) -> bool:
    """Whether shares of ours change in this symbol: what lies beyond them cannot be told then."""
    if facts.state.entry_working(symbol) is not None:
        return True
    return any(
        _is_young(order, facts) or order.status in _UNSETTLED
        for order in facts.state.orders.of_symbol(symbol)
        if not serves_externals(order.position_key)
    )


def _is_young(order: Order, facts: Facts) -> bool:
    return order.filled_at is not None and facts.now - order.filled_at < QUIET


def _holds_too_many(stops: list[Order], facts: Facts) -> bool:
    """Whether our stops could sell more than nobody else's order will."""
    first = stops[0]
    beyond = beyond_ours(first.symbol, facts.state, facts.broker_positions or {})
    held = Position(first.symbol, beyond, Decimal(0)) if beyond != 0 else None
    if held is None or Holding(facts.state, held, facts.now).closing_side is not first.side:
        return True
    room = room_for_ours(held, facts.state, facts.broker_positions, facts.foreign_orders)
    return sum(each.remaining_qty for each in stops) > room


def _withdraw(stops: list[Order], reason: str) -> Decision:
    asked = (OrderStatus.PENDING_CANCEL, OrderStatus.UNKNOWN)
    return cancels([each for each in stops if each.status not in asked], reason)


def _must_wait(symbol: str, facts: Facts) -> bool:
    """Whether an order of ours for these shares is not settled, or was placed, refused or filled
    so lately that the broker's count of what is free may not know of it.
    """
    return any(
        _is_unsettled(order, facts) or _is_fresh(order, facts) or _is_young(order, facts)
        for order in facts.state.orders.group(external_key(symbol))
    )


def _is_unsettled(order: Order, facts: Facts) -> bool:
    return not order.status.is_terminal and not protects(order, facts.state, facts.now)


def _is_fresh(order: Order, facts: Facts) -> bool:
    counts = not order.status.is_terminal or order.status in _ENDED_UNSENT
    return counts and order.created_at is not None and facts.now - order.created_at < QUIET


def _protect(position: Position, facts: Facts) -> Decision:
    """Send one stop for the shares that no order at the broker holds."""
    if facts.account is None or not facts.account.may_trade:
        return NOTHING
    state, held = facts.state, facts.broker_positions
    room = room_for_ours(position, state, held, facts.foreign_orders)
    gap = room - sum(each.remaining_qty for each in own_stops(position.symbol, state))
    stop = _stop_price(position, facts)
    if gap < 1 or stop is None:
        return NOTHING
    holding = Holding(state, position, facts.now).only(gap)
    message = f"{position.symbol}: {gap} external shares have no stop; one at {stop}"
    note = Note("external_protected", message, {"symbol": position.symbol})
    return Decision(protective=(external_stop_send(holding, stop),), notes=(note,))


def _stop_price(position: Position, facts: Facts) -> Decimal | None:
    """Return where the stop goes: as many ATR from the present price as STOP_ATR_MULTIPLE says,
    the widest distance without an ATR; None while no price can be trusted.
    """
    price = _price(position, facts)
    if price is None:
        return None
    atr = recent_atr(position.symbol, ATR_BARS, facts)
    distance = price * FRACTION_WIDEST
    if atr is not None:
        multiple = facts.policy.limits.stop_atr_multiple
        distance = max(multiple * atr, price * FRACTION_MIN)
    distance = max(distance, 2 * CENT)
    stop = round_to_tick(price - distance if position.qty > 0 else price + distance)
    return stop if stop > 0 else None


def _price(position: Position, facts: Facts) -> Decimal | None:
    """Return the fresh quote of a watched symbol, else the price at which the broker values it."""
    bid = fresh_bid(position.symbol, facts)
    if bid is not None:
        return bid if position.qty > 0 else facts.market.quotes[position.symbol].ask
    shown = (facts.broker_positions or {}).get(position.symbol)
    return shown.current_price if shown is not None else None
