"""The trades within a minute and its bar are one story; history is read from either end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.exchange_sim.market.history import traded
from services.exchange_sim.market.opening import MarketRequest, open_market
from services.exchange_sim.market.port import (
    ONE_DAY,
    ONE_MINUTE,
    BarClosed,
    BarQuery,
    Market,
    QuoteTick,
    TickQuery,
    TradeTick,
)
from services.exchange_sim.market.prints import (
    Corners,
    print_prices,
    print_sizes,
    trade_count,
    turnover,
)
from services.exchange_sim.market.replay_ticks import recorded_trades
from services.exchange_sim.market.seeded import SEEDED_BEGINS_AT
from services.exchange_sim.market.timeframe import parse_timeframe
from shared.models.market import Candle
from tests.support.bar_texts import minutes_from, replay_of, seeded, week_of_two, write_bars

pytestmark = pytest.mark.unit

BEGIN = SEEDED_BEGINS_AT
MINUTE = timedelta(minutes=1)
AT = datetime(2019, 2, 11, 14, 30, tzinfo=UTC)
PRICES = st.integers(1, 1_000_000)
VOLUMES = st.one_of(st.integers(0, 60), st.integers(0, 10**9))


@st.composite
def corners(draw: st.DrawFn) -> Corners:
    low, high = sorted((draw(PRICES), draw(PRICES)))
    inside = st.integers(low, high)
    return Corners(draw(inside), high, low, draw(inside))


@given(corners(), VOLUMES, st.integers(0, 65_535))
@settings(max_examples=400)
def test_trades_of_any_minute_then_they_make_its_bar(bar: Corners, volume: int, dice: int) -> None:
    """Prices run straight from corner to corner within the range; sizes add up to the volume;
    count and turnover are those of the list, although nobody listed the trades to know them.
    """
    prices, sizes = print_prices(bar, volume, dice), print_sizes(volume, dice)

    assert (prices[0], prices[-1]) == (bar.open, bar.close)
    assert (max(prices), min(prices)) == (bar.high, bar.low)
    assert sum(sizes) == volume
    assert min(sizes) >= 0
    assert trade_count(volume) == sum(1 for size in sizes if size)
    ways = [other > one for one, other in pairwise(prices) if other != one]
    assert sum(one is not other for one, other in pairwise(ways)) <= 2
    total = sum(price * size for price, size in zip(prices, sizes, strict=True))
    assert turnover((bar.open, bar.high, bar.low, bar.close), volume) == total


@given(corners(), st.integers(4, 10**7))
def test_recorded_minute_when_it_has_shares_for_its_corners_then_trades_show_the_whole_bar(
    bar: Corners, volume: int
) -> None:
    """From the trades alone open, high, low, close, volume and average price come back."""
    first, high, low, last = (Decimal(cents).scaleb(-2) for cents in bar)
    candle = Candle("AA", AT, first, high, low, last, volume)

    trades = recorded_trades(candle)

    prices = [trade.price for trade in trades]
    assert (prices[0], max(prices), min(prices), prices[-1]) == (first, high, low, last)
    assert sum(trade.size for trade in trades) == volume
    assert all(AT <= trade.at < AT + MINUTE for trade in trades)
    told = traded(candle)
    assert (told.trades, told.turnover) == (
        len(trades),
        sum(trade.price * trade.size for trade in trades),
    )


@pytest.mark.parametrize("timeframe", ["1Min", "7Min", "1Hour", "1Day"])
def test_bars_of_any_length_when_made_of_trades_then_are_the_bars_of_history(
    timeframe: str,
) -> None:
    """n, v, vw, high and low of each bar are those of the trades within it."""
    market = seeded(5, "AAPL")
    now = BEGIN + timedelta(days=1, minutes=3)
    length = parse_timeframe(timeframe)
    start = now - timedelta(days=1, hours=12)
    bars = market.traded_bars(BarQuery("AAPL", start, now, length, now, limit=40))
    assert len(bars) > 0
    for bar, end in zip(bars, [*(b.candle.start for b in bars[1:]), now], strict=True):
        if end > now - timedelta(hours=1) or (len(bars) == 40 and bar is bars[-1]):
            continue
        query = TickQuery("AAPL", bar.candle.start, end - timedelta(microseconds=1), now)
        trades = market.trades(query)
        assert bar.trades == len(trades)
        assert bar.candle.volume == sum(trade.size for trade in trades)
        assert bar.turnover == sum(trade.price * trade.size for trade in trades)
        assert bar.candle.high == max(trade.price for trade in trades)
        assert bar.candle.low == min(trade.price for trade in trades)
        assert abs(bar.average_price * bar.candle.volume - bar.turnover) < Decimal("0.01")


def test_history_when_compared_with_the_events_then_says_the_same() -> None:
    """Every streamed trade and quote stands in history, with the same size."""
    market = seeded(1, "AAPL")
    end = BEGIN + 3 * MINUTE
    trades = market.trades(TickQuery("AAPL", BEGIN, end, end))
    quotes = market.quotes(TickQuery("AAPL", BEGIN, end, end + MINUTE))
    events = market.events(BEGIN, end)

    streamed = [event for event in events if isinstance(event, TradeTick)]
    assert [trade for trade in trades if trade.at.second] == streamed
    told = [event.quote for event in events if isinstance(event, QuoteTick)]
    assert [quote for quote in quotes if quote.at > BEGIN] == told


@pytest.fixture
def replay(tmp_path: Path) -> Market:
    rows = [
        *minutes_from("2019-02-11T14:30:00+00:00", 90),
        *minutes_from("2019-02-12T15:00:00+00:00", 60, "110.00"),
    ]
    write_bars(tmp_path, "AA_1min.csv", rows)
    return replay_of(tmp_path)


@pytest.mark.parametrize("limit", [1, 7, 59, 1000])
@pytest.mark.parametrize("timeframe", ["1Min", "13Min", "1Day"])
def test_bars_when_the_newest_are_wanted_then_are_the_oldest_ones_backwards(
    replay: Market, timeframe: str, limit: int
) -> None:
    """Over a night without bars too; with a limit the ones nearest to the end."""
    now = datetime(2019, 2, 12, 17, 30, tzinfo=UTC)
    query = BarQuery("AA", AT - timedelta(days=9), now, parse_timeframe(timeframe), now)
    whole = replay.traded_bars(query)

    newest = replay.traded_bars(replace(query, limit=limit, newest_first=True))

    assert newest == whole[::-1][:limit]
    assert replay.traded_bars(replace(query, limit=limit)) == whole[:limit]


@pytest.mark.parametrize("limit", [1, 11, 700, 5000])
def test_ticks_when_the_newest_are_wanted_then_are_the_oldest_ones_backwards(
    replay: Market, limit: int
) -> None:
    """Trades and quotes of a replay, over a night; quotes of one moment keep their place."""
    now = datetime(2019, 2, 12, 17, 30, tzinfo=UTC)
    query = TickQuery("AA", AT, now, now)
    for read in (replay.trades, replay.quotes):
        whole: tuple[object, ...] = read(query)
        assert len(whole) > 200
        assert read(replace(query, limit=limit, newest_first=True)) == whole[::-1][:limit]
        assert read(replace(query, limit=limit)) == whole[:limit]


def test_ticks_when_market_time_stands_before_them_then_are_hidden(replay: Market) -> None:
    """At a minute's edge the opening of the next one has not happened yet."""
    now = AT + 2 * MINUTE
    trades = replay.trades(TickQuery("AA", AT, AT + timedelta(days=1), now))
    quotes = replay.quotes(TickQuery("AA", AT, AT + timedelta(days=1), now))
    assert trades[-1].at == now - timedelta(seconds=5)
    assert quotes[-1].at < now
    assert replay.trades(TickQuery("ZZ", AT, now, now)) == ()
    assert replay.quotes(TickQuery("ZZ", AT, now, now)) == ()


def _cost_s(read: Callable[[], object]) -> float:
    best = 1e9
    for _ in range(3):
        begun = time.perf_counter()
        read()
        best = min(best, time.perf_counter() - begun)
    return best


@pytest.mark.parametrize("newest_first", [False, True])
def test_page_when_history_is_long_then_costs_what_a_page_of_short_history_does(
    tmp_path: Path, newest_first: bool
) -> None:
    """Two hundred bars out of two days, and out of sixty: the older market is not dearer, from
    either end and in the middle.
    """
    days = [datetime(2019, 1, 2, 14, 30, tzinfo=UTC) + timedelta(days=n) for n in range(60)]
    rows = [row for day in days for row in minutes_from(day.isoformat(), 300)]
    write_bars(tmp_path, "AA_1min.csv", rows)
    market = replay_of(tmp_path)
    now = days[-1] + timedelta(hours=7)

    def page(start: datetime, end: datetime) -> Callable[[], object]:
        query = BarQuery("AA", start, end, ONE_MINUTE, now, 200, newest_first)
        return lambda: market.traded_bars(query)

    short = _cost_s(page(days[-3], now))
    for start, end in ((days[0], now), (days[30], now), (days[0], days[30])):
        assert _cost_s(page(start, end)) < 8 * short + 0.002


@pytest.mark.parametrize("newest_first", [False, True])
def test_page_of_ten_million_bars_then_costs_what_a_page_of_a_million_does(
    newest_first: bool,
) -> None:
    """A past of 600 days and one of 6,000 (8,640,000 bars a symbol): first, last and middle page
    of either cost the same.
    """
    costs = []
    for days in (600, 6_000):
        market = open_market(MarketRequest(1, Decimal(2), ("AAPL",), history_days=days))
        begin = BEGIN - timedelta(days=days - 1)
        for start in (begin, begin + timedelta(days=days // 2)):
            query = BarQuery("AAPL", start, BEGIN, ONE_MINUTE, BEGIN, 500, newest_first)
            assert len(market.traded_bars(query)) == 500
            costs.append(_cost_s(partial(market.traded_bars, query)))
    assert max(costs) < 8 * min(costs) + 0.002


def test_last_bars_of_a_day_then_newest_first_gives_the_running_day_first() -> None:
    """Snapshots read two days from the end, not sixty from the beginning."""
    market = seeded(1, "AAPL")
    now = BEGIN + timedelta(hours=5)
    query = BarQuery("AAPL", now - timedelta(days=7), now, ONE_DAY, now, 2, newest_first=True)
    days = market.traded_bars(query)
    assert [bar.candle.start for bar in days] == [
        datetime(2026, 1, 5, 5, tzinfo=UTC),
        datetime(2026, 1, 4, 5, tzinfo=UTC),
    ]


def test_seconds_of_ticks_then_rise(tmp_path: Path) -> None:
    """No two trades of a symbol share a moment, so their numbers are theirs alone."""
    market = seeded(2, "AAPL")
    now = BEGIN + timedelta(hours=2)
    trades = market.trades(TickQuery("AAPL", BEGIN, now, now))
    assert all(one.at < other.at for one, other in pairwise(trades))
    closed = [e for e in market.events(BEGIN, now) if isinstance(e, BarClosed)]
    assert len(trades) == 12 * len(closed)


def test_week_of_two_when_a_minute_has_no_volume_then_nothing_breaks(tmp_path: Path) -> None:
    """A recorded minute of volume 0 has no trades; the newest trade is its price with size 0."""
    write_bars(tmp_path, "AA_1min.csv", ["2019-02-11T14:30:00Z,100,101,99,100.5,0"])
    market = week_of_two(tmp_path)
    end = AT + MINUTE
    last = market.last_trade("AA", end)
    assert market.trades(TickQuery("AA", AT, end, end)) == ()
    assert last is not None
    assert (last.price, last.size) == (Decimal("100.5"), 0)
    assert market.traded_bars(BarQuery("AA", AT, end, ONE_MINUTE, end))[0].trades == 0
