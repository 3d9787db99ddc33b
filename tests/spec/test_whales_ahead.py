"""Flow that is made ahead, minute by minute: nothing is told that would not be told without it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.market.port import ONE_MINUTE, BarQuery, Market
from services.exchange_sim.market.seeded import SEEDED_BEGINS_AT
from services.exchange_sim.steps import at_once
from services.exchange_sim.unusual_whales.feed import Stretch, WhaleFeed
from services.exchange_sim.unusual_whales.flow import DarkPrint, FlowAlert
from tests.support.bar_texts import seeded

pytestmark = pytest.mark.unit
BEGIN = SEEDED_BEGINS_AT
MINUTE = timedelta(minutes=1)
SYMBOLS = ("AAPL", "SPY")
ALL = Stretch(SYMBOLS, 500)


def told(feed: WhaleFeed, now: datetime) -> tuple[list[FlowAlert], list[DarkPrint]]:
    """Return every alert and print of the session so far."""
    alerts = at_once(feed.alerts(ALL, now, lambda _: True))
    return alerts, at_once(feed.prints(ALL, now, lambda _: True))


def test_flow_when_made_ahead_then_told_as_if_it_had_not_been() -> None:
    """Minute by minute over an hour's edge, or all at the question: the same alerts and prints."""
    market: Market = seeded(3, *SYMBOLS)
    ahead, late = WhaleFeed(market, 1), WhaleFeed(market, 1)
    begun = BEGIN + 40 * MINUTE
    assert told(ahead, begun) == told(WhaleFeed(market, 1), begun)
    for count in range(1, 41):
        ahead.foresee(begun + count * MINUTE)

    now = begun + 40 * MINUTE

    assert told(ahead, now) == told(late, now)
    # Not even what was made ahead shows before its time.
    assert told(ahead, begun + MINUTE / 2) == told(WhaleFeed(market, 1), begun + MINUTE / 2)


def test_day_volume_when_hours_have_passed_then_all_shares_up_to_the_print() -> None:
    """Counted anew from the bars: whole hours, and the last one up to the print's own minute."""
    market: Market = seeded(3, *SYMBOLS)
    feed, now = WhaleFeed(market, 1), BEGIN + 150 * MINUTE
    _, prints = told(feed, now)
    assert len({one.executed_at.hour for one in prints}) >= 2
    for one in prints:
        session = market.session(new_york_day(one.executed_at))
        assert session is not None
        query = BarQuery(one.ticker, session.opens_at, one.executed_at, ONE_MINUTE, now)
        traded = sum(bar.volume for bar in market.bars(query))
        assert feed.day_volume(one, now) == traded
