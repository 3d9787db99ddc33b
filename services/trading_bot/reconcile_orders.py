"""Orders of a reconciliation: parent → legs → replaced_by → activities. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from services.trading_bot.coverage import closing_by_group, stands
from services.trading_bot.reconcile_report import Outcome, Working
from shared.events.fills import stamp_of
from shared.events.orders import order_from_seen, role_of_leg
from shared.events.types import FillSeen, HoldPlaced, OrderAdopted, OrderSeen, OutcomeUnknown
from shared.models.broker import BrokerFill, BrokerOrder
from shared.models.externals import EXTERNAL, external_key
from shared.models.ids import parse_own_id
from shared.models.orders import Order, OrderClass, OrderRole, OrderStatus, Side
from shared.models.portfolio import Position
from shared.models.trading_state import BotState, HoldKind

_PLAN_NAMES = frozenset({"protect", "close", "replace", EXTERNAL})
"""Names in the ids of orders that no strategy asked for."""

_CHAIN_LINKS_MAX = 20
"""Replacements of one order that are followed in one reconciliation; the next one goes on."""

_CLOCK_SLACK = timedelta(seconds=2)
"""Our stamp of an intent and the broker's of its legs come from two readings of market time."""


def match_orders(
    working: Working,
    orders: Iterable[BrokerOrder],
    fills: Iterable[BrokerFill],
    shares: Mapping[str, Decimal],
) -> None:
    """Book what the broker shows of every order, then the fills that no order showed.

    `shares` are the broker's signed positions: a foreign sale is ours only if shares of ours
    are missing there.
    """
    seen = sorted(
        _once(orders), key=lambda one: (one.created_at, stamp_of(one), one.client_order_id)
    )
    before = working.state
    _take_all(working, seen)
    for order in sorted(seen, key=lambda one: _rank(before, one, shares)):
        if working.state.orders.by_broker_id(order.broker_order_id) is None:
            _take_stranger(working, order, shares)
    _take_all(working, seen)
    for fill in sorted(fills, key=lambda one: (one.at, one.broker_order_id, one.cumulative_qty)):
        working.take(FillSeen(fill))
    _note_known(working, before)
    _note_absent(working, {name for order in seen for name in _ids_of(order)})


def _rank(state: BotState, seen: BrokerOrder, shares: Mapping[str, Decimal]) -> int:
    """Return when to judge an order: our own first, since a leg with a random id is told by its
    parent; then the sale by hand that alone explains which shares of ours are missing.
    """
    if parse_own_id(seen.client_order_id) is not None:
        return 0
    is_exact = seen.filled_qty == _missing(state, seen.symbol, shares)
    return 1 if seen.filled_qty and is_exact else 2


def _take_all(working: Working, seen: list[BrokerOrder]) -> None:
    """Book every reading, again as long as one makes another one known: a successor may be
    listed before the order that it replaced.
    """
    for _ in range(_CHAIN_LINKS_MAX):
        before = working.state
        for order in seen:
            working.take(OrderSeen(order, working.at))
        if working.state is before:
            return


def _once(orders: Iterable[BrokerOrder]) -> list[BrokerOrder]:
    """Drop doubles of overlapping pages; of two readings of one order the newer one stays."""
    newest: dict[str, BrokerOrder] = {}
    for order in orders:
        other = newest.get(order.broker_order_id)
        if other is None or _fullness(order) > _fullness(other):
            newest[order.broker_order_id] = order
    return list(newest.values())


def _fullness(order: BrokerOrder) -> tuple[object, ...]:
    return (stamp_of(order), order.filled_qty, len(order.legs), order.status.value)


def _ids_of(order: BrokerOrder) -> Iterable[str]:
    yield order.broker_order_id
    for leg in order.legs:
        yield from _ids_of(leg)


def _take_stranger(working: Working, seen: BrokerOrder, shares: Mapping[str, Decimal]) -> None:
    """Judge an order that the state does not know."""
    state = working.state
    own = parse_own_id(seen.client_order_id)
    if own is not None and own.epoch not in state.owns_epoch:
        detail = f"epoch {own.epoch} is none of ours"
        working.note(Outcome.SECOND_WRITER, seen.symbol, seen.client_order_id, detail)
        working.take(HoldPlaced(HoldKind.SECOND_WRITER, f"second writer: {detail}", working.at))
        return
    if _is_forgotten(state, seen):
        return
    if own is not None:
        _adopt_own(working, seen, own.strategy)
        return
    adopted = _orphan_leg(state, seen) or _outside_exit(state, seen, shares)
    if adopted is not None:
        working.take(OrderAdopted(adopted, seen, working.at))
        working.note(Outcome.EXTERNAL, seen.symbol, seen.client_order_id, adopted.reason)
    elif not seen.status.is_terminal:
        working.note(Outcome.EXTERNAL, seen.symbol, seen.client_order_id, "a foreign order works")


def _is_forgotten(state: BotState, seen: BrokerOrder) -> bool:
    """Whether it may be an order that was booked and dropped from the bounded state."""
    until = state.forgotten_until
    return until is not None and seen.status.is_terminal and seen.created_at <= until


def _adopt_own(working: Working, seen: BrokerOrder, name: str) -> None:
    order = order_from_seen(seen, _role_of(seen, name))
    is_external = name == EXTERNAL
    if is_external:
        key = external_key(seen.symbol)
    elif order.role is OrderRole.ENTRY:
        key = seen.client_order_id
    else:
        key = _key_for(working.state, seen)
    order = replace(
        order,
        strategy="" if name in _PLAN_NAMES and not is_external else name,
        position_key=key,
        reason="adopted: its intent was lost",
    )
    working.take(OrderAdopted(order, seen, working.at))
    detail = f"{order.role.value} adopted, {seen.status.value}, filled {seen.filled_qty}"
    working.note(Outcome.OWN_LOST_INTENT, seen.symbol, seen.client_order_id, detail)


def _role_of(seen: BrokerOrder, name: str) -> OrderRole:
    if seen.order_class is OrderClass.BRACKET and name not in _PLAN_NAMES:
        return OrderRole.ENTRY
    leg = role_of_leg(seen)
    if leg is OrderRole.STOP:
        return leg
    if seen.order_class is OrderClass.OCO:
        return OrderRole.TARGET
    if name in _PLAN_NAMES:
        return OrderRole.EXIT
    return OrderRole.ENTRY if seen.side is Side.BUY else OrderRole.EXIT


def _key_for(state: BotState, seen: BrokerOrder) -> str:
    """Return the position that an exit serves: the open one, else the newest it can have closed."""
    held = state.positions.get(seen.symbol)
    if held is not None:
        return held.position_key
    entries = [
        order
        for order in state.orders.of_symbol(seen.symbol)
        if order.role is OrderRole.ENTRY
        and order.side is not seen.side
        and order.created_at is not None
        and order.created_at <= seen.created_at + _CLOCK_SLACK
    ]
    newest = max(entries, key=lambda order: (order.created_at, order.position_key), default=None)
    return newest.position_key if newest is not None else ""


def _orphan_leg(state: BotState, seen: BrokerOrder) -> Order | None:
    """Return our record of a leg whose parent's first reply was lost, else None.

    Legs have random ids, and after the fill they no longer stand under their parent.
    """
    if seen.order_class not in (OrderClass.BRACKET, OrderClass.OCO, OrderClass.OTO):
        return None
    entry = _entry_before(state, seen)
    if entry is None:
        return None
    role = role_of_leg(seen)
    group = state.orders.group(entry.position_key)
    if any(order.role is role and order.parent_id is not None for order in group):
        return None
    return replace(
        order_from_seen(seen, role),
        parent_id=entry.client_order_id,
        position_key=entry.position_key,
        strategy=entry.strategy,
        reason="leg found",
    )


def _outside_exit(
    state: BotState, seen: BrokerOrder, shares: Mapping[str, Decimal]
) -> Order | None:
    """Return our record of a close by hand or by the broker's own computation, else None.

    Unless it is exactly what is missing, of a symbol in which nobody else is known to hold shares,
    that must be seen twice: the sale may have been of others' shares, and a fill of ours still to
    come, or the list of positions late. And nobody sells what our own exits hold: positions
    are read after the orders, so that shares missing there may be an exit's of this very moment.
    """
    held = state.positions.get(seen.symbol)
    entry = _entry_before(state, seen)
    if held is None or entry is None or seen.filled_qty == 0:
        return None
    missing = _missing(state, seen.symbol, shares)
    is_plain = seen.filled_qty == missing and seen.symbol not in state.external_positions
    shown = shares.get(seen.symbol, Decimal(0))
    is_seen_again = state.strange_quantities.get(seen.symbol) == shown
    if seen.filled_qty > min(missing, _unheld(state, held)) or not (is_plain or is_seen_again):
        return None
    return replace(
        order_from_seen(seen, OrderRole.EXIT),
        position_key=held.position_key,
        strategy=entry.strategy,
        reason="closed from outside",
    )


def _missing(state: BotState, symbol: str, shares: Mapping[str, Decimal]) -> Decimal:
    """Return how many shares of ours the broker does not show."""
    held = state.positions.get(symbol)
    ours = abs(held.qty) if held is not None else Decimal(0)
    return ours - abs(shares.get(symbol, Decimal(0)))


def _unheld(state: BotState, held: Position) -> Decimal:
    """Return how many of our shares no order of ours certainly holds at the broker."""
    exits = (
        order
        for order in state.orders.group(held.position_key)
        if order.role is not OrderRole.ENTRY and stands(order)
    )
    return abs(held.qty) - sum(closing_by_group(exits).values(), Decimal(0))


def _entry_before(state: BotState, seen: BrokerOrder) -> Order | None:
    """Return the entry whose position an order of the other side can work on."""
    entry = state.orders.get(_key_for(state, seen))
    if entry is None or entry.created_at is None or seen.side is entry.side:
        return None
    return entry if seen.created_at + _CLOCK_SLACK >= entry.created_at else None


def _note_known(working: Working, before: BotState) -> None:
    """One item for each order that we knew and that was open or changed."""
    for name, order in working.state.orders.items():
        old = before.orders.get(name)
        if old is None:
            if order.filled_qty > 0 and order.parent_id is not None:
                _note_fill(working, order, Decimal(0))
            continue
        if order.filled_qty > old.filled_qty:
            _note_fill(working, order, old.filled_qty)
        elif order.status is not old.status or order.status.is_live:
            words = f"{old.status.value} → {order.status.value}"
            detail = order.status.value if order.status is old.status else words
            if order.status not in (OrderStatus.UNKNOWN, OrderStatus.INTENT):
                working.note(Outcome.MATCHED, order.symbol, name, detail)


def _note_fill(working: Working, order: Order, before: Decimal) -> None:
    detail = f"filled {before} → {order.filled_qty} of {order.qty}"
    working.note(Outcome.MISSED_FILL, order.symbol, order.client_order_id, detail)


def _note_absent(working: Working, shown: set[str]) -> None:
    """Judge the orders that we hold for open and that the broker does not show."""
    for name, order in list(working.state.orders.items()):
        if order.status.is_terminal or order.broker_order_id in shown:
            continue
        if order.broker_order_id is not None:
            detail = f"{order.status.value} here, not shown by the broker"
            working.note(Outcome.LOST, order.symbol, name, detail)
            continue
        if order.status is OrderStatus.INTENT:
            reason = "an intent was recorded and no answer: sent or not"
            working.take(OutcomeUnknown(name, reason, working.at))
        working.note(Outcome.UNRESOLVED, order.symbol, name, "outcome unknown, being settled")
