"""Bars in today's shares: what `adjustment=split` and `all` ask for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.exchange_sim.market.port import ONE_DAY, BarQuery, TradedBar
from services.exchange_sim.market.rebased import RebasedMarket
from services.exchange_sim.market.seeded import SEEDED_BEGINS_AT
from services.exchange_sim.movements import SplitRecord
from services.exchange_sim.splits import FileSplit
from tests.support.bar_texts import minutes_from, replay_of, seeded, write_bars

pytestmark = pytest.mark.unit
FOUR = Decimal(4)


def _days(market: RebasedMarket, symbol: str, now: datetime) -> list[TradedBar]:
    query = BarQuery(symbol, now - timedelta(days=9), now, ONE_DAY, now)
    return list(market.traded_bars(query))


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

    _assert_quartered(before, market.adjusted(before, now))
    assert market.adjusted(after, now) == after
    assert market.adjusted(before, now - timedelta(days=1)) == before


def test_bars_when_a_split_was_declared_then_older_ones_are_in_todays_shares() -> None:
    """A split that the market's prices know nothing of: bars from then on are converted already."""
    market = RebasedMarket(seeded(1, "AAPL"))
    at = SEEDED_BEGINS_AT + timedelta(days=3)
    market.declare([SplitRecord(1, "AAPL", at, FOUR, declared=True)])
    now = at + timedelta(days=3)

    days = _days(market, "AAPL", now)

    _assert_quartered(days[0], market.adjusted(days[0], now))
    assert market.adjusted(days[-1], now) == days[-1]
