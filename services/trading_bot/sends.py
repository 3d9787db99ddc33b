"""Builds what is sent: the request for the broker and the intent that is recorded before it. Pure.

Ids are deterministic: an entry's follows from its signal, a protective or closing order's from
its position's decision and a sequence that the recorded orders themselves count (rule 7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from shared.events.intents import decided_at, next_sequence, order_of
from shared.models.broker import OrderRequest
from shared.models.externals import EXTERNAL, serves_externals
from shared.models.ids import Decision as IdParts
from shared.models.ids import make_client_order_id
from shared.models.numbers import CENT
from shared.models.orders import Order, OrderClass, OrderRole, OrderType, Purpose, Side, TimeInForce
from shared.models.portfolio import Position
from shared.models.signals import Signal
from shared.models.trading_state import BotState

ENTRY_SLIP = Decimal("0.0005")
"""How far beyond the signal's price a marketable entry may pay, as a fraction."""
EXIT_SLIP = Decimal("0.005")
"""How far below the bid a marketable exit limit lies, as a fraction."""
PROTECT, CLOSE, REPLACE = "protect", "close", "replace"
"""Names in the ids of orders that no strategy asked for."""


@dataclass(frozen=True, slots=True)
class Send:
    """One order on its way: what the broker gets, and the intent that is on disk before."""

    request: OrderRequest
    order: Order
    signal_at: datetime | None = None
    """Market time of an entry's signal; the guard judges its age."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A position of ours, the state that knows it, and market time."""

    state: BotState
    position: Position
    now: datetime

    def only(self, qty: Decimal) -> Holding:
        """Return the holding as if it were only so many shares."""
        signed = qty if self.position.qty > 0 else -qty
        return replace(self, position=replace(self.position, qty=signed))

    @property
    def closing_side(self) -> Side:
        """The side that makes it smaller."""
        return Side.SELL if self.position.qty > 0 else Side.BUY


def entry_id(state: BotState, signal: Signal) -> str:
    """Return the one id that this decision will ever have."""
    parts = IdParts(state.account_id, signal.strategy, signal.symbol, signal.side.value, signal.at)
    return make_client_order_id(state.id_epoch, parts)


def entry_send(state: BotState, signal: Signal, qty: Decimal, now: datetime) -> Send:
    """Return the bracket of a signal: marketable limit, GTC, stop and target as legs."""
    request = OrderRequest(
        client_order_id=entry_id(state, signal),
        purpose=Purpose.ENTRY,
        symbol=signal.symbol,
        side=signal.side,
        qty=qty,
        type=OrderType.LIMIT,
        order_class=OrderClass.BRACKET,
        time_in_force=TimeInForce.GTC,
        limit_price=entry_limit(signal),
        take_profit_price=signal.target_price,
        stop_loss_price=signal.stop_price,
        strategy=signal.strategy,
        created_at=now,
        reason=signal.reason,
    )
    return Send(request, order_of(request, OrderRole.ENTRY), signal.at)


def entry_limit(signal: Signal) -> Decimal:
    """Return the marketable limit of an entry: a little beyond the signal's price."""
    return (signal.entry_price * (1 + ENTRY_SLIP)).quantize(CENT, rounding=ROUND_CEILING)


def protection_send(holding: Holding, stop: Decimal, target: Decimal) -> Send:
    """Return the GTC OCO that protects the whole position."""
    position = holding.position
    request = OrderRequest(
        client_order_id=_sequenced_id(holding, PROTECT),
        purpose=Purpose.PROTECT,
        symbol=position.symbol,
        side=holding.closing_side,
        qty=abs(position.qty),
        type=OrderType.LIMIT,
        order_class=OrderClass.OCO,
        time_in_force=TimeInForce.GTC,
        limit_price=target,
        take_profit_price=target,
        stop_loss_price=stop,
        strategy=position.strategy,
        created_at=holding.now,
        reason="protection of a position without a live stop",
    )
    return Send(request, order_of(request, OrderRole.TARGET, position.position_key))


def trailing_send(holding: Holding, distance: Decimal) -> Send:
    """Return the trailing stop for the whole position, `distance` dollars behind the market.

    The broker's wash rule exempts it, so it is the second choice when an OCO is refused (rule 2).
    """
    reason = "trailing stop, since the OCO was refused"
    return _lone_stop(holding, PROTECT, OrderType.TRAILING_STOP, distance, reason)


def external_stop_send(holding: Holding, stop: Decimal) -> Send:
    """Return the GTC stop for external shares; it has no target, and nothing of it is our trade."""
    reason = "protection of external shares (ADOPT_EXTERNAL)"
    return _lone_stop(holding, EXTERNAL, OrderType.STOP, stop, reason)


def _lone_stop(
    holding: Holding, word: str, kind: OrderType, stop_price: Decimal, reason: str
) -> Send:
    """Return the GTC stop without a target; `stop_price` is a distance where it trails."""
    position = holding.position
    request = OrderRequest(
        client_order_id=_sequenced_id(holding, word),
        purpose=Purpose.PROTECT,
        symbol=position.symbol,
        side=holding.closing_side,
        qty=abs(position.qty),
        type=kind,
        order_class=OrderClass.SIMPLE,
        time_in_force=TimeInForce.GTC,
        stop_price=stop_price,
        strategy=position.strategy,
        created_at=holding.now,
        reason=reason,
    )
    return Send(request, order_of(request, OrderRole.STOP, position.position_key))


def exit_send(holding: Holding, qty: Decimal, reason: str) -> Send:
    """Return the market order that closes `qty` shares of the position."""
    position = holding.position
    request = OrderRequest(
        client_order_id=_sequenced_id(holding, CLOSE),
        purpose=Purpose.REDUCE,
        symbol=position.symbol,
        side=holding.closing_side,
        qty=qty,
        type=OrderType.MARKET,
        order_class=OrderClass.SIMPLE,
        time_in_force=TimeInForce.DAY,
        strategy=position.strategy,
        created_at=holding.now,
        reason=reason,
    )
    return Send(request, order_of(request, OrderRole.EXIT, position.position_key))


def exit_limit(bid: Decimal) -> Decimal:
    """Return a marketable limit for a sale: a little below the bid."""
    return (bid * (1 - EXIT_SLIP)).quantize(CENT, rounding=ROUND_FLOOR)


def target_patch(holding: Holding, target: Order, limit: Decimal, reason: str) -> Send:
    """Return the PATCH that turns the target leg into a marketable limit.

    The group stays whole: if the market runs away, the stop is still there (rule 5).
    """
    position = holding.position
    request = OrderRequest(
        client_order_id=_sequenced_id(holding, REPLACE),
        purpose=Purpose.REDUCE,
        symbol=position.symbol,
        side=target.side,
        qty=target.remaining_qty,
        type=OrderType.LIMIT,
        order_class=target.order_class,
        time_in_force=target.time_in_force,
        limit_price=limit,
        strategy=position.strategy,
        created_at=holding.now,
        reason=reason,
        replaces=target.broker_order_id,
    )
    return Send(request, order_of(request, OrderRole.EXIT, position.position_key))


def stop_patch(holding: Holding, leg: Order, stop: Decimal, reason: str) -> Send:
    """Return the PATCH that moves a stop leg; the old one stands until the broker replaced it.

    The change stays in its leg's group, so that the group's shares are counted once.
    """
    position = holding.position
    request = OrderRequest(
        client_order_id=_sequenced_id(holding, REPLACE),
        purpose=Purpose.PROTECT,
        symbol=position.symbol,
        side=leg.side,
        qty=leg.remaining_qty,
        type=leg.type,
        order_class=leg.order_class,
        time_in_force=leg.time_in_force,
        stop_price=stop,
        take_profit_price=position.target_price,
        strategy=position.strategy,
        created_at=holding.now,
        reason=reason,
        replaces=leg.broker_order_id,
    )
    order = order_of(request, OrderRole.STOP, position.position_key)
    return Send(request, replace(order, parent_id=leg.parent_id))


def resend_of(order: Order, purpose: Purpose) -> OrderRequest:
    """Return the request of a recorded order, to be sent again under its own id (rule 10)."""
    if order.created_at is None:
        raise ValueError(f"order {order.client_order_id} was recorded without a time")
    return OrderRequest(
        client_order_id=order.client_order_id,
        purpose=purpose,
        symbol=order.symbol,
        side=order.side,
        qty=order.qty,
        type=order.type,
        order_class=order.order_class,
        time_in_force=order.time_in_force,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        take_profit_price=order.take_profit_price,
        stop_loss_price=order.stop_loss_price,
        strategy=order.strategy,
        created_at=order.created_at,
        reason=order.reason,
        replaces=order.replaces,
    )


def _sequenced_id(holding: Holding, name: str) -> str:
    """The same state gives the same id; once the order is recorded, the next one differs."""
    state, position = holding.state, holding.position
    at = decided_at(state, position.position_key) or position.opened_at
    if serves_externals(position.position_key):
        # Nothing of ours began it: the moment keeps the id apart from those of older orders, and
        # once recorded it goes out again under the id that it has.
        name, at = EXTERNAL, holding.now
    if at is None:
        raise ValueError(f"position {position.symbol} has neither a decision nor an opening time")
    parts = IdParts(
        account_id=state.account_id,
        strategy=name,
        symbol=position.symbol,
        side=holding.closing_side.value,
        at=at,
        sequence=next_sequence(state, position.position_key),
    )
    return make_client_order_id(state.id_epoch, parts)
