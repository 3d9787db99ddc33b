"""Prices over a split: the market stands behind its splits, shares and prices change together."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from services.exchange_sim.market.port import (
    ONE_MINUTE,
    BarClosed,
    BarOpened,
    BarQuery,
    Market,
    MarketEvent,
    QuoteTick,
    SessionOpened,
    TickQuery,
    TradeTick,
)
from services.exchange_sim.market.rebased import RebasedMarket, rebased
from services.exchange_sim.market.seeded import SeededMarket
from services.exchange_sim.movements import SplitRecord
from services.exchange_sim.splits import FileSplit

pytestmark = pytest.mark.unit
FOUR = Decimal(4)
ONE_DAY = timedelta(days=1)


def seeded() -> SeededMarket:
    """Return a small market without files."""
    return SeededMarket(1, ("AAPL", "SPY"), Decimal(2))


def price_of(event: MarketEvent) -> Decimal | None:
    """Return the price that an event tells of AAPL."""
    if isinstance(event, QuoteTick):
        return event.quote.bid if event.quote.symbol == "AAPL" else None
    if isinstance(event, BarClosed):
        return event.candle.close if event.candle.symbol == "AAPL" else None
    if isinstance(event, BarOpened | TradeTick):
        return event.price if event.symbol == "AAPL" else None
    return None


def declared_at(at: datetime) -> RebasedMarket:
    """Return a market in which AAPL splits four for one at that moment."""
    market = RebasedMarket(seeded())
    market.declare([SplitRecord(1, "AAPL", at, FOUR, declared=True)])
    return market


def test_market_when_nothing_splits_then_it_answers_as_before() -> None:
    """Without a split every answer is the market's own."""
    plain, behind = seeded(), rebased(seeded())
    now = plain.begins_at + timedelta(minutes=3)

    assert rebased(behind) is behind
    assert behind.events(plain.begins_at, now) == plain.events(plain.begins_at, now)
    assert behind.quote("SPY", now) == plain.quote("SPY", now)
    assert behind.last_trade("SPY", now) == plain.last_trade("SPY", now)
    assert behind.prior_close("SPY", now) == plain.prior_close("SPY", now)
    assert behind.minute_after(None) == plain.minute_after(None)


def test_market_when_a_split_is_declared_over_night_then_prices_turn_with_the_opening() -> None:
    """Up to the opening the old price, from it on a quarter: every event on its own side."""
    plain = seeded()
    opening = plain.clock(plain.begins_at).next_open
    market = declared_at(opening)
    stretch = (opening - timedelta(minutes=2), opening + timedelta(minutes=2))

    opened = False
    pairs = zip(plain.events(*stretch), market.events(*stretch), strict=True)
    ratios = set()
    for raw, seen in pairs:
        opened = opened or isinstance(raw, SessionOpened)
        before, after = price_of(raw), price_of(seen)
        if before is not None and after is not None:
            ratios.add((opened or raw.at > opening, round(before / after)))

    assert opened
    assert ratios >= {(False, 1), (True, 4)}
    assert {ratio for was_open, ratio in ratios if not was_open} == {1}


def test_market_when_a_split_is_behind_then_every_look_shows_the_new_shares() -> None:
    """Quote, trade and prior close are those of the new shares; bars stay as traded."""
    plain = seeded()
    at = plain.begins_at + timedelta(minutes=30)
    now = at + timedelta(minutes=30)
    market = declared_at(at)

    def number(source: Market, name: str, moment: datetime) -> Decimal:
        quote, trade = source.quote("AAPL", moment), source.last_trade("AAPL", moment)
        close = source.prior_close("AAPL", moment)
        assert quote is not None
        assert trade is not None
        assert close is not None
        return {"quote": quote.bid, "last_trade": trade.price, "prior_close": close}[name]

    def ratio(name: str, moment: datetime) -> int:
        return round(number(plain, name, moment) / number(market, name, moment))

    for name in ("quote", "last_trade", "prior_close"):
        assert ratio(name, at - timedelta(seconds=1)) == 1
        assert ratio(name, now) == 4
    query = BarQuery("AAPL", plain.begins_at, now, ONE_MINUTE, now)
    pairs = zip(plain.bars(query), market.bars(query), strict=True)
    turned = [round(raw.close / seen.close) for raw, seen in pairs]
    assert (turned[0], turned[-1]) == (1, 4)
    assert sorted(turned) == turned
    traded = market.traded_bars(query)
    assert [bar.candle for bar in traded] == list(market.bars(query))
    ticks = TickQuery("AAPL", plain.begins_at, now, now)
    for raw_ticks, seen_ticks in (
        ([one.price for one in plain.trades(ticks)], [one.price for one in market.trades(ticks)]),
        ([one.bid for one in plain.quotes(ticks)], [one.bid for one in market.quotes(ticks)]),
    ):
        assert round(raw_ticks[0] / seen_ticks[0]) == 1
        assert round(raw_ticks[-1] / seen_ticks[-1]) == 4
    step = market.minute_after(now)
    raw_step = plain.minute_after(now)
    assert step is not None
    assert raw_step is not None
    assert round(raw_step.candles[0].close / step.candles[0].close) == 4


def test_market_when_files_know_a_split_then_only_older_prices_are_converted() -> None:
    """A recorded market's own prices jump: what was traded before is shown in new shares, what
    is traded after is left; the split is due between the two sessions and never again.
    """
    plain = seeded()
    day = date(2026, 1, 5)
    market = RebasedMarket(plain, [FileSplit("AAPL", day, FOUR), FileSplit("ZZZ", day, FOUR)])
    opening = plain.clock(plain.begins_at).next_open
    later = opening + timedelta(hours=1)

    assert [one.symbol for one in market.due("2026-01-05", day + ONE_DAY)] == ["AAPL"]
    assert market.due("2026-01-06", day + 2 * ONE_DAY) == []
    assert market.due("", day + ONE_DAY) == []
    today, close = plain.last_trade("AAPL", later), plain.prior_close("AAPL", later)
    assert market.last_trade("AAPL", later) == today
    seen = market.prior_close("AAPL", later)
    assert seen is not None
    assert close is not None
    assert round(close / seen) == 4
    evening = opening - timedelta(hours=1)
    assert market.last_trade("AAPL", evening) == plain.last_trade("AAPL", evening)
    assert market.events(evening, later) == plain.events(evening, later)


def test_minute_when_foreseen_then_it_is_told_as_if_it_had_not_been() -> None:
    """Looking ahead shows nothing else: the same minutes; a split in between counts."""
    plain, market = seeded(), RebasedMarket(seeded())
    first = plain.minute_after(None)
    assert first is not None
    market.foresee(None)
    assert market.minute_after(None) == first
    market.foresee(first.minute)
    assert market.minute_after(None) == first

    market.foresee(first.minute)
    market.declare([SplitRecord(1, "AAPL", first.end, FOUR, declared=True)])

    step, raw_step = market.minute_after(first.minute), plain.minute_after(first.minute)
    assert step is not None
    assert raw_step is not None
    assert round(raw_step.candles[0].close / step.candles[0].close) == 4
