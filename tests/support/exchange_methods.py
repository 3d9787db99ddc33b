"""Every public method of alpaca-py's TradingClient: how it works here, or why it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any
from uuid import UUID

from alpaca.trading.enums import (
    ActivityType,
    OrderClass,
    OrderSide,
    OrderStatus,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.models import AccountConfiguration, Asset, Clock, Order, Position, TradeAccount
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from tests.support.exchange_process import ExchangeProcess, wait_until

_NUMBERS = count(1)


@dataclass(frozen=True)
class Bench:
    """An exchange and alpaca-py's client for it."""

    exchange: ExchangeProcess
    client: Any
    """Any, since each answer of the client is a union."""

    def resting(self, symbol: str = "BAC", **words: Any) -> Any:
        """Send a limit order that will not fill."""
        values: dict[str, Any] = {
            "symbol": symbol,
            "qty": 2,
            "side": OrderSide.BUY,
            "time_in_force": TimeInForce.GTC,
            "limit_price": 1.25,
            "client_order_id": f"method-{next(_NUMBERS)}",
        }
        return self.client.submit_order(LimitOrderRequest(**(values | words)))

    def hold(self, symbol: str, qty: int = 4) -> None:
        """Own shares of a symbol."""
        self.client.submit_order(
            MarketOrderRequest(
                symbol=symbol, qty=qty, side=OrderSide.BUY, time_in_force=TimeInForce.DAY
            )
        )
        wait_until(lambda: [one.qty for one in self._held(symbol)] == [str(qty)])

    def flat(self, symbol: str) -> bool:
        """Whether nothing of a symbol is held."""
        return not self._held(symbol)

    def _held(self, symbol: str) -> list[Any]:
        return [one for one in self.client.get_all_positions() if one.symbol == symbol]

    def status(self, order: Any) -> OrderStatus:
        """Return an order's status now."""
        found: OrderStatus = self.client.get_order_by_id(order.id).status
        return found

    def is_working(self, order: Any) -> bool:
        """Whether an order is `new`."""
        return self.status(order) is OrderStatus.NEW


Check = Callable[[Bench], None]


def _get_account(bench: Bench) -> None:
    account = bench.client.get_account()
    assert isinstance(account, TradeAccount)
    assert float(account.equity or 0) > 0
    assert account.status.value == "ACTIVE"


def _configurations(bench: Bench) -> None:
    before = bench.client.get_account_configurations()
    assert isinstance(before, AccountConfiguration)
    changed = bench.client.set_account_configurations(
        before.model_copy(update={"suspend_trade": 1})
    )
    assert changed.suspend_trade is True
    back = bench.client.set_account_configurations(before)
    assert back == before


def _get_clock(bench: Bench) -> None:
    clock = bench.client.get_clock()
    assert isinstance(clock, Clock)
    assert clock.timestamp.utcoffset() is not None


def _get_calendar(bench: Bench) -> None:
    first, last = date(2026, 1, 5), date(2026, 1, 9)
    days = bench.client.get_calendar(GetCalendarRequest(start=first, end=last))
    assert [day.date for day in days] == [date(2026, 1, day) for day in range(5, 10)]
    assert len(bench.client.get_calendar()) > 200


def _get_all_assets(bench: Bench) -> None:
    assets = bench.client.get_all_assets(GetAssetsRequest())
    assert {one.symbol for one in assets} >= {"SPY", "AAPL"}


def _get_asset(bench: Bench) -> None:
    asset = bench.client.get_asset("SPY")
    assert isinstance(asset, Asset)
    assert bench.client.get_asset(asset.id).symbol == "SPY"


def _submit_order(bench: Bench) -> None:
    common: dict[str, Any] = {"symbol": "GOOG", "qty": 1, "side": OrderSide.BUY}
    gtc: dict[str, Any] = {"time_in_force": TimeInForce.GTC}
    far: dict[str, Any] = {"limit_price": 1.0}
    bracket = {
        "take_profit": TakeProfitRequest(limit_price=5_000),
        "stop_loss": StopLossRequest(stop_price=0.5),
    }
    requests: list[Any] = [
        MarketOrderRequest(**common, time_in_force=TimeInForce.DAY),
        LimitOrderRequest(**common, **gtc, **far),
        LimitOrderRequest(**common, time_in_force=TimeInForce.DAY, extended_hours=True, **far),
        StopOrderRequest(**common, **gtc, stop_price=4_000),
        StopLimitOrderRequest(**common, **gtc, stop_price=4_000, limit_price=4_001),
        TrailingStopOrderRequest(**common, **gtc, trail_percent=40),
        TrailingStopOrderRequest(**common, **gtc, trail_price=300),
        LimitOrderRequest(**common, **gtc, **far, order_class=OrderClass.BRACKET, **bracket),
        LimitOrderRequest(
            **common,
            **gtc,
            **far,
            order_class=OrderClass.OTO,
            stop_loss=StopLossRequest(stop_price=0.5),
        ),
    ]
    for request in requests:
        order = bench.client.submit_order(request)
        assert isinstance(order, Order)
        assert order.symbol == "GOOG"
        if request.type.value != "market":
            bench.client.cancel_order_by_id(order.id)
    wait_until(lambda: not bench.flat("GOOG"))


def _get_orders(bench: Bench) -> None:
    order = bench.resting("AMD")
    everything = GetOrdersRequest(status=QueryOrderStatus.ALL, symbols=["AMD"], nested=True)
    assert order.id in [one.id for one in bench.client.get_orders(everything)]
    sells = GetOrdersRequest(status=QueryOrderStatus.ALL, symbols=["AMD"], side=OrderSide.SELL)
    assert bench.client.get_orders(sells) == []


def _get_order_by_id(bench: Bench) -> None:
    order = bench.resting()
    found = bench.client.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))
    assert found.client_order_id == order.client_order_id
    assert bench.client.get_order_by_id(str(order.id)).id == order.id


def _get_order_by_client_id(bench: Bench) -> None:
    order = bench.resting()
    assert bench.client.get_order_by_client_id(order.client_order_id).id == order.id


def _replace_order_by_id(bench: Bench) -> None:
    order = bench.resting()
    wait_until(lambda: bench.is_working(order))
    new = bench.client.replace_order_by_id(order.id, ReplaceOrderRequest(qty=3, limit_price=1.5))
    assert (new.replaces, new.qty, new.limit_price) == (order.id, "3", "1.5")
    wait_until(lambda: bench.status(order) is OrderStatus.REPLACED)


def _cancel_order_by_id(bench: Bench) -> None:
    order = bench.resting()
    assert bench.client.cancel_order_by_id(order.id) is None
    wait_until(lambda: bench.status(order) is OrderStatus.CANCELED)


def _cancel_orders(bench: Bench) -> None:
    orders = [bench.resting(), bench.resting()]
    rows = bench.client.cancel_orders()
    assert {one.id for one in orders} <= {row.id for row in rows if row.status == 200}
    wait_until(lambda: bench.client.get_orders() == [])


def _get_all_positions(bench: Bench) -> None:
    bench.hold("XOM")
    (held,) = [one for one in bench.client.get_all_positions() if one.symbol == "XOM"]
    assert isinstance(held, Position)
    assert held.qty == "4"


def _get_open_position(bench: Bench) -> None:
    bench.hold("TSLA", 1)
    position = bench.client.get_open_position("TSLA")
    assert isinstance(position.asset_id, UUID)
    assert bench.client.get_open_position(position.asset_id).symbol == "TSLA"


def _close_position(bench: Bench) -> None:
    bench.hold("JPM")
    part = bench.client.close_position("JPM", ClosePositionRequest(percentage="50"))
    assert part.qty == "2"
    wait_until(lambda: bench.client.get_open_position("JPM").qty == "2")
    one = bench.client.close_position("JPM", ClosePositionRequest(qty="1"))
    assert one.side is OrderSide.SELL
    wait_until(lambda: bench.client.get_open_position("JPM").qty == "1")
    bench.client.close_position(bench.client.get_asset("JPM").id)
    wait_until(lambda: bench.flat("JPM"))


def _close_all_positions(bench: Bench) -> None:
    bench.hold("NVDA", 1)
    rows = bench.client.close_all_positions(cancel_orders=True)
    assert [row.status for row in rows if row.symbol == "NVDA"] == [200]
    wait_until(lambda: bench.client.get_all_positions() == [])


def _get_portfolio_history(bench: Bench) -> None:
    request = GetPortfolioHistoryRequest(period="1M", timeframe="1D")
    history = bench.client.get_portfolio_history(request)
    assert len(history.timestamp) == len(history.equity) == len(history.profit_loss)


def _get(bench: Bench) -> None:
    bench.hold("QQQ", 1)
    fills = bench.client.get(f"/account/activities/{ActivityType.FILL.value}", {"page_size": 100})
    assert "QQQ" in [fill["symbol"] for fill in fills]


def _post(bench: Bench) -> None:
    body = {"symbol": "BAC", "qty": "1", "side": "buy", "type": "limit", "limit_price": "1"}
    assert bench.client.post("/orders", body | {"time_in_force": "day"})["symbol"] == "BAC"


def _patch(bench: Bench) -> None:
    answer = bench.client.patch("/account/configurations", {"trade_confirm_email": "none"})
    assert answer["trade_confirm_email"] == "none"


def _delete(bench: Bench) -> None:
    order = bench.resting()
    assert bench.client.delete(f"/orders/{order.id}") is None


WORKS: Mapping[str, Check] = {
    "cancel_order_by_id": _cancel_order_by_id,
    "cancel_orders": _cancel_orders,
    "close_all_positions": _close_all_positions,
    "close_position": _close_position,
    "delete": _delete,
    "get": _get,
    "get_account": _get_account,
    "get_account_configurations": _configurations,
    "get_all_assets": _get_all_assets,
    "get_all_positions": _get_all_positions,
    "get_asset": _get_asset,
    "get_calendar": _get_calendar,
    "get_clock": _get_clock,
    "get_open_position": _get_open_position,
    "get_order_by_client_id": _get_order_by_client_id,
    "get_order_by_id": _get_order_by_id,
    "get_orders": _get_orders,
    "get_portfolio_history": _get_portfolio_history,
    "patch": _patch,
    "post": _post,
    "replace_order_by_id": _replace_order_by_id,
    "set_account_configurations": _configurations,
    "submit_order": _submit_order,
}
"""Method → the proof that it works."""
