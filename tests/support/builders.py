"""Builds valid values for tests; each test names only what matters to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.models.broker import BrokerFill, BrokerOrder
from shared.models.ids import Decision, make_client_order_id
from shared.models.orders import (
    Order,
    OrderClass,
    OrderRole,
    OrderStatus,
    OrderType,
    Side,
)
from shared.models.pnl import Day
from shared.models.portfolio import Account, Position
from shared.models.signals import Signal
from shared.models.trading_day import trading_day
from shared.models.trading_state import BotState

D = Decimal
NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
"""A Friday noon in New York: the session is open."""
EPOCH = "testepo1"
ACCOUNT = "account-1"


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after NOON."""
    return NOON + timedelta(seconds=seconds)


def own_id(symbol: str = "AAPL", number: int = 0, strategy: str = "momentum") -> str:
    """Return an id of ours."""
    decision = Decision(ACCOUNT, strategy, symbol, "buy", NOON, number)
    return make_client_order_id(EPOCH, decision)


def a_state(**changes: Any) -> BotState:
    """Return a fresh state with its day open on 100,000 dollars."""
    day = Day(date=trading_day(NOON), base_equity=D(100_000))
    state = BotState(mode="sim", account_id=ACCOUNT, id_epoch=EPOCH, day=day)
    return replace(state, **changes)


def stop_of(state: BotState, symbol: str = "AAPL") -> Order | None:
    """Return the live protective stop of our position, None when there is none."""
    position = state.positions.get(symbol)
    group = state.orders.group(position.position_key) if position is not None else ()
    live = (order for order in group if order.role is OrderRole.STOP and order.status.is_live)
    return next(live, None)


def an_entry(symbol: str = "AAPL", qty: int = 10, **changes: Any) -> Order:
    """Return the intent of a bracket entry at 100 with stop 98 and target 103."""
    name = changes.pop("client_order_id", own_id(symbol))
    order = Order(
        client_order_id=name,
        symbol=symbol,
        side=Side.BUY,
        qty=D(qty),
        type=OrderType.LIMIT,
        role=OrderRole.ENTRY,
        order_class=OrderClass.BRACKET,
        limit_price=D("100.00"),
        take_profit_price=D("103.00"),
        stop_loss_price=D("98.00"),
        strategy="momentum",
        created_at=NOON,
        position_key=name,
    )
    return replace(order, **changes)


def seen_of(order: Order, broker_id: str, status: OrderStatus, **changes: Any) -> BrokerOrder:
    """Return the broker's view of an order of ours."""
    seen = BrokerOrder(
        broker_order_id=broker_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        qty=order.qty,
        filled_qty=D(0),
        filled_avg_price=None,
        type=order.type,
        order_class=order.order_class,
        time_in_force=order.time_in_force,
        status=status,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        created_at=order.created_at or NOON,
        submitted_at=order.created_at or NOON,
        updated_at=order.created_at or NOON,
        filled_at=None,
        expires_at=None,
        replaced_by=None,
        replaces=None,
    )
    return replace(seen, **changes)


def filled(seen: BrokerOrder, qty: int | Decimal, price: str, when: datetime) -> BrokerOrder:
    """Return the order filled so far; FILLED when that is all of it."""
    full = D(qty) == seen.qty
    return replace(
        seen,
        status=OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED,
        filled_qty=D(qty),
        filled_avg_price=D(price),
        filled_at=when,
        updated_at=when,
    )


def legs_of(entry: Order, status: OrderStatus = OrderStatus.HELD) -> tuple[BrokerOrder, ...]:
    """Return target and stop leg of a bracket entry, with random-looking ids."""
    base = an_exit(entry, "leg-t-" + entry.symbol, OrderType.LIMIT)
    target = seen_of(
        replace(base, limit_price=entry.take_profit_price, order_class=OrderClass.BRACKET),
        "b-target-" + entry.symbol,
        status,
    )
    stop = seen_of(
        replace(
            base,
            client_order_id="leg-s-" + entry.symbol,
            type=OrderType.STOP,
            limit_price=None,
            stop_price=entry.stop_loss_price,
            order_class=OrderClass.BRACKET,
        ),
        "b-stop-" + entry.symbol,
        status,
    )
    return target, stop


def an_exit(entry: Order, name: str, kind: OrderType = OrderType.MARKET) -> Order:
    """Return an order that closes what the entry opened."""
    return Order(
        client_order_id=name,
        symbol=entry.symbol,
        side=entry.side.opposite,
        qty=entry.qty,
        type=kind,
        role=OrderRole.EXIT,
        limit_price=D("103.00") if kind is OrderType.LIMIT else None,
        created_at=entry.created_at,
        position_key=entry.position_key,
        strategy=entry.strategy,
        reason="test exit",
    )


def a_fill(seen: BrokerOrder, cumulative: int, qty: int, price: str, when: datetime) -> BrokerFill:
    """Return an activity of an order."""
    return BrokerFill(
        activity_id=f"{seen.broker_order_id}:{cumulative}",
        broker_order_id=seen.broker_order_id,
        symbol=seen.symbol,
        side=seen.side,
        qty=D(qty),
        cumulative_qty=D(cumulative),
        price=D(price),
        at=when,
    )


def a_position(symbol: str = "AAPL", qty: int = 10, price: str = "100.00") -> Position:
    """Return a position as the broker shows it."""
    return Position(symbol=symbol, qty=D(qty), entry_price=D(price), current_price=D(price))


def an_account(**changes: Any) -> Account:
    """Return a healthy account of 100,000 dollars."""
    account = Account(
        account_id=ACCOUNT,
        status="ACTIVE",
        equity=D("100000.00"),
        last_equity=D("100000.00"),
        cash=D("100000.00"),
        buying_power=D("200000.00"),
        trading_blocked=False,
        account_blocked=False,
        trade_suspended=False,
    )
    return replace(account, **changes)


def a_signal(**changes: Any) -> Signal:
    """Return a long signal at 100, stop 98, target 103."""
    values: dict[str, Any] = {
        "strategy": "momentum",
        "symbol": "AAPL",
        "side": Side.BUY,
        "at": NOON,
        "entry_price": D("100.00"),
        "stop_price": D("98.00"),
        "target_price": D("103.00"),
        "strength": 0.5,
        "reason": "test",
    }
    return Signal(**(values | changes))
