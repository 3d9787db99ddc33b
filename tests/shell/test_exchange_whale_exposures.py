"""Unusual Whales' exposures, NOPE and net flow by expiry on the exchange's server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.exchange_process import ExchangeProcess

pytestmark = pytest.mark.integration
BEARER = {"Authorization": "Bearer token", "Accept": "application/json"}
STOCK = "/api/stock/AAPL"
GREEK, SPOT, NET_FLOW = f"{STOCK}/greek-exposure", f"{STOCK}/spot-exposures", "/api/net-flow/expiry"
KINDS, GREEKS = ("call", "put"), ("delta", "gamma", "charm", "vanna")
PARTS = {f"{kind}_{greek}" for kind in KINDS for greek in ("delta", "gex", "charm", "vanna")}
MONEY = re.compile(r"-?[0-9]+\.[0-9]+")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange"), "--speed", "60") as process:
        yield process


def rows_of(exchange: ExchangeProcess, path: str) -> list[dict[str, Any]]:
    """Return the rows of a reply that must be good; money is text."""
    answer = exchange.call("GET", path, headers=BEARER)
    assert answer.status_code == 200, answer.text
    assert "x-uw-daily-req-count" in answer.headers
    rows: list[dict[str, Any]] = answer.json()["data"]
    names = ("delta", "gamma", "gex", "charm", "vanna")
    for row in rows:
        for name, value in row.items():
            if any(word in name for word in names):
                assert MONEY.fullmatch(value), (name, value)
    return rows


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (GREEK, {"date", *(f"{kind}_{greek}" for kind in KINDS for greek in GREEKS)}),
        (f"{GREEK}/strike", {"strike", *PARTS}),
        (f"{GREEK}/expiry", {"date", "expiry", "dte", *PARTS}),
        (f"{GREEK}/strike-expiry?expiry=2026-01-09", {"strike", "expiry", *PARTS}),
        (
            SPOT,
            {"time", "price"}
            | {
                f"{greek}_per_one_percent_move_{name}"
                for greek in GREEKS[1:]
                for name in ("oi", "vol", "dir")
            },
        ),
        (
            f"{SPOT}/strike",
            {"strike", "price", "time"}
            | {
                f"{kind}_{greek}_{name}"
                for kind in KINDS
                for greek in GREEKS
                for name in ("oi", "vol", "ask", "bid")
            },
        ),
        (
            f"{STOCK}/nope",
            {"timestamp", "call_vol", "put_vol", "stock_vol", "nope", "nope_fill"}
            | {f"{kind}_{name}" for kind in KINDS for name in ("delta", "fill_delta")},
        ),
    ],
)
def test_exposure_when_read_then_its_rows_have_the_vendors_fields(
    exchange: ExchangeProcess, path: str, fields: set[str]
) -> None:
    """These fields and no other; a ticker that nobody knows has no rows."""
    rows = rows_of(exchange, path)

    assert rows
    assert all(set(row) == fields for row in rows)
    assert rows_of(exchange, path.replace("AAPL", "ZZZZ")) == []


def test_days_when_a_timeframe_is_asked_for_then_so_many_come_newest_first(
    exchange: ExchangeProcess,
) -> None:
    """A year unless it is said; a day alone; days before the market's past are not there."""
    year = [row["date"] for row in rows_of(exchange, GREEK)]
    week = [row["date"] for row in rows_of(exchange, f"{GREEK}?timeframe=1W&date=2025-12-31")]

    assert year == sorted(year, reverse=True)
    assert year[0] == "2026-01-05"
    assert len(year) > 50
    assert (week[0], week[-1], len(week)) == ("2025-12-31", "2025-12-25", 7)
    assert rows_of(exchange, f"{GREEK}?timeframe=1D&date=1999-01-01") == []
    ytd = [row["date"] for row in rows_of(exchange, f"{GREEK}?timeframe=ytd")]
    assert ytd[-1] == "2026-01-01"


def test_strikes_when_filtered_and_paged_then_all_filters_hold(exchange: ExchangeProcess) -> None:
    """Strikes, days left and expiries bound them; pages follow each other without overlap."""
    every = [row["strike"] for row in rows_of(exchange, f"{SPOT}/strike")]
    some = rows_of(exchange, f"{SPOT}/strike?min_strike=190&max_strike=200")
    week = "expirations[]=2026-01-09&expirations[]=2026-01-16"
    pages = [
        [row["strike"] for row in rows_of(exchange, f"{SPOT}/strike?limit=10&page={page}")]
        for page in range(3)
    ]

    assert [float(strike) for strike in every] == sorted(map(float, every))
    assert {row["strike"] for row in some} == {s for s in every if 190 <= float(s) <= 200}
    assert [strike for page in pages for strike in page] == every[:30]
    listed = rows_of(exchange, f"{SPOT}/expiry-strike?{week}")
    assert [row["strike"] for row in listed] == every
    older = rows_of(exchange, f"{SPOT}/2026-01-09/strike")
    newer = rows_of(exchange, f"{SPOT}/expiry-strike?expirations[]=2026-01-09")
    assert [row["call_gamma_oi"] for row in older][:3] != []
    assert {row["strike"] for row in older} == {row["strike"] for row in newer}
    assert rows_of(exchange, f"{SPOT}/expiry-strike?{week}&min_dte=30") == []


def test_net_flow_when_groups_are_asked_for_then_each_comes_with_its_words(
    exchange: ExchangeProcess,
) -> None:
    """Shares and funds make all; indexes do not trade here; the words are told again."""
    query = "tide_type[]=all&tide_type[]=equity_only&tide_type=etf_only,index_only&moneyness=otm"
    answer = exchange.call("GET", f"{NET_FLOW}?{query}&expiration[]=zero_dte", headers=BEARER)
    document = answer.json()
    plain = exchange.call("GET", NET_FLOW, headers=BEARER).json()

    assert document["moneyness"] == ["otm"]
    assert document["expiration"] == ["zero_dte"]
    groups = {group["tide_type"]: group["data"] for group in document["data"]}
    assert set(groups) == set(document["tide_type"])
    assert groups["index_only"] == []
    by_minute = {
        name: {row["timestamp"]: float(row["net_call_premium"]) for row in rows}
        for name, rows in groups.items()
    }
    for at, premium in by_minute["all"].items():
        parts = by_minute["equity_only"].get(at, 0) + by_minute["etf_only"].get(at, 0)
        assert premium == pytest.approx(parts, abs=0.02)
    row = plain["data"][0]["data"][0]
    assert set(row) == {
        "timestamp",
        "date",
        "net_call_premium",
        "net_put_premium",
        "net_volume",
        "underlying_price",
    }
    assert (plain["date"], plain["expiration"]) == ("2026-01-05", ["weekly", "zero_dte"])
    assert (plain["tide_type"], plain["moneyness"]) == (["all"], ["all"])


@pytest.mark.parametrize(
    "path",
    [
        f"{GREEK}?timeframe=1X",
        f"{GREEK}?date=soon",
        f"{GREEK}?date=0001-01-02",
        f"{SPOT}?date=0001-01-02",
        f"{NET_FLOW}?date=1899-12-31",
        f"{GREEK}/strike-expiry",
        f"{GREEK}/strike-expiry?expiry=friday",
        f"{SPOT}/expiry-strike",
        f"{SPOT}/expiry-strike?expirations[]=x",
        f"{SPOT}/friday/strike",
        f"{SPOT}/strike?limit=501",
        f"{SPOT}/strike?page=-1",
        f"{SPOT}/strike?min_strike=low",
        f"{NET_FLOW}?moneyness=deep",
        f"{NET_FLOW}?tide_type=moon",
        f"{NET_FLOW}?expiration=monthly",
    ],
)
def test_request_when_it_makes_no_sense_then_422_in_the_vendors_words(
    exchange: ExchangeProcess, path: str
) -> None:
    """msg, path and query; a path and its word name the fault."""
    answer = exchange.call("GET", path, headers=BEARER)

    assert answer.status_code == 422
    assert set(answer.json()) == {"msg", "path", "query"}
    assert answer.json()["path"] == path.partition("?")[0]


def test_exposures_when_the_process_was_killed_then_they_are_the_same(
    exchange: ExchangeProcess,
) -> None:
    """What is finished is told again, word for word: nothing of it is stored."""
    paths = (SPOT, f"{STOCK}/nope", f"{GREEK}?date=2026-01-04&timeframe=2W")
    before = [rows_of(exchange, path) for path in paths]
    flow = exchange.call("GET", NET_FLOW, headers=BEARER).json()["data"][0]["data"]

    exchange.kill()
    exchange.start()

    for path, rows in zip(paths, before, strict=True):
        assert rows_of(exchange, path)[: len(rows)] == rows
    again = exchange.call("GET", NET_FLOW, headers=BEARER).json()["data"][0]["data"]
    finished = flow[:-1]  # the last minute may still have been growing when it was asked
    assert again[: len(finished)] == finished
