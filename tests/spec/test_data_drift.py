"""Prices that break their contract: one bad item is dropped, a broken contract is said."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from services.data_daemon.plan import (
    BARS,
    DRIFT_ITEMS_MAX,
    DRIFT_WINDOW_S,
    DRIFTS_MIN,
    LIVE,
    QUOTES,
    FeedFacts,
    MarketFacts,
    judge_feeds,
)
from services.data_daemon.sink import StoreSink
from shared.models.broker import ClockReading
from shared.models.market import FEED_DRIFT, Quote
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
OPEN = ClockReading(NOW, True, NOW.replace(day=6), NOW.replace(hour=21))


class Drifting:
    """A sink whose doors drop what they cannot read."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sink = StoreSink(self.clock)

    def broken(self, items: int, door: str = "alpaca_rest") -> None:
        for _ in range(items):
            self.sink.dropped(door, "quotes is not a price", "quotes.SPY.bp: None")

    def whole(self, items: int) -> None:
        for _ in range(items):
            self.sink.quote(QUOTES, Quote("SPY", NOW, Decimal(100), Decimal(101)))

    def states(self) -> set[tuple[str, str]]:
        """State and reason of both price feeds, which bring something every second."""
        facts = [FeedFacts(feed, LIVE, "", NOW) for feed in (BARS, QUOTES)]
        market = MarketFacts(OPEN, NOW, NOW, 1.0)
        return {
            (one.state, one.reason) for one in judge_feeds(facts, market, (), self.sink.drift())
        }


@pytest.mark.parametrize("door", ["alpaca_rest", "alpaca_stream"])
def test_feeds_when_items_break_their_contract_again_and_again_then_both_drift(door: str) -> None:
    """Who trades by what is left would trade by a market that is otherwise (rule 21)."""
    feeds = Drifting()
    feeds.whole(50)
    feeds.broken(DRIFTS_MIN - 1, door)
    assert feeds.states() == {(LIVE, "")}

    feeds.broken(1, door)

    assert feeds.states() == {(FEED_DRIFT, f"{door}: quotes is not a price")}


def test_feeds_when_bad_items_are_rare_then_they_stay_live() -> None:
    """One bad item among hundreds is dropped and forgotten: it never stops a market."""
    feeds = Drifting()
    for _ in range(10):
        feeds.broken(1)
        feeds.whole(DRIFT_ITEMS_MAX)
        assert feeds.states() == {(LIVE, "")}


@pytest.mark.parametrize("heals", ["by time", "by whole items"])
def test_feeds_when_the_contract_holds_again_then_they_are_live_again(heals: str) -> None:
    """No hand is needed."""
    feeds = Drifting()
    feeds.broken(DRIFTS_MIN)
    if heals == "by time":
        feeds.clock.advance(DRIFT_WINDOW_S + 1)
    else:
        feeds.whole(DRIFT_ITEMS_MAX + 1)

    assert feeds.states() == {(LIVE, "")}


@pytest.mark.parametrize("door", ["flow", "calendar"])
def test_feeds_when_something_else_breaks_then_prices_do_not_drift(door: str) -> None:
    """Option flow and calendar tell nothing of a price."""
    feeds = Drifting()
    feeds.broken(DRIFTS_MIN * 2, door)

    assert feeds.states() == {(LIVE, "")}
