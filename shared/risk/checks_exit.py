"""The checks of exits: a known form, never more than is held, the stop on its side.

What reduces risk is not blocked by a fact that could not be read: here only a known fault denies,
except for the quantity of a REDUCE, which the caller then leaves to the broker's own close.
"""

from __future__ import annotations

from decimal import Decimal

from shared.models.broker import OrderRequest
from shared.models.numbers import CENT
from shared.models.orders import OrderClass, OrderType, Purpose, Side, TimeInForce
from shared.risk.approved import CheckRow
from shared.risk.case import ASSET_CLASS, Case
from shared.risk.dollars import HUGE, ONE, ZERO
from shared.risk.facts import MISSING, GuardFacts
from shared.risk.ticks import on_tick

EXITS_PER_MINUTE_MAX = 120
"""Protection has a budget of its own, so that entries can never use it up."""

_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
_TIMES = frozenset({TimeInForce.GTC, TimeInForce.DAY})
EXIT_FORMS: frozenset[tuple[OrderClass, OrderType]] = frozenset(
    {
        (OrderClass.OCO, OrderType.LIMIT),
        (OrderClass.OCO, OrderType.STOP),
        (OrderClass.BRACKET, OrderType.LIMIT),
        (OrderClass.BRACKET, OrderType.STOP),
        (OrderClass.SIMPLE, OrderType.MARKET),
        (OrderClass.SIMPLE, OrderType.LIMIT),
        (OrderClass.SIMPLE, OrderType.STOP),
        (OrderClass.SIMPLE, OrderType.STOP_LIMIT),
        (OrderClass.SIMPLE, OrderType.TRAILING_STOP),
    }
)
"""Forms of exits; bracket and OCO legs appear when a PATCH changes one of them."""


def identity_rows(facts: GuardFacts, case: Case) -> tuple[CheckRow, ...]:
    """Nothing is known to be wrong with mode, account and asset; the order's form is known."""
    request, _, limit, _, _ = case
    qty = request.qty
    prices = (
        request.limit_price,
        request.stop_loss_price,
        request.take_profit_price,
        request.stop_price,
    )
    ticks = all(on_tick(price) for price in prices if price is not None)
    words = f"{request.order_class} {request.type} {request.time_in_force}"
    kind = facts.asset_class
    return (
        ("mode", facts.mode_matches is not False, True, facts.mode_matches),
        ("account", facts.account_matches is not False, True, facts.account_matches),
        ("asset_class", kind is None or kind == ASSET_CLASS, ASSET_CLASS, kind),
        ("tradable", facts.tradable is not False, True, facts.tradable),
        ("whole_shares", HUGE > qty > ZERO and not qty % ONE, "whole, above 0", qty),
        ("tick", ticks, "on the tick", limit),
        ("form", _is_known_form(request), "a known form with its prices", words),
    )


def _is_known_form(request: OrderRequest) -> bool:
    if (request.order_class, request.type) not in EXIT_FORMS or request.time_in_force not in _TIMES:
        return False
    if request.type is OrderType.LIMIT and request.limit_price is None:
        return False
    if request.type in _STOPS and request.stop_price is None:
        return False
    brings_stop = request.order_class is OrderClass.OCO and request.replaces is None
    return request.stop_loss_price is not None if brings_stop else True


def protection_rows(facts: GuardFacts, case: Case) -> tuple[CheckRow, ...]:
    """The stop of a protective order: away from the price, on the losing side of its target."""
    request, _, _, _, leg_target = case
    is_buy = request.side is Side.BUY
    stop = request.stop_loss_price or request.stop_price
    if stop is None:
        return (
            ("stop_side", True, MISSING, MISSING),
            ("stop_distance", True, CENT, MISSING),
        )
    if request.type is OrderType.TRAILING_STOP:
        # Its stop price is a distance in dollars: the broker keeps it on its side.
        return (
            ("stop_side", True, MISSING, stop),
            ("stop_distance", CENT <= stop < HUGE, CENT, stop),
        )
    target = leg_target if request.order_class is not OrderClass.SIMPLE else MISSING
    right = target.is_nan() or (stop > target if is_buy else stop < target)
    reference = facts.ask if is_buy else facts.bid
    if not reference.is_finite() or reference <= ZERO:
        # A broken quote must not keep protection away; the broker judges the price itself.
        return (("stop_side", right, target, stop), ("stop_distance", True, CENT, MISSING))
    away = stop - reference if is_buy else reference - stop
    return (
        ("stop_side", right, target, stop),
        ("stop_distance", away >= CENT, CENT, away),
    )


def quantity_rows(facts: GuardFacts, case: Case) -> tuple[CheckRow, ...]:
    """The quantity fits the fresh position less what other live exits would already close, and what
    is ours: a fill booked since that reading has taken its shares, and external ones are not sold.

    Without a sane fresh reading PROTECT goes by the last known quantity (the broker refuses an
    excess); REDUCE is refused here, and the caller lets the broker close the position itself.
    """
    request = case[0]
    held, closing, sent = facts.position_qty, facts.exits_live_qty, facts.exits_last_minute
    if request.purpose is Purpose.PROTECT:
        held = held if abs(held) < HUGE else facts.position_qty_known
        closing = closing if closing.is_finite() else ZERO
    known = facts.position_qty_known
    room = _room(held, closing, request.side is Side.BUY)
    if room < HUGE and abs(known) < HUGE:
        room = min(room, _room(known, closing, request.side is Side.BUY))
    return (
        ("exit_quantity", request.qty <= room < HUGE, room, request.qty),
        (
            "exit_rate",
            sent is None or sent < EXITS_PER_MINUTE_MAX,
            EXITS_PER_MINUTE_MAX,
            sent,
        ),
    )


def _room(held: Decimal, closing: Decimal, is_buy: bool) -> Decimal:
    if not closing.is_finite() or closing < ZERO:
        return MISSING
    return (-held if is_buy else held) - closing


def unknown_exit_rows(facts: GuardFacts, _case: Case) -> tuple[CheckRow, ...]:
    """No exit of the symbol has an unknown outcome: it may be selling these shares already."""
    unknown = facts.unknown_exits
    return (("unknown_exit", unknown is None or unknown == 0, 0, unknown),)
