"""Bars in today's shares: what `adjustment=split` and `all` ask for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.exchange_sim.market.port import ONE_DAY, BarQuery, BarUnit, Timeframe, TradedBar
from services.exchange_sim.market.rebased import RebasedMarket
from services.exchange_sim.market.seeded import SEEDED_BEGINS_AT
from services.exchange_sim.movements import SplitRecord
from services.exchange_sim.splits import FileSplit
from tests.support.bar_texts import minutes_from, replay_of, seeded, write_bars

pytestmark = pytest.mark.unit
FOUR = Decimal(4)


def _query(symbol: str, now: datetime, timeframe: Timeframe = ONE_DAY) -> BarQuery:
    return BarQuery(symbol, now - timedelta(days=9), now, timeframe, now)


def _days(market: RebasedMarket, symbol: str, now: datetime) -> list[TradedBar]:
    return list(market.traded_bars(_query(symbol, now)))


def _adjusted_days(market: RebasedMarket, symbol: str, now: datetime) -> list[TradedBar]:
    return list(market.adjusted_bars(_query(symbol, now)))


def _assert_quartered(raw: TradedBar, adjusted: TradedBar) -> None:
    assert abs(adjusted.candle.close * FOUR - raw.candle.close) <= Decimal("0.02")
    assert adjusted.candle.volume == raw.candle.volume * FOUR
    assert adjusted.turnover == raw.turnover
    assert abs(adjusted.average_price * FOUR - raw.average_price) < Decimal("0.01")


def test_bars_when_the_files_know_a_split_then_older_ones_are_in_todays_shares(
    tmp_path: Path,
) -> None:
    """The day before a four for one shows a quarter of its price and four times its volume; the
    day of the split, and the view from before it, stay raw.
    """
    rows = [
        *minutes_from("2019-02-11T14:30:00+00:00", 9, "400.00"),
        *minutes_from("2019-02-12T14:30:00+00:00", 9, "100.00"),
    ]
    write_bars(tmp_path, "AA_1min.csv", rows)
    split = FileSplit("AA", date(2019, 2, 11), FOUR)
    market = RebasedMarket(replay_of(tmp_path), (split,))
    now = datetime(2019, 2, 12, 15, 0, tzinfo=UTC)

    before, after = _days(market, "AA", now)
    adjusted_before, adjusted_after = _adjusted_days(market, "AA", now)

    _assert_quartered(before, adjusted_before)
    assert adjusted_after == after
    assert _adjusted_days(market, "AA", now - timedelta(days=1)) == [before]


def test_bars_when_a_split_was_declared_then_older_ones_are_in_todays_shares() -> None:
    """A split that the market's prices know nothing of: bars from then on are converted already."""
    market = RebasedMarket(seeded(1, "AAPL"))
    at = SEEDED_BEGINS_AT + timedelta(days=3)
    market.declare([SplitRecord(1, "AAPL", at, FOUR, declared=True)])
    now = at + timedelta(days=3)

    days, adjusted = _days(market, "AAPL", now), _adjusted_days(market, "AAPL", now)

    _assert_quartered(days[0], adjusted[0])
    assert adjusted[-1] == days[-1]


@pytest.mark.parametrize("newest_first", [False, True])
def test_week_when_a_split_lies_within_then_its_days_are_adjusted_before_they_are_merged(
    tmp_path: Path, newest_first: bool
) -> None:
    """The week's open is in today's shares and its close stays: no price of a fourth anywhere."""
    rows = [
        *minutes_from("2019-02-11T14:30:00+00:00", 9, "400.00"),
        *minutes_from("2019-02-12T14:30:00+00:00", 9, "100.00"),
    ]
    write_bars(tmp_path, "AA_1min.csv", rows)
    split = FileSplit("AA", date(2019, 2, 11), FOUR)
    market = RebasedMarket(replay_of(tmp_path), (split,))
    now = datetime(2019, 2, 12, 15, 0, tzinfo=UTC)
    query = replace(_query("AA", now, Timeframe(1, BarUnit.WEEK)), limit=1)
    days = _adjusted_days(market, "AA", now)

    (week,) = market.adjusted_bars(replace(query, newest_first=newest_first))

    assert week.candle.open == days[0].candle.open
    assert week.candle.low == min(day.candle.low for day in days)
    assert week.candle.high == max(day.candle.high for day in days)
    assert week.candle.volume == sum(day.candle.volume for day in days)


def test_day_when_a_declared_split_begins_with_its_opening_then_is_in_the_new_shares(
    tmp_path: Path,
) -> None:
    """A daily bar and the minutes of its day speak of one kind of share."""
    rows = [
        *minutes_from("2019-02-11T14:30:00+00:00", 9, "400.00"),
        *minutes_from("2019-02-12T14:30:00+00:00", 9, "400.00"),
    ]
    write_bars(tmp_path, "AA_1min.csv", rows)
    market = RebasedMarket(replay_of(tmp_path))
    at = datetime(2019, 2, 12, 14, 30, tzinfo=UTC)
    market.declare([SplitRecord(1, "AA", at, FOUR, declared=True)])
    now = at + timedelta(hours=1)

    before, after = _days(market, "AA", now)
    (week,) = market.traded_bars(_query("AA", now, Timeframe(1, BarUnit.WEEK)))

    assert (before.candle.open, after.candle.open) == (Decimal(400), Decimal(100))
    assert (week.candle.open, week.candle.close) == (before.candle.open, after.candle.close)
