"""Our doors against the real simulated exchange: an order's whole way through all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.config.endpoints import Endpoints, exchange_endpoints
from shared.models.broker import (
    Accepted,
    BrokerOrder,
    CancelRequested,
    CloseRequested,
    OrderRequest,
    Rejected,
    TradeUpdate,
)
from shared.models.orders import OrderClass, OrderType, Purpose, Side, TimeInForce
from shared.ports import Broker
from shared.risk.approved import Approved, seal_for_guard
from shared.vendors.alpaca_broker import AlpacaBroker
from shared.vendors.alpaca_stream import TradeStream
from shared.vendors.connect import open_broker, open_trade_stream
from tests.support.exchange_process import ExchangeProcess
from tests.support.settings import make_settings
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

KEYS = ("key-of-the-test", "secret-of-the-test")
CLOCK = SystemClock()
WAIT_S = 20.0


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    folder = tmp_path_factory.mktemp("exchange")
    options = ("--speed", "60", "--db", str(folder / "x.db"), "--symbols", "SPY")
    keys = ("--key-id", KEYS[0], "--secret-key", KEYS[1])
    with ExchangeProcess(folder, *options, *keys) as running:
        yield running


@pytest.fixture
def endpoints(exchange: ExchangeProcess) -> Endpoints:
    return exchange_endpoints(exchange.port, *KEYS)


def _bracket(identity: str, price: Decimal) -> OrderRequest:
    return OrderRequest(
        client_order_id=f"sht-h5salyam-test-{identity}",
        purpose=Purpose.ENTRY,
        symbol="SPY",
        side=Side.BUY,
        qty=Decimal(3),
        type=OrderType.LIMIT,
        order_class=OrderClass.BRACKET,
        time_in_force=TimeInForce.GTC,
        limit_price=price,
        stop_price=None,
        take_profit_price=price * 2,
        stop_loss_price=price / 2,
        strategy="test",
        created_at=datetime(2026, 1, 5, tzinfo=UTC),
        reason="test",
    )


@pytest.fixture
def broker(tmp_path: Path, endpoints: Endpoints) -> Iterator[AlpacaBroker]:
    opened = open_broker(make_settings(tmp_path), endpoints, CLOCK)
    yield opened
    opened.stop()


@pytest.fixture
def stream(tmp_path: Path, endpoints: Endpoints) -> Iterator[TradeStream]:
    opened = open_trade_stream(make_settings(tmp_path), endpoints, CLOCK)
    opened.start()
    wait_until(lambda: opened.listening, WAIT_S)
    yield opened
    opened.stop(5)


def send(broker: Broker, request: OrderRequest) -> BrokerOrder:
    """Submit what the guard would have approved; it must be accepted."""
    approved = Approved(request, (), CLOCK.monotonic_s() + 30, seal=seal_for_guard())
    outcome = broker.submit(approved)
    assert isinstance(outcome, Accepted), outcome
    return outcome.order


def filled_bracket(broker: Broker, stream: TradeStream, identity: str) -> BrokerOrder:
    """Buy three shares with a bracket and hear of the fill on the stream."""
    order = send(broker, _bracket(identity, Decimal("900.00")))
    assert len(order.legs) == 2
    updates: list[TradeUpdate] = []

    def is_filled() -> bool:
        updates.extend(stream.drain())
        return any(u.event == "fill" and u.order.symbol == "SPY" for u in updates)

    wait_until(is_filled, WAIT_S, "the fill on the stream")
    return order


def test_order_when_sent_through_our_doors_then_seen_by_all_of_them(
    broker: AlpacaBroker, stream: TradeStream
) -> None:
    """A bracket is accepted with legs, heard on the stream, doubled harmlessly, filled once in
    the activities, and closed by the broker's own computation once its group is gone.
    """
    begun = broker.clock_reading().now
    order = filled_bracket(broker, stream, "0123456789ab")
    again = send(broker, _bracket("0123456789ab", Decimal("900.00")))
    assert again.broker_order_id == order.broker_order_id
    held = broker.position("SPY")
    assert held is not None
    assert held.qty == 3
    fills = broker.fills(begun - timedelta(minutes=1))
    assert sum(fill.qty for fill in fills) == 3
    assert broker.cancel(order.legs[0].broker_order_id) == CancelRequested()
    wait_until(lambda: not broker.orders("open"), WAIT_S, "the group is gone")
    assert isinstance(broker.cancel(order.legs[0].broker_order_id), Rejected)
    assert isinstance(broker.close_position("SPY"), CloseRequested)
    wait_until(lambda: broker.position("SPY") is None, WAIT_S, "the position is closed")


def test_stop_when_replaced_through_our_door_then_new_id_and_old_one_points_to_it(
    broker: AlpacaBroker, stream: TradeStream
) -> None:
    """PATCH makes a new order under our own id; the old one names it."""
    order = filled_bracket(broker, stream, "0123456789ac")
    stop = next(leg for leg in order.legs if leg.type is OrderType.STOP)
    patch = replace(
        _bracket("0123456789ad", Decimal(900)),
        purpose=Purpose.PROTECT,
        side=Side.SELL,
        type=OrderType.STOP,
        order_class=OrderClass.SIMPLE,
        limit_price=None,
        stop_price=Decimal("10.50"),
        take_profit_price=None,
        stop_loss_price=None,
        replaces=stop.broker_order_id,
    )
    new = send(broker, patch)

    def is_moved() -> bool:
        old = broker.order(stop.broker_order_id)  # 200 is not yet replaced
        return old is not None and old.replaced_by == new.broker_order_id

    wait_until(is_moved, WAIT_S, "the old stop names the new one")
    found = broker.order_by_client_id(patch.client_order_id)
    assert found is not None
    assert found.stop_price == Decimal("10.50")
    assert found.replaces == stop.broker_order_id
    assert broker.cancel(new.broker_order_id) == CancelRequested()
    wait_until(lambda: not broker.orders("open"), WAIT_S, "the group is gone")
    assert isinstance(broker.close_position("SPY"), CloseRequested)
    wait_until(lambda: broker.position("SPY") is None, WAIT_S, "the position is closed")
