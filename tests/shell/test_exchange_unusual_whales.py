"""Unusual Whales on the exchange's server: HTTP with budgets, and the socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.bar_texts import minutes_from, write_bars
from tests.support.exchange_process import ExchangeProcess

pytestmark = pytest.mark.integration
BEARER = {"Authorization": "Bearer token", "Accept": "application/json"}
ALERTS = "/api/option-trades/flow-alerts"
BUDGET = {
    "x-uw-daily-req-count",
    "x-uw-token-req-limit",
    "x-uw-minute-req-counter",
    "x-uw-req-per-minute-remaining",
    "x-uw-req-per-minute-reset",
    "x-request-id",
}
WAIT_S = 20


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as process:
        yield process


def data_of(exchange: ExchangeProcess, path: str) -> Any:
    """Return the data of a reply that must be good."""
    answer = exchange.call("GET", path, headers=BEARER)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (ALERTS, {"id", "alert_rule", "total_premium", "created_at", "iv_start"}),
        ("/api/stock/AAPL/flow-alerts", {"id", "ticker"}),
        ("/api/stock/AAPL/flow-recent", {"id", "premium", "option_chain_id", "tags"}),
        ("/api/darkpool/recent", {"tracking_id", "size", "price", "premium", "canceled"}),
        ("/api/darkpool/AAPL", {"nbbo_bid", "nbbo_ask"}),
        ("/api/market/market-tide", {"timestamp", "net_call_premium", "net_volume"}),
        ("/api/market/market-tide?interval_5m=True&otm_only=1", {"net_put_premium"}),
        ("/api/stock/AAPL/net-prem-ticks", {"tape_time", "net_call_premium", "net_delta"}),
        ("/api/stock/AAPL/options-volume", {"call_volume", "bullish_premium"}),
        ("/api/market/total-options-volume", {"call_premium", "put_volume"}),
        ("/api/market/top-net-impact", {"ticker", "net_premium"}),
    ],
)
def test_endpoint_when_read_then_rows_budget_and_request_id(
    exchange: ExchangeProcess, path: str, fields: set[str]
) -> None:
    """Rows under `data`, and the budget in the headers of each reply."""
    answer = exchange.call("GET", path, headers=BEARER)
    rows = answer.json()["data"]
    assert answer.status_code == 200
    assert fields <= set(rows[0])
    assert {name.lower() for name in answer.headers} >= BUDGET
    unknown = path.replace("AAPL", "ZZZZ")
    if unknown != path:
        assert data_of(exchange, unknown) == []


def test_stock_state_when_read_then_is_one_object(exchange: ExchangeProcess) -> None:
    """Not a list, as the vendor has it."""
    state = data_of(exchange, "/api/stock/AAPL/stock-state")
    assert {"open", "close", "total_volume", "prev_close"} <= set(state)


def test_filters_when_combined_then_all_hold(exchange: ExchangeProcess) -> None:
    """Ticker, premium, sweep, rules, moments as unix time and as ISO, and the limit."""
    every = data_of(exchange, f"{ALERTS}?limit=200")
    assert len(every) == 200
    for query, holds in (
        ("ticker_symbol=AAPL", lambda row: row["ticker"] == "AAPL"),
        ("min_premium=200000", lambda row: float(row["total_premium"]) >= 200_000),
        ("is_sweep=true", lambda row: row["has_sweep"]),
        ("is_sweep=False", lambda row: not row["has_sweep"]),
        ("is_put=1&is_ask_side=1", lambda row: row["type"] == "put"),
        (
            "rule_name[]=RepeatedHits&rule_name[]=FloorTradeLargeCap",
            lambda row: row["alert_rule"] in ("RepeatedHits", "FloorTradeLargeCap"),
        ),
    ):
        rows = data_of(exchange, f"{ALERTS}?{query}&limit=20")
        assert rows, query
        assert all(holds(row) for row in rows), query
    middle = every[100]["created_at"]
    unix = datetime.fromisoformat(middle).timestamp()
    iso = middle.replace("Z", "%2B00:00").replace("T", " ")
    for text in (middle, iso, f"{unix:.6f}", f"{int(unix * 1000) + 1}"):
        older = data_of(exchange, f"{ALERTS}?older_than={text}&limit=5")
        assert older[-1]["id"] in [row["id"] for row in every[100:110]], text
        newer = data_of(exchange, f"{ALERTS}?newer_than={text}&limit=200")
        assert every[98]["id"] in [row["id"] for row in newer]
        assert every[102]["id"] not in [row["id"] for row in newer]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=many",
        "min_premium=NaN",
        "is_sweep=perhaps",
        "newer_than=yesterday",
        "older_than=-5",
        "newer_than=1e400",
    ],
)
def test_request_when_it_makes_no_sense_then_422_with_path_and_query(
    exchange: ExchangeProcess, query: str
) -> None:
    """msg names the field and the value."""
    answer = exchange.call("GET", f"{ALERTS}?{query}", headers=BEARER)
    assert answer.status_code == 422
    assert set(answer.json()) == {"msg", "path", "query"}
    assert answer.json()["msg"].startswith(query.partition("=")[0])
    assert (answer.json()["path"], answer.json()["query"]) == (ALERTS, query)


def test_token_when_missing_then_401_without_budget_headers(exchange: ExchangeProcess) -> None:
    """Alpaca's keys do not open it, and the other way round Alpaca's paths stay as they are."""
    for headers in ({}, {"Authorization": "Bearer "}, {"APCA-API-KEY-ID": "k"}):
        answer = exchange.call("GET", ALERTS, headers=headers)
        assert answer.status_code == 401
        assert not {name for name in answer.headers if name.lower().startswith("x-uw")}
    assert exchange.call("GET", "/api/nothing", headers=BEARER).status_code == 404
    assert exchange.call("GET", "/v2/clock").status_code == 200


def test_budget_when_spent_then_429_and_the_headers_say_so(tmp_path: Path) -> None:
    """By minute and by day, for each token apart."""
    options = ("--whales-plan", "basic", "--whales-per-minute", "1000", "--whales-per-day", "3")
    with ExchangeProcess(tmp_path, *options, "--whales-stamps", "spec") as exchange:
        answers = [exchange.call("GET", f"{ALERTS}?limit=1", headers=BEARER) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[-1].headers["x-uw-daily-req-count"] == "4"
        assert answers[-1].headers["x-uw-token-req-limit"] == "3"
        assert 0 < int(answers[-1].headers["x-uw-req-per-minute-reset"]) <= 60_000
        assert int(answers[-1].headers["Retry-After"]) >= 1
        other = exchange.call("GET", f"{ALERTS}?limit=1", headers={"Authorization": "Bearer two"})
        assert other.status_code == 200
        assert other.json()["data"][0]["created_at"].endswith("+00:00")
        with (
            pytest.raises(InvalidStatus) as refused,
            connect(f"ws://127.0.0.1:{exchange.port}/socket?token=token"),
        ):
            pass
        assert refused.value.response.status_code == 403


def test_socket_when_joined_then_acknowledged_and_tells_what_rest_lists(
    exchange: ExchangeProcess,
) -> None:
    """join, ack, alerts with numbers under the ids of REST; prints and prices on their channels;
    unknown channels and nonsense are answered.
    """
    with connect(f"ws://127.0.0.1:{exchange.port}/socket?token=token") as socket:
        heard: dict[str, Any] = {}
        for channel in ("flow-alerts", "off_lit_trades", "price:AAPL"):
            socket.send(json.dumps({"channel": channel, "msg_type": "join"}))
            while True:
                name, words = json.loads(socket.recv(WAIT_S))
                if "status" in words:
                    assert (name, words) == (channel, {"response": {}, "status": "ok"})
                    break
        while len(heard) < 3:
            name, words = json.loads(socket.recv(WAIT_S))
            heard[name] = words
        alert = heard["flow-alerts"]
        rows = data_of(exchange, f"{ALERTS}?limit=200&ticker_symbol={alert['ticker']}")
        same = next(row for row in rows if row["id"] == alert["id"])
        assert float(same["total_premium"]) == alert["total_premium"]
        assert same["alert_rule"] == alert["rule_name"]
        assert heard["price:AAPL"]["vol"] > 0
        socket.send(json.dumps({"channel": "flow-alerts", "msg_type": "leave"}))
        socket.send(json.dumps({"channel": "unheard-of", "msg_type": "join"}))
        socket.send("{")
        errors: list[str] = []
        while len(errors) < 2:
            name, words = json.loads(socket.recv(WAIT_S))
            if words.get("status") == "error":
                errors.append(words["response"]["reason"])
        assert errors == ["unmatched topic", "invalid message"]
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{exchange.port}/socket"):
        pass
    assert refused.value.response.status_code == 401


def test_lock_step_replay_when_played_twice_then_the_flow_is_the_same(tmp_path: Path) -> None:
    """The same seed and the same files give the same alerts, prints and tide in market time."""
    rows = minutes_from("2019-02-11T14:30:00+00:00", 120)
    (tmp_path / "bars").mkdir()
    volumes = [line.rsplit(",", 1)[0] + ",60000" for line in rows]
    write_bars(tmp_path / "bars", "AA_1min.csv", volumes)
    told = []
    for run in ("one", "two"):
        options = ("--replay", str(tmp_path / "bars"), "--speed", "max", "--seed", "4")
        with ExchangeProcess(tmp_path / run, *options) as exchange:
            minute = exchange.call("POST", "/sim/lockstep", json={"participant": "data-daemon"})
            for _ in range(90):
                at = minute.json()["minute"]
                for participant in ("data-daemon", "trading-bot"):
                    body = {"participant": participant, "finished": at, "timeout_s": 0}
                    exchange.call("POST", "/sim/lockstep", json=body)
                ask = {"participant": "data-daemon"}
                minute = exchange.call("POST", "/sim/lockstep", json=ask)
            paths = (ALERTS, "/api/darkpool/AA", "/api/market/market-tide")
            told.append([data_of(exchange, path) for path in paths])
    assert told[0] == told[1]
    assert all(told[0])
    assert {row["created_at"][:10] for row in told[0][0]} == {"2019-02-11"}
