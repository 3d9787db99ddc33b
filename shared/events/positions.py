"""Positions and trades follow from the fills of an order group, whatever came first.

A group is every order that serves one position: its entry, legs, replacements and exits, all
with the entry's client_order_id as `position_key`. After each change the group is summed anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from shared.events.fills import ZERO, cost_of
from shared.models.externals import serves_externals
from shared.models.json_values import to_json
from shared.models.layered import layered
from shared.models.movements import UNCHANGED, Adjustment
from shared.models.numbers import CENT
from shared.models.orders import Order, OrderRole, OrderStatus, Side
from shared.models.pnl import Day, Pnl, Trade
from shared.models.portfolio import Position
from shared.models.trading_day import trading_day
from shared.models.trading_state import TRADES_KEPT, BotState, OutboxItem


@dataclass(frozen=True, slots=True)
class GroupSum:
    """What a group has bought and sold so far. Quantities in shares, costs in dollars."""

    entry_side: Side
    entry_qty: Decimal
    entry_cost: Decimal
    exit_qty: Decimal
    exit_cost: Decimal
    entered_at: datetime | None
    last_exit: Order | None

    @property
    def open_qty(self) -> Decimal:
        """Signed shares still held by the group."""
        open_shares = self.entry_qty - self.exit_qty
        return open_shares if self.entry_side is Side.BUY else -open_shares


def sum_group(orders: Iterable[Order], adjustment: Adjustment = UNCHANGED) -> GroupSum:
    """Add up a group's fills, and what splits made of them; the side of its entry says what opens
    and what closes.
    """
    filled = [order for order in orders if order.filled_qty > 0]
    entries = [order for order in filled if order.role is OrderRole.ENTRY]
    side = entries[0].side if entries else Side.BUY
    opening = [order for order in filled if order.side is side]
    closing = [order for order in filled if order.side is not side]
    times = [order.filled_at for order in opening if order.filled_at is not None]
    return GroupSum(
        entry_side=side,
        entry_qty=sum((order.filled_qty for order in opening), adjustment.shares),
        entry_cost=sum((cost_of(order) for order in opening), ZERO),
        exit_qty=sum((order.filled_qty for order in closing), adjustment.paid_qty),
        exit_cost=sum((cost_of(order) for order in closing), adjustment.paid_cash),
        entered_at=min(times, default=None),
        last_exit=max(closing, key=_exit_order, default=None),
    )


def _exit_order(order: Order) -> tuple[float, str]:
    return (order.filled_at.timestamp() if order.filled_at else 0.0, order.client_order_id)


def refresh_group(state: BotState, position_key: str) -> BotState:
    """Return the state with position, trade and totals of this group as its fills say; orders that
    serve external shares make none.
    """
    orders = state.orders.group(position_key)
    if not orders or serves_externals(position_key):
        return state
    symbol = orders[0].symbol
    position = _position_of(state, symbol)
    if position is None and symbol in state.positions:
        state = replace(state, positions=layered(state.positions).without(symbol))
    elif position is not None and position != state.positions.get(symbol):
        state = replace(state, positions=layered(state.positions).put(symbol, position))
    return _book(state, position_key, _trade_of(state, orders))


def _position_of(state: BotState, symbol: str) -> Position | None:
    """Sum the symbol over its groups: a late fill of an old group joins the present owner."""
    keys: dict[str, Decimal] = {}
    for order in state.orders.of_symbol(symbol):
        if order.filled_qty and order.position_key and not serves_externals(order.position_key):
            shares = order.filled_qty if order.side is Side.BUY else -order.filled_qty
            keys[order.position_key] = keys.get(order.position_key, ZERO) + shares
    for key in keys:
        changed = state.adjustment(key)
        keys[key] += changed.shares - changed.paid_qty
    qty = sum(keys.values(), ZERO)
    if qty == 0:
        return None
    candidates = [state.orders.group(key) for key, shares in keys.items() if shares != 0]
    orders = max(candidates, key=_group_age)
    adjustment = state.adjustment(orders[0].position_key)
    total = sum_group(orders, adjustment)
    price_qty, price_cost = (
        (total.entry_qty, total.entry_cost)
        if total.entry_qty > 0
        else (total.exit_qty, total.exit_cost)
    )
    stop, target = _protection_prices(orders, adjustment)
    return Position(
        symbol=symbol,
        qty=qty,
        entry_price=price_cost / price_qty,
        opened_at=total.entered_at,
        strategy=_owner(orders),
        stop_price=stop,
        target_price=target,
        position_key=orders[0].position_key,
    )


def _group_age(orders: tuple[Order, ...]) -> tuple[float, str]:
    times = [order.created_at.timestamp() for order in orders if order.created_at]
    return (min(times, default=0.0), orders[0].position_key)


def _owner(orders: tuple[Order, ...]) -> str:
    entry = next((order for order in orders if order.role is OrderRole.ENTRY), orders[0])
    return entry.strategy or "unknown"


def _protection_prices(
    orders: tuple[Order, ...], adjustment: Adjustment
) -> tuple[Decimal | None, Decimal | None]:
    """Return stop and target as they stand at the broker; else the highest stop that did, so that
    a raised one never falls, or both as planned with the entry. Each in dollars for a share of
    today; a change counts once the order that it replaces is gone.
    """

    def now(price: Decimal | None, order: Order) -> Decimal | None:
        return None if price is None else adjustment.price_now(price, order.created_at)

    stop = target = planned_stop = planned_target = None
    standing = {one.broker_order_id for one in orders if one.status.is_live} - {None}
    for order in orders:
        planned_stop = planned_stop or now(order.stop_loss_price, order)
        planned_target = planned_target or now(order.take_profit_price, order)
        live = order.status.is_live and order.broker_order_id is not None
        stands, wants = now(order.stop_price, order), now(order.limit_price, order)
        if order.role is OrderRole.STOP and stands is not None and order.replaces not in standing:
            if live:
                stop = stands if stop is None else max(stop, stands)
            elif _has_stood(order):
                planned_stop = stands if planned_stop is None else max(planned_stop, stands)
        if live and order.role is OrderRole.TARGET and wants is not None:
            target = wants
    return stop or planned_stop, target or planned_target


def _has_stood(order: Order) -> bool:
    return order.broker_order_id is not None and order.status is not OrderStatus.REJECTED


def _trade_of(state: BotState, orders: tuple[Order, ...]) -> Trade | None:
    key = orders[0].position_key
    adjustment = state.adjustment(key)
    total = sum_group(orders, adjustment)
    if total.open_qty != 0 or total.entry_qty == 0 or total.exit_qty == 0:
        return None
    last = total.last_exit
    exited_at = last.filled_at if last is not None else adjustment.changes[-1].at
    if total.entered_at is None or exited_at is None:
        return None
    gain = total.exit_cost - total.entry_cost
    return Trade(
        trade_key=key,
        symbol=orders[0].symbol,
        side=total.entry_side,
        qty=total.entry_qty,
        entry_price=total.entry_cost / total.entry_qty,
        exit_price=total.exit_cost / total.exit_qty,
        entered_at=total.entered_at,
        exited_at=exited_at,
        pnl=(gain if total.entry_side is Side.BUY else -gain).quantize(CENT),
        strategy=_owner(orders),
        exit_reason=_exit_reason(last) if last is not None else "split",
    )


def _exit_reason(order: Order) -> str:
    if order.role is OrderRole.EXIT:
        return order.reason or "exit"
    return order.role.value


def _book(state: BotState, key: str, trade: Trade | None) -> BotState:
    """Put the group's trade into history and totals in place of what stood there before."""
    old = next((one for one in reversed(state.trade_history) if one.trade_key == key), None)
    if old == trade:
        return state
    history = [one for one in state.trade_history if one.trade_key != key]
    pnl, day, cooldowns = state.pnl, state.day, dict(state.cooldowns)
    outbox = state.outbox
    if old is not None:
        # What was not written yet is not true any more.
        outbox = tuple(item for item in outbox if item.key != _trade_key(old))
        pnl, day = _count(pnl, old, -1), _count_day(day, old, -1)
        if cooldowns.get(old.symbol) == old.exited_at:
            del cooldowns[old.symbol]
    if trade is not None:
        history.append(trade)
        history.sort(key=lambda one: (one.exited_at, one.trade_key))
        pnl, day = _count(pnl, trade, 1), _count_day(day, trade, 1)
        before = cooldowns.get(trade.symbol)
        cooldowns[trade.symbol] = max(before, trade.exited_at) if before else trade.exited_at
        outbox = (*outbox, _trade_item(trade))
    return replace(
        state,
        trade_history=tuple(history[-TRADES_KEPT:]),
        pnl=pnl,
        day=day,
        cooldowns=cooldowns,
        outbox=outbox,
    )


def _count(pnl: Pnl, trade: Trade, sign: int) -> Pnl:
    return replace(
        pnl,
        realized=pnl.realized + sign * trade.pnl,
        trades=pnl.trades + sign,
        wins=pnl.wins + sign * (trade.pnl > 0),
        losses=pnl.losses + sign * (trade.pnl < 0),
        breakeven=pnl.breakeven + sign * (trade.pnl == 0),
    )


def _count_day(day: Day | None, trade: Trade, sign: int) -> Day | None:
    if day is None or trading_day(trade.exited_at) != day.date:
        return day
    return replace(day, realized=day.realized + sign * trade.pnl)


def _trade_item(trade: Trade) -> OutboxItem:
    facts = {name: str(value) for name, value in to_json(trade).items()}
    return OutboxItem(key=_trade_key(trade), kind="trade", facts=facts)


def _trade_key(trade: Trade) -> str:
    return f"trade:{trade.trade_key}:{trade.qty}"


def is_closed(orders: Iterable[Order], adjustment: Adjustment = UNCHANGED) -> bool:
    """Whether a group holds nothing and none of its orders can fill any more."""
    members = tuple(orders)
    over = all(order.status.is_terminal for order in members)
    tombstone = any(order.status is OrderStatus.NOT_SENT for order in members)
    holds_none = all(serves_externals(order.position_key) for order in members)
    is_flat = holds_none or sum_group(members, adjustment).open_qty == 0
    return over and not tombstone and is_flat
