"""The seeded market: same seed, same prices, in any order of asking; lively enough to trade."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.exchange_sim.market.port import (
    ONE_DAY,
    ONE_MINUTE,
    BarClosed,
    BarOpened,
    BarQuery,
    Market,
    MarketEvent,
    QuoteTick,
    SessionClosed,
    SessionOpened,
    TradeTick,
)
from services.exchange_sim.market.seeded import SEEDED_BEGINS_AT, SeededMarket
from services.exchange_sim.market.seeded_path import DEFAULT_SYMBOLS, SeededPath
from services.exchange_sim.market.timeframe import parse_timeframe
from services.trading_bot.strategies.momentum import Momentum
from shared.models.market import Candle, CandleBuffer
from shared.models.portfolio import Position
from shared.models.signals import Signal
from shared.ports import MarketSnapshot, PortfolioView
from tests.support.bar_texts import seeded

pytestmark = pytest.mark.unit

BEGIN = SEEDED_BEGINS_AT
MINUTE = timedelta(minutes=1)
MIDNIGHT = datetime(2026, 1, 6, 5, 0, tzinfo=UTC)
SEEDS = st.integers(0, 2**63)


def minutes_of(market: Market, symbol: str, count: int, now: datetime) -> tuple[Candle, ...]:
    """Return the last `count` finished minutes."""
    return market.bars(BarQuery(symbol, now - count * MINUTE, now, ONE_MINUTE, now))


def test_market_when_opened_then_always_open_with_the_default_symbols() -> None:
    """A dozen liquid names, no end, and nothing to skip."""
    market = seeded(1)
    assert market.symbols == DEFAULT_SYMBOLS
    assert len(market.symbols) == 12
    assert market.ends_at is None
    assert not market.has_ended(BEGIN + timedelta(days=4000))
    assert market.clock(BEGIN + timedelta(days=5, hours=9)).is_open
    assert market.skip_closed(BEGIN) == BEGIN
    assert market.identity != seeded(2).identity


def test_history_when_new_then_is_already_there() -> None:
    """Warm indicators from the first minute: 300 minutes, and 30 finished days."""
    market = seeded(1, "AAPL")
    assert len(minutes_of(market, "AAPL", 300, BEGIN)) == 300
    since = BEGIN - timedelta(days=31)
    days = market.bars(BarQuery("AAPL", since, BEGIN, ONE_DAY, BEGIN))
    assert len(days) == 31
    assert days[-2].close == market.prior_close("AAPL", BEGIN)
    assert market.bars(BarQuery("ZZZ", since, BEGIN, ONE_DAY, BEGIN)) == ()


@given(SEEDS, st.integers(0, 500_000), st.permutations(range(6)))
@settings(max_examples=30)
def test_prices_when_asked_in_any_order_then_are_the_same(
    seed: int, offset: int, order: list[int]
) -> None:
    """Two markets of one seed agree, whatever each was asked before."""
    moments = [BEGIN + timedelta(minutes=offset + 37 * number) for number in range(6)]
    one, other = seeded(seed, "AAPL", "XYZ"), seeded(seed, "XYZ", "AAPL")
    straight = [one.minute_after(moment) for moment in moments]
    shuffled = {place: other.minute_after(moments[place]) for place in order}
    assert straight == [shuffled[place] for place in range(6)]


@given(SEEDS, st.sampled_from(["AAPL", "BAC", "XYZ"]), st.integers(0, 10**7))
@settings(max_examples=50)
def test_path_at_any_hour_then_bars_are_sane_and_continuous(
    seed: int, symbol: str, hour: int
) -> None:
    """Positive prices, high and low around open and close, no gap between minutes."""
    path = SeededPath(seed, symbol)
    first = hour * 60
    bars = [path.minute(minute) for minute in range(first, first + 121)]
    for before, bar in pairwise(bars):
        assert bar.open == before.close
    for bar in bars:
        assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume > 0


@given(SEEDS, st.integers(0, 10**8))
@settings(max_examples=100)
def test_ticks_of_a_minute_then_make_exactly_its_bar(seed: int, minute: int) -> None:
    """First tick is the open, last the close, and between them high and low are touched."""
    path = SeededPath(seed, "AAPL")
    bar = path.minute(minute)
    ticks = [path.tick(minute, number) for number in range(12)]
    assert (ticks[0], ticks[-1]) == (bar.open, bar.close)
    assert (min(ticks), max(ticks)) == (bar.low, bar.high)


def test_events_of_a_minute_then_ticks_quotes_and_the_bar_they_make() -> None:
    """Twelve ticks five seconds apart, each with its quote, then the bar and its closing quote."""
    market = seeded(1, "AAPL")
    events = [*market.first_events(), *market.events(BEGIN, BEGIN + MINUTE)]
    begun, rest = events[:3], events[3:-4]
    assert [type(event) for event in begun] == [SessionOpened, BarOpened, QuoteTick]
    assert [type(event) for event in rest] == [TradeTick, QuoteTick] * 11
    assert [type(event) for event in events[-4:]] == [BarClosed, QuoteTick, BarOpened, QuoteTick]
    assert [event.at for event in events] == sorted(event.at for event in events)
    closed = events[-4]
    step = market.minute_after(None)
    assert isinstance(closed, BarClosed)
    assert step is not None
    assert step.candles == (closed.candle,)
    assert step.opens_session


@given(st.lists(st.integers(1, 400), min_size=1, max_size=8))
@settings(max_examples=25)
def test_events_when_cut_anywhere_then_the_pieces_are_the_whole(cuts: list[int]) -> None:
    """The engine's pace changes nothing: no tick is lost or doubled at a seam."""
    market = seeded(3, "AAPL", "MSFT")
    at = BEGIN
    pieces: list[MarketEvent] = []
    for seconds in cuts:
        pieces.extend(market.events(at, at + timedelta(seconds=seconds)))
        at += timedelta(seconds=seconds)
    assert tuple(pieces) == market.events(BEGIN, at)


def test_next_event_when_asked_then_is_the_next_tick() -> None:
    """Between ticks nothing happens."""
    market = seeded(1, "AAPL")
    at = BEGIN + timedelta(seconds=7)
    upcoming = market.next_event_at(at)
    assert upcoming == BEGIN + timedelta(seconds=10)
    assert not market.events(at, upcoming - timedelta(milliseconds=1))
    assert market.events(at, upcoming)


def test_new_york_midnight_when_passed_then_one_session_ends_and_another_begins() -> None:
    """Trading days change although the market never closes; day orders can expire."""
    market = seeded(1, "AAPL")
    events = market.events(MIDNIGHT - MINUTE / 60, MIDNIGHT)
    kinds = [type(event) for event in events]
    ending = [BarClosed, QuoteTick, SessionClosed]
    assert kinds == [*ending, SessionOpened, BarOpened, QuoteTick]
    last, first = market.minute_after(MIDNIGHT - 2 * MINUTE), market.minute_after(MIDNIGHT - MINUTE)
    assert last is not None
    assert first is not None
    assert (last.closes_session, first.opens_session) == (True, True)
    assert isinstance(last.events[-1], SessionClosed)
    assert isinstance(first.events[0], SessionOpened)


def test_daily_bar_when_the_day_is_over_then_is_the_sum_of_its_minutes() -> None:
    """History in days and history in minutes tell the same story, today's running bar too."""
    market = seeded(1, "TSLA")
    now = MIDNIGHT + timedelta(hours=25, minutes=30)
    days = market.bars(BarQuery("TSLA", MIDNIGHT, now, ONE_DAY, now))
    minutes = market.bars(BarQuery("TSLA", MIDNIGHT, now, ONE_MINUTE, now))
    hours = market.bars(BarQuery("TSLA", MIDNIGHT, now, parse_timeframe("1Hour"), now))
    assert (len(days), len(hours), len(minutes)) == (2, 26, 24 * 60 + 90)
    for day, part in zip(days, (minutes[: 24 * 60], minutes[24 * 60 :]), strict=True):
        assert (day.open, day.close) == (part[0].open, part[-1].close)
        assert day.high == max(bar.high for bar in part)
        assert day.low == min(bar.low for bar in part)
        assert day.volume == sum(bar.volume for bar in part)


def test_bars_when_asked_for_the_future_then_end_at_now() -> None:
    """The running minute is hidden; a page ends at its limit."""
    market = seeded(1, "AAPL")
    now = BEGIN + timedelta(minutes=10, seconds=30)
    query = BarQuery("AAPL", BEGIN, BEGIN + timedelta(days=1), ONE_MINUTE, now)
    bars = market.bars(query)
    assert len(bars) == 10
    page = BarQuery("AAPL", BEGIN, now, ONE_MINUTE, now, limit=3)
    assert market.bars(page) == bars[:3]


def test_quote_when_asked_then_stands_around_the_last_trade() -> None:
    """Two basis points wide, at most one tick off; nothing for a foreign symbol."""
    market = seeded(1, "AAPL")
    now = BEGIN + timedelta(seconds=33)
    quote, trade = market.quote("AAPL", now), market.last_trade("AAPL", now)
    assert quote is not None
    assert trade is not None
    assert quote.at == trade.at == BEGIN + timedelta(seconds=30)
    assert quote.bid <= trade.price <= quote.ask
    assert Decimal(1) < quote.spread_bps < Decimal(3)
    assert market.quote("ZZZ", now) is None
    assert market.last_trade("ZZZ", now) is None
    assert market.prior_close("ZZZ", now) is None


@pytest.mark.parametrize("seed", range(1, 9))
def test_market_when_momentum_trades_for_an_hour_then_it_enters_and_exits(seed: int) -> None:
    """One real minute at the usual speed shows entries and exits, whatever the seed."""
    entries, exits = _trade_one_hour(seeded(seed), Momentum())
    assert entries >= 5
    assert exits >= 3


def _trade_one_hour(market: Market, strategy: Momentum) -> tuple[int, int]:
    """Let the product's own strategy trade sixty minutes; return (entries, exits)."""
    assert isinstance(market, SeededMarket)
    buffers = {symbol: CandleBuffer(symbol, 240, 30) for symbol in market.symbols}
    for symbol, buffer in buffers.items():
        for candle in minutes_of(market, symbol, 60, BEGIN):
            buffer.add(candle)
    held: dict[str, tuple[Signal, datetime]] = {}
    entries = exits = 0
    minute: datetime | None = None
    for _ in range(60):
        step = market.minute_after(minute)
        assert step is not None
        minute = step.minute
        for candle in step.candles:
            buffers[candle.symbol].add(candle)
            if candle.symbol in held and _leaves(strategy, held[candle.symbol], candle, buffers):
                del held[candle.symbol]
                exits += 1
        quotes = {symbol: market.quote(symbol, step.end) for symbol in market.symbols}
        known = {symbol: quote for symbol, quote in quotes.items() if quote is not None}
        portfolio = PortfolioView(Decimal(100_000), {}, frozenset(held))
        for signal in strategy.decide(MarketSnapshot(step.end, buffers, known), portfolio):
            held[signal.symbol] = (signal, step.end)
            entries += 1
    return entries, exits


def _leaves(
    strategy: Momentum,
    entry: tuple[Signal, datetime],
    candle: Candle,
    buffers: dict[str, CandleBuffer],
) -> bool:
    signal, since = entry
    if candle.low <= signal.stop_price or candle.high >= signal.target_price:
        return True
    position = Position(candle.symbol, Decimal(1), signal.entry_price, opened_at=since)
    return bool(strategy.exit_reason(position, buffers[candle.symbol], candle.start + MINUTE))
