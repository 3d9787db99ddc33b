"""The unmodified alpaca-py clients against a real exchange-sim process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.requests import StockBarsRequest, StockSnapshotRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.enums import OrderSide, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetCalendarRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
)

from tests.support.exchange_process import HEADERS, ExchangeProcess, bracket, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as process:
        yield process


def test_reads_when_made_by_alpaca_py_then_every_model_validates(
    exchange: ExchangeProcess,
) -> None:
    """Account, configuration, clock, calendar, assets and positions parse without complaint."""
    client = exchange.trading()
    today = date(2026, 1, 5)

    assert Decimal(client.get_account().equity) > 0
    assert client.get_account_configurations().no_shorting is False
    assert client.get_clock().is_open is True
    assert len(client.get_calendar(GetCalendarRequest(start=today, end=today))) == 1
    assert client.get_asset("AAPL").tradable
    assert len(client.get_all_assets()) == 12
    assert client.get_all_positions() == []
    with pytest.raises(APIError) as caught:
        client.get_open_position("AAPL")
    assert (caught.value.status_code, caught.value.code) == (404, 40410000)


def test_market_data_when_read_by_alpaca_py_then_pages_and_snapshots_parse(
    exchange: ExchangeProcess,
) -> None:
    """Bars come whole over several pages, oldest first; snapshots and quotes parse."""
    data = exchange.data()
    end = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    request = StockBarsRequest(
        symbol_or_symbols=["AAPL", "SPY"],
        timeframe=TimeFrame.Minute,
        start=end - timedelta(days=5),
        end=end,
    )

    bars = data.get_stock_bars(request)
    days = data.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols="AAPL", timeframe=TimeFrame.Day, start=end - timedelta(days=20)
        )
    )

    for symbol in ("AAPL", "SPY"):
        stamps = [bar.timestamp for bar in bars[symbol]]
        assert stamps == sorted(set(stamps))
        assert len(stamps) > 5_000
    assert len(days["AAPL"]) > 10
    snapshot = data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="AAPL"))["AAPL"]
    assert snapshot.latest_quote.ask_price > 0
    assert snapshot.daily_bar.close > 0


def test_bracket_when_sent_by_alpaca_py_then_it_lives_and_closes(
    exchange: ExchangeProcess,
) -> None:
    """Entry fills, the stop is held and unlisted, PATCH replaces it, closing needs the legs
    away first, and the fills stand in the activities.
    """
    client = exchange.trading()
    order = bracket(exchange, "MSFT", client_order_id="entry-1")
    assert order.status.value == "pending_new"
    assert [leg.status.value for leg in order.legs or []] == ["held", "held"]
    target, stop = order.legs or []

    wait_until(lambda: client.get_order_by_client_id("entry-1").status.value == "filled")
    listed = client.get_orders(GetOrdersRequest(symbols=["MSFT"], nested=True))
    assert [one.id for one in listed] == [target.id]
    assert client.get_order_by_id(stop.id).status.value == "held"
    assert client.get_order_by_id(order.id).legs is None
    assert client.get_open_position("MSFT").qty_available == "0"

    with pytest.raises(APIError) as caught:
        client.close_position("MSFT")
    assert json.loads(str(caught.value))["held_for_orders"] == "2"
    lower = round(float(stop.stop_price or 0) - 1, 2)
    new = client.replace_order_by_id(stop.id, ReplaceOrderRequest(stop_price=lower))
    assert new.replaces == stop.id
    wait_until(lambda: client.get_order_by_id(stop.id).replaced_by == new.id)

    client.cancel_order_by_id(new.id)
    wait_until(lambda: client.get_order_by_id(target.id).status.value == "canceled")
    client.close_position("MSFT")
    wait_until(lambda: client.get_all_positions() == [])
    fills = client.get("/account/activities/FILL", {"direction": "asc", "page_size": 100})
    mine = [fill for fill in fills if fill["symbol"] == "MSFT"]
    assert [(fill["side"], fill["cum_qty"], fill["leaves_qty"]) for fill in mine] == [
        ("buy", "2", "0"),
        ("sell", "2", "0"),
    ]
    page = client.get(
        "/account/activities/FILL", {"direction": "asc", "page_token": fills[0]["id"]}
    )
    assert [fill["id"] for fill in page] == [fill["id"] for fill in fills[1:]]


def test_duplicate_when_posted_then_422_must_be_unique(exchange: ExchangeProcess) -> None:
    """The same client id is refused with the code that says: it exists."""
    client = exchange.trading()
    request = LimitOrderRequest(
        symbol="AMD",
        qty=1,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.DAY,
        limit_price=1,
        client_order_id="twice",
    )
    client.submit_order(request)

    with pytest.raises(APIError) as caught:
        client.submit_order(request)

    assert (caught.value.status_code, caught.value.code) == (422, 40010001)
    assert caught.value.message == "client_order_id must be unique"
    rows = client.cancel_orders()
    assert {row.status for row in rows} == {200}
    closed = GetOrdersRequest(status=QueryOrderStatus.CLOSED, symbols=["AMD"])
    wait_until(lambda: [one.status.value for one in client.get_orders(closed)] == ["canceled"])


def test_close_all_when_asked_then_rows_of_207_and_flat(exchange: ExchangeProcess) -> None:
    """Close-all with cancel_orders takes the legs first, then sells each position."""
    client = exchange.trading()
    bracket(exchange, "SPY")
    client.submit_order(
        MarketOrderRequest(symbol="QQQ", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    )
    wait_until(lambda: len(client.get_all_positions()) == 2)

    rows = client.close_all_positions(cancel_orders=True)

    assert [(row.symbol, row.status) for row in rows] == [("QQQ", 200), ("SPY", 200)]
    wait_until(lambda: client.get_all_positions() == [])


def test_clients_when_they_differ_then_all_are_understood(exchange: ExchangeProcess) -> None:
    """Any content type, numbers or strings, words for booleans, unknown fields; no keys: 401
    without code; every reply carries request id and rate headers.
    """
    body = {"symbol": "BAC", "qty": 1.0, "side": "buy", "type": "limit", "limit_price": "1.5"}
    body |= {"time_in_force": "day", "order_class": "", "what": "ever"}
    headers = HEADERS | {"Content-Type": "text/plain"}

    reply = exchange.call("POST", "/v2/orders", data=json.dumps(body), headers=headers)
    listed = exchange.call("GET", "/v2/orders?nested=True&after=2026-01-01T00:00:00+00:00&x=1")
    refused = exchange.call("GET", "/v2/account", headers={})

    assert (reply.status_code, reply.json()["order_class"]) == (200, "")
    assert reply.json()["id"] in [order["id"] for order in listed.json()]
    assert (refused.status_code, refused.json()) == (401, {"message": "unauthorized."})
    assert {"X-Request-ID", "X-RateLimit-Remaining", "Content-Length"} <= {
        name
        for name in ("X-Request-ID", "X-RateLimit-Remaining", "Content-Length")
        if name in reply.headers
    }
    assert exchange.call("POST", "/v2/orders", data="{").status_code == 400
    assert exchange.call("GET", "/v2/nothing").status_code == 404
    assert exchange.call("GET", "/v2/stocks/bars?symbols=SPY&start=x").status_code in (400, 422)
