"""Orders and market data in pre-market and after-hours, over HTTP and the stream, in lock-step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.shell.test_exchange_lockstep import BOT, DAEMON, Turns
from tests.support.bar_texts import minutes_from, write_bars, write_extended
from tests.support.exchange_process import HEADERS, ExchangeProcess

pytestmark = pytest.mark.integration
STREAM_WAIT_S = 10.0
LIMIT = {"side": "buy", "qty": "1", "type": "limit", "limit_price": "120"}
DAY = {"time_in_force": "day"}
EXTENDED = LIMIT | DAY | {"extended_hours": True}
BRACKET = {
    "order_class": "bracket",
    "take_profit": {"limit_price": "140"},
    "stop_loss": {"stop_price": "60"},
}


@dataclass
class Trader:
    """Plays both participants and sends orders in between."""

    exchange: ExchangeProcess
    turns: Turns
    minute: str

    def go_on(self) -> str:
        """Finish the minute and return the next one; empty at the end of the replay."""
        self.turns.ask(DAEMON, self.minute)
        self.turns.ask(BOT, self.minute)
        self.minute = self.turns.ask(DAEMON)["minute"] or ""
        return self.minute

    def send(self, symbol: str, body: dict[str, Any]) -> str:
        """Send an order and return its id."""
        reply = self.exchange.call("POST", "/v2/orders", json={"symbol": symbol, **body})
        assert reply.status_code == 200, reply.text
        return str(reply.json()["id"])

    def order(self, name: str) -> dict[str, Any]:
        """Return an order as it is now."""
        document: dict[str, Any] = self.exchange.call("GET", f"/v2/orders/{name}").json()
        return document

    def status(self, *names: str) -> list[str]:
        """Return the statuses of orders."""
        return [str(self.order(name)["status"]) for name in names]

    def data(self, path: str) -> Any:
        """Return what a market data endpoint says."""
        return self.exchange.call("GET", path).json()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AA and BB: two minutes early, two in the session, three late; one more the next day."""
    folder = tmp_path_factory.mktemp("extended")
    for symbol in ("AA", "BB"):
        session = minutes_from("2019-02-11T14:30:00+00:00", 2)
        tuesday = minutes_from("2019-02-12T14:30:00+00:00", 1, "110.00")
        write_bars(folder, f"{symbol}_1min.csv", [*session, *tuesday])
        early = minutes_from("2019-02-11T09:10:00+00:00", 2, "80.00")
        late = minutes_from("2019-02-11T21:30:00+00:00", 3, "90.00")
        write_extended(folder, symbol, [*early, *late])
    return folder


@pytest.fixture
def trader(folder: Path, tmp_path: Path) -> Iterator[Trader]:
    """A fresh account at the first minute of the first pre-market."""
    options = ("--speed", "max", "--replay", str(folder))
    with ExchangeProcess(tmp_path, *options) as exchange:
        turns = Turns(exchange)
        yield Trader(exchange, turns, turns.ask(DAEMON)["minute"])


def test_orders_when_sent_before_the_session_then_only_extended_limits_trade_in_it(
    trader: Trader,
) -> None:
    """A plain limit, a market order and a bracket wait for 09:30; its stop never acts early."""
    plain = trader.send("AA", LIMIT | DAY)
    market = trader.send("AA", {"side": "buy", "qty": "1", "type": "market"} | DAY)
    group = trader.send("AA", LIMIT | DAY | BRACKET)
    day = trader.send("AA", EXTENDED)
    lasting = trader.send("AA", EXTENDED | {"time_in_force": "gtc"})
    far = trader.send("AA", EXTENDED | {"limit_price": "70"})
    assert trader.status(plain, market, group, day) == ["accepted"] * 3 + ["new"]

    assert trader.go_on() == "2019-02-11T09:11:00Z"

    assert trader.status(day, lasting, far) == ["filled", "filled", "new"]
    assert trader.status(plain, market, group) == ["accepted"] * 3
    # The opening quote is five times as wide as in the session: 80.01 and half of 8 cents.
    assert trader.order(day)["filled_avg_price"] == "80.05"

    assert trader.go_on() == "2019-02-11T14:30:00Z"
    assert trader.status(plain, market, group) == ["filled"] * 3
    assert trader.order(market)["filled_avg_price"] == "100.01"


def test_stop_when_the_evening_touches_it_then_it_waits_for_the_session(trader: Trader) -> None:
    """The evening falls to 90 under a stop of 95, which opens unhurt the next morning at 110."""
    trader.go_on()
    trader.send("AA", {"side": "buy", "qty": "1", "type": "market", "time_in_force": "day"})
    trader.go_on()
    protection = {"side": "sell", "qty": "1", "type": "stop", "stop_price": "95"}
    stop = trader.send("AA", protection | {"time_in_force": "gtc"})
    assert trader.go_on() == "2019-02-11T14:31:00Z"
    assert [trader.go_on() for _ in range(3)] == [
        f"2019-02-11T21:{minute}:00Z" for minute in (30, 31, 32)
    ]
    assert trader.status(stop) == ["new"]
    refused = trader.exchange.call(
        "POST", "/v2/orders", json={"symbol": "AA", **protection, **DAY, "extended_hours": True}
    )
    assert (refused.status_code, "extended hours" in refused.text) == (422, True)
    trader.go_on()
    assert trader.status(stop) == ["new"]
    assert len(trader.data("/v2/positions")) == 1


def test_evening_when_symbol_is_halted_then_its_extended_orders_rest_and_end_with_it(
    trader: Trader,
) -> None:
    """BB is halted: AA's order fills at 21:31, BB's rests and expires at 20:00 New York; a GTC one
    lives on, and trades in the morning.
    """
    while trader.minute != "2019-02-11T21:30:00Z":
        trader.go_on()
    trader.exchange.call("PATCH", "/sim/switches", json={"halted": ["BB"]})
    traded, halted = trader.send("AA", EXTENDED), trader.send("BB", EXTENDED)
    lasting = trader.send("BB", EXTENDED | {"time_in_force": "gtc"})
    assert trader.order(halted)["expires_at"] == "2019-02-12T01:00:00.000000000Z"

    trader.go_on()
    assert trader.status(traded, halted, lasting) == ["filled", "new", "new"]
    trader.go_on()
    assert trader.status(halted, lasting) == ["expired", "new"]
    assert trader.order(halted)["expired_at"].startswith("2019-02-12T01:00:00")

    trader.exchange.call("PATCH", "/sim/switches", json={"halted": []})
    assert trader.go_on() == "2019-02-12T14:30:00Z"
    assert trader.status(lasting) == ["filled"]


def test_queued_extended_order_when_sent_at_night_then_the_next_extended_session_takes_it(
    tmp_path: Path,
) -> None:
    """Sent after 20:00, it is accepted and works from the next pre-market on."""
    for symbol in ("AA",):
        write_bars(tmp_path, f"{symbol}_1min.csv", minutes_from("2019-02-11T14:30:00+00:00", 1))
        late = minutes_from("2019-02-12T00:59:00+00:00", 1)
        early = minutes_from("2019-02-12T09:10:00+00:00", 1, "80.00")
        write_extended(tmp_path, symbol, [*late, *early])
    options = ("--speed", "max", "--replay", str(tmp_path))
    with ExchangeProcess(tmp_path / "house", *options) as exchange:
        turns = Turns(exchange)
        trader = Trader(exchange, turns, turns.ask(DAEMON)["minute"])
        assert trader.go_on() == "2019-02-12T00:59:00Z"
        name = trader.send("AA", EXTENDED)
        assert trader.status(name) == ["accepted"]
        assert trader.go_on() == "2019-02-12T09:10:00Z"
        assert trader.order(name)["filled_avg_price"] == "80.04"


def test_market_data_when_extended_hours_trade_then_endpoints_and_stream_show_them(
    trader: Trader,
) -> None:
    """Minute bars, trades of Form T, the wide quote, the newest bar; the clock says closed and
    the day's bar knows nothing of it.
    """
    url = f"ws://127.0.0.1:{trader.exchange.port}/v2/iex"
    with connect(url, additional_headers=HEADERS) as stream:
        stream.send(json.dumps({"action": "subscribe", "bars": ["AA"], "trades": ["AA"]}))
        while json.loads(stream.recv(timeout=STREAM_WAIT_S))[0]["T"] != "subscription":
            pass
        trader.go_on()
        told: list[dict[str, Any]] = []
        while not any(one["T"] == "b" for one in told):
            told.extend(json.loads(stream.recv(timeout=STREAM_WAIT_S)))
    assert {tuple(one["c"]) for one in told if one["T"] == "t"} == {("@", "T", "I")}
    bar = next(one for one in told if one["T"] == "b")
    assert (bar["S"], bar["t"]) == ("AA", "2019-02-11T09:11:00Z")

    assert not trader.data("/v2/clock")["is_open"]
    bars = trader.data("/v2/stocks/AA/bars?timeframe=1Min&start=2019-02-11")["bars"]
    assert [one["t"] for one in bars] == ["2019-02-11T09:10:00Z", "2019-02-11T09:11:00Z"]
    assert trader.data("/v2/stocks/AA/bars?timeframe=1Day&start=2019-02-11")["bars"] == []
    quote = trader.data("/v2/stocks/AA/quotes/latest")["quote"]
    assert (quote["bp"], quote["ap"], quote["bs"]) == (79.97, 80.05, 100)
    snapshot = trader.data("/v2/stocks/AA/snapshot")
    assert (snapshot["minuteBar"]["t"], snapshot["dailyBar"]) == ("2019-02-11T09:11:00Z", None)
    assert snapshot["latestTrade"]["c"] == ["@", "T", "I"]
