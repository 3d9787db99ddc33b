"""Market data over HTTP from a real exchange-sim process: alpaca-py's whole client, pages."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from tests.support.exchange_process import ExchangeProcess

pytestmark = pytest.mark.integration
END = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
START = END - timedelta(minutes=30)
BOTH = ["AAPL", "SPY"]
SPAN: dict[str, Any] = {"symbol_or_symbols": BOTH, "start": START, "end": END}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as process:
        yield process


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("basic"), "--data-plan", "basic") as process:
        yield process


def _many(found: Any) -> None:
    assert set(found.data) == set(BOTH)
    assert all(len(found[symbol]) >= 30 for symbol in BOTH)


def _newest(found: Any) -> None:
    assert set(found) == set(BOTH)
    assert all(found[symbol].timestamp > END for symbol in BOTH)


def _whole_snapshot(found: Any) -> None:
    assert all(found[symbol].latest_trade.price > 0 for symbol in BOTH)
    assert all(found[symbol].previous_daily_bar.close > 0 for symbol in BOTH)
    assert all(found[symbol].minute_bar.trade_count == 12 for symbol in BOTH)


METHODS: dict[str, tuple[Any, Callable[[Any], None]]] = {
    "get_stock_bars": (
        StockBarsRequest(
            timeframe=TimeFrame(1, TimeFrameUnit.Minute),
            adjustment=Adjustment.ALL,
            feed=DataFeed.SIP,
            asof="2026-01-05",
            **SPAN,
        ),
        _many,
    ),
    "get_stock_quotes": (StockQuotesRequest(feed=DataFeed.IEX, **SPAN), _many),
    "get_stock_trades": (StockTradesRequest(**SPAN), _many),
    "get_stock_latest_trade": (StockLatestTradeRequest(symbol_or_symbols=BOTH), _newest),
    "get_stock_latest_quote": (StockLatestQuoteRequest(symbol_or_symbols=BOTH), _newest),
    "get_stock_latest_bar": (StockLatestBarRequest(symbol_or_symbols=BOTH), _newest),
    "get_stock_snapshot": (StockSnapshotRequest(symbol_or_symbols=BOTH), _whole_snapshot),
}


def test_client_when_it_grows_a_method_then_this_table_misses_it() -> None:
    """Every public method of alpaca-py's stock client stands in the table."""
    public = {
        name
        for name, value in vars(StockHistoricalDataClient).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }
    assert public == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_client_when_it_calls_a_method_then_it_works(
    exchange: ExchangeProcess, method: str
) -> None:
    """The unmodified client reads what the exchange answers."""
    request, check = METHODS[method]
    check(getattr(exchange.data(), method)(request))


def _pages(exchange: ExchangeProcess, kind: str, query: str, limit: int) -> dict[str, list[Any]]:
    """Read all pages and return the points by symbol."""
    whole: dict[str, list[Any]] = {}
    token = ""
    for _ in range(200):
        path = f"/v2/stocks/{kind}?{query}&limit={limit}{token}"
        answer = exchange.call("GET", path).json()
        count = sum(len(points) for points in answer[kind].values())
        for symbol, points in answer[kind].items():
            whole.setdefault(symbol, []).extend(points)
        if answer["next_page_token"] is None:
            return whole
        assert count == limit
        token = f"&page_token={answer['next_page_token']}"
    raise AssertionError("the pages have no end")


SPAN_QUERY = "symbols=SPY,AAPL&timeframe=1Min&start=2026-01-05T13:50:00Z&end=2026-01-05T14:00:00Z"


@pytest.mark.parametrize("kind", ["bars", "trades", "quotes"])
@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_of_any_size_then_are_the_whole(
    exchange: ExchangeProcess, kind: str, sort: str
) -> None:
    """Nothing is lost or doubled at a seam, in either order, over both symbols; quotes that share
    a moment neither.
    """
    query = f"{SPAN_QUERY}&sort={sort}"
    whole = _pages(exchange, kind, query, 10_000)
    assert len(whole["AAPL"]) >= 11
    for limit in (7, 13, 40):
        assert _pages(exchange, kind, query, limit) == whole
    stamps = [point["t"] for point in whole["AAPL"]]
    assert stamps == sorted(stamps, reverse=sort == "desc")


def _shifted(stamp: str, nanoseconds: int) -> str:
    """Return a stamp of nine digits, moved within its second."""
    head, rest = stamp[:-1].split(".")
    return f"{head}.{int(rest) + nanoseconds:09d}Z"


@pytest.mark.parametrize("kind", ["trades", "quotes"])
@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("limit", [3, 10_000])
def test_bounds_when_they_have_nine_digits_then_each_nanosecond_counts(
    exchange: ExchangeProcess, kind: str, sort: str, limit: int
) -> None:
    """A tick is within a range that begins or ends at its very stamp, and outside of one that
    begins or ends a nanosecond earlier or later.
    """
    span = "symbols=AAPL&start=2026-01-05T13:50:00Z&end=2026-01-05T13:52:00Z"
    stamps = sorted({one["t"] for one in _pages(exchange, kind, span, 10_000)["AAPL"]})
    inner = [stamp for stamp in stamps[2:-2] if 0 < int(stamp[-4:-1]) < 999]
    first, last = inner[0], inner[-1]
    for begin, end, expected in (
        (first, last, [one for one in stamps if first <= one <= last]),
        (_shifted(first, 1), _shifted(last, -1), [one for one in stamps if first < one < last]),
        (_shifted(first, -1), _shifted(last, 1), [one for one in stamps if first <= one <= last]),
        (first[:-4] + "Z", last[:-4] + "Z", [one for one in stamps if first <= one < last]),
        (first, first, [first]),
    ):
        query = f"symbols=AAPL&start={begin}&end={end}&sort={sort}"
        found = _pages(exchange, kind, query, limit).get("AAPL", [])
        assert sorted({one["t"] for one in found}) == expected
    crossed = f"symbols=AAPL&start={last}&end={_shifted(last, -1)}"
    assert exchange.call("GET", f"/v2/stocks/{kind}?{crossed}").status_code == 400


def test_bars_when_a_bound_lies_a_nanosecond_beside_then_it_counts(
    exchange: ExchangeProcess,
) -> None:
    """A bar begins on the minute: just after that is too late for it."""

    def bars(begin: str, end: str) -> int:
        query = f"symbols=AAPL&timeframe=1Min&start=2026-01-05T{begin}&end=2026-01-05T{end}"
        return len(_pages(exchange, "bars", query, 10).get("AAPL", []))

    assert bars("13:50:00.000000000Z", "13:52:00Z") == 3
    assert bars("13:50:00.000000001Z", "13:52:00Z") == 2
    assert bars("13:50:00Z", "13:51:59.999999999Z") == 2


def test_bars_when_compared_with_trades_then_tell_one_story(exchange: ExchangeProcess) -> None:
    """v, n, vw, high and low of each bar follow from the trades of its minute."""
    bars = _pages(exchange, "bars", SPAN_QUERY, 10_000)["AAPL"][:-1]
    trades = _pages(exchange, "trades", SPAN_QUERY, 10_000)["AAPL"]
    assert len(bars) == 10
    for bar in bars:
        inside = [trade for trade in trades if trade["t"][:16] == bar["t"][:16]]
        assert bar["v"] == sum(trade["s"] for trade in inside)
        assert bar["n"] == len(inside)
        assert (bar["h"], bar["l"]) == (
            max(trade["p"] for trade in inside),
            min(trade["p"] for trade in inside),
        )
        average = sum(trade["p"] * trade["s"] for trade in inside) / bar["v"]
        assert abs(bar["vw"] - average) < 1e-5
    assert all(len(trade["t"]) == len("2026-01-05T13:50:00.123456789Z") for trade in trades)


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("timeframe=1Min", 400, "query parameter 'symbols' is required"),
        ("symbols=SPY&start=yesterday", 400, "Invalid format for parameter start: error parsing"),
        ("symbols=SPY&start=2026-01-05T10:00:00", 400, "Invalid format for parameter start"),
        ("symbols=SPY&end=5", 400, "Invalid format for parameter end"),
        ("symbols=SPY&start=2026-01-05&end=2026-01-04", 400, "end should not be before start"),
        ("symbols=SPY&timeframe=60Min", 400, "invalid timeframe"),
        ("symbols=SPY&limit=10001", 400, "invalid limit"),
        ("symbols=SPY&sort=up", 400, "invalid sort"),
        ("symbols=SPY&adjustment=none", 400, "invalid adjustment"),
        ("symbols=SPY&feed=nyse", 400, "invalid feed"),
        ("symbols=SPY&asof=never", 400, "Invalid format for parameter asof"),
        ("symbols=SP%20Y", 400, "invalid symbol"),
        ("symbols=SPY&page_token=%FF", 400, "invalid page_token"),
        ("symbols=SPY&page_token=abc", 400, "invalid page_token"),
    ],
)
def test_request_when_it_makes_no_sense_then_the_message_says_what(
    exchange: ExchangeProcess, query: str, status: int, message: str
) -> None:
    """Data errors are a message without a code, as the real service's."""
    answer = exchange.call("GET", f"/v2/stocks/bars?{query}")
    assert answer.status_code == status
    assert message in answer.json()["message"]
    assert "code" not in answer.json()


def test_requests_of_one_symbol_then_have_their_own_shape(exchange: ExchangeProcess) -> None:
    """A list under its name and the symbol beside it; unknown symbols have no points."""
    query = SPAN_QUERY.replace("symbols=SPY,AAPL&", "")
    for kind in ("bars", "trades", "quotes"):
        answer = exchange.call("GET", f"/v2/stocks/aapl/{kind}?{query}&currency=USD").json()
        assert (answer["symbol"], len(answer[kind]) > 10) == ("AAPL", True)
        none = exchange.call("GET", f"/v2/stocks/ZZZZ/{kind}?{query}").json()
        assert (none[kind], none["next_page_token"]) == ([], None)
        many = exchange.call("GET", f"/v2/stocks/{kind}?symbols=ZZZZ&{query}").json()
        assert many == {kind: {}, "next_page_token": None}
    for path in ("quotes/latest", "trades/latest", "bars/latest", "snapshot"):
        assert exchange.call("GET", f"/v2/stocks/SPY/{path}").json()["symbol"] == "SPY"
        assert exchange.call("GET", f"/v2/stocks/ZZZZ/{path}").status_code == 404


def test_plan_when_basic_then_recent_sip_data_is_refused(basic: ExchangeProcess) -> None:
    """The text that clients look for; IEX, and SIP older than a quarter of an hour, are given."""
    refused = ("bars?symbols=SPY&end=2030-01-01", "quotes/latest?symbols=SPY", "SPY/snapshot?x=1")
    for path in refused:
        answer = basic.call("GET", f"/v2/stocks/{path}&feed=sip")
        assert answer.status_code == 403
        message = "subscription does not permit querying recent SIP data"
        assert answer.json() == {"message": message}
        assert basic.call("GET", f"/v2/stocks/{path}&feed=iex").status_code == 200
    old = basic.call("GET", f"/v2/stocks/bars?{SPAN_QUERY}&feed=sip")
    assert len(old.json()["bars"]["SPY"]) == 11
    assert basic.call("GET", "/v2/stocks/bars?symbols=SPY&feed=sip").status_code == 200


def test_clock_when_tick_by_tick_then_history_ends_before_it(exchange: ExchangeProcess) -> None:
    """The newest trade of history is never younger than the broker's clock."""
    query = "symbols=SPY&sort=desc&limit=1"
    newest = exchange.call("GET", f"/v2/stocks/trades?{query}").json()["trades"]["SPY"][0]
    clock = datetime.fromisoformat(exchange.call("GET", "/v2/clock").json()["timestamp"])
    at = datetime.fromisoformat(newest["t"])
    assert timedelta(0) <= clock - at < timedelta(minutes=3)
