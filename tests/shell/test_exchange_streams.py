"""The streams of a real exchange-sim process, with alpaca-py and with plain sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from alpaca.data.live.stock import StockDataStream
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from alpaca.trading.stream import TradingStream
from websockets.sync.client import connect

from tests.support.exchange_process import ExchangeProcess, StreamThread, wait_until

pytestmark = pytest.mark.integration
WAIT_S = 15


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as process:
        yield process


def test_trade_stream_when_an_order_fills_then_events_come_in_order(
    exchange: ExchangeProcess,
) -> None:
    """TradingStream authenticates, listens, and sees `new` before `fill` with price and qty."""
    stream = TradingStream("key", "secret", url_override=f"ws://127.0.0.1:{exchange.port}/stream")
    thread = StreamThread(stream)
    stream.subscribe_trade_updates(thread.handle)

    with thread:
        wait_until(lambda: stream._running)
        exchange.trading().submit_order(
            MarketOrderRequest(
                symbol="JPM",
                qty=3,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.DAY,
                client_order_id="streamed",
            )
        )
        updates = [thread.next(), thread.next()]

    assert [update.event for update in updates] == ["new", "fill"]
    assert updates[1].order.client_order_id == "streamed"
    assert (updates[1].qty, updates[1].position_qty) == (3.0, 3.0)


def test_data_stream_when_subscribed_then_quotes_and_bars_parse(
    exchange: ExchangeProcess,
) -> None:
    """StockDataStream reads msgpack batches with timestamps of market time."""
    stream = StockDataStream("key", "secret", url_override=f"ws://127.0.0.1:{exchange.port}/v2/iex")
    thread = StreamThread(stream)
    stream.subscribe_quotes(thread.handle, "AAPL")
    stream.subscribe_bars(thread.handle, "*")

    with thread:
        kinds: dict[str, Any] = {}
        wait_until(lambda: _gather(thread, kinds) >= {"Quote", "Bar"})

    assert kinds["Quote"].symbol == "AAPL"
    assert kinds["Quote"].ask_price > kinds["Quote"].bid_price
    assert kinds["Bar"].timestamp.year == 2026


def _gather(thread: StreamThread, kinds: dict[str, Any]) -> set[str]:
    message = thread.next()
    kinds[type(message).__name__] = message
    return set(kinds)


def test_streams_when_json_is_spoken_then_both_dialects_work(exchange: ExchangeProcess) -> None:
    """Without a msgpack content type the data stream speaks JSON; refusals have their codes;
    the trading stream takes both auth actions on both paths.
    """
    base = f"ws://127.0.0.1:{exchange.port}"
    with connect(f"{base}/v2/test") as socket:
        assert json.loads(socket.recv(WAIT_S)) == [{"T": "success", "msg": "connected"}]
        socket.send('{"action":"subscribe","bars":["SPY"]}')
        assert json.loads(socket.recv(WAIT_S))[0]["code"] == 401
        socket.send("{")
        assert json.loads(socket.recv(WAIT_S))[0]["code"] == 400
        socket.send('{"action":"auth","key":"","secret":""}')
        assert json.loads(socket.recv(WAIT_S))[0]["code"] == 402
        socket.send('{"action":"auth","key":"k","secret":"s"}')
        assert json.loads(socket.recv(WAIT_S))[0]["msg"] == "authenticated"
        socket.send(['{"action":"subscribe",', '"trades":["FAKEPACA"]}'])
        assert json.loads(socket.recv(WAIT_S))[0]["trades"] == ["FAKEPACA"]
        assert json.loads(socket.recv(WAIT_S))[0]["S"] == "FAKEPACA"
    with connect(f"{base}/stream/") as socket:
        socket.send('{"action":"listen","data":{"streams":["trade_updates"]}}')
        assert json.loads(socket.recv(WAIT_S))["data"]["status"] == "unauthorized"
        socket.send('{"action":"auth","key":"k","secret":"s"}')
        assert json.loads(socket.recv(WAIT_S))["data"]["status"] == "authorized"
