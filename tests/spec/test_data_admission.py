"""What may enter the store, how a gap is filled, and how often REST is asked instead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.data_daemon.plan import (
    FAILED_TRIES_MAX,
    GAP_MARGIN,
    POLL_CLOSED_S,
    POLL_S,
    POLL_SHARE,
    POLL_UNLIMITED_S,
    Admission,
    FeedFacts,
    MarketFacts,
    Verdict,
    gap_since,
    judge_feed,
    judge_health,
    poll_pause_s,
)
from services.data_daemon.sink import StoreSink
from shared.models.broker import ClockReading
from shared.models.market import Candle, Quote
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
OPEN = ClockReading(NOW, True, NOW + timedelta(days=1), NOW + timedelta(hours=6))
PRICE = Decimal("10.25")


def candle(seconds: float = -60, symbol: str = "SPY") -> Candle:
    start = NOW + timedelta(seconds=seconds)
    return Candle(symbol, start, PRICE, PRICE, PRICE, PRICE, 1)


def quote(seconds: float = 0, symbol: str = "SPY") -> Quote:
    return Quote(symbol, NOW + timedelta(seconds=seconds), PRICE, PRICE)


@pytest.mark.parametrize(
    ("item", "speed", "word"),
    [
        (candle(), 1.0, None),
        (candle(-60_000), 1.0, None),
        (candle(0), 1.0, "future"),
        (candle(0), 60.0, None),
        (candle(120), 60.0, "future"),
        (candle(60 * 60 * 24 * 365 * 70), 60.0, "future"),
        (candle(-90), 1.0, "within a minute"),
        (candle(-60, "ZZZ"), 1.0, "nobody"),
        (quote(4.9), 1.0, None),
        (quote(5.1), 1.0, "future"),
        (quote(-9, "ZZZ"), 1.0, "nobody"),
    ],
)
def test_item_when_it_comes_then_admitted_by_the_table(
    item: Candle | Quote, speed: float, word: str | None
) -> None:
    """Strangers, half minutes and the future stay outside."""
    refusal = Admission(frozenset({"SPY"}), NOW, speed).refusal(item)
    assert (refusal is None) if word is None else (word in str(refusal))


def test_sink_when_future_items_come_then_counted_and_no_age_is_made_young() -> None:
    """A bar from the future must not make a dead feed look alive for years."""
    sink = StoreSink(ManualClock())
    far = 60.0 * 60 * 24 * 365
    for item in (candle(far), candle(), candle(-120)):
        sink.candle("bars", item)
    sink.quote("quotes", quote(far))
    batch = sink.take(Admission(frozenset({"SPY"}), NOW, 1.0))
    assert batch.candles == (candle(), candle(-120))
    assert batch.quotes == ()
    assert sink.last_at("bars") == NOW
    assert sink.last_at("quotes") is None
    assert sink.counts["dropped moment in the future"] == 2


@pytest.mark.parametrize(
    ("last_s", "since_s"),
    [(None, None), (-90, -90 - 300), (0, -300), (-86_400, -86_400 - 300), (-86_401, None),
     (61, None)],
)  # fmt: skip
def test_gap_when_filled_then_from_the_newest_bar_less_a_margin(
    last_s: float | None, since_s: float | None
) -> None:
    """Far gaps, and a newest bar from the future, mean all of the history."""
    last_at = None if last_s is None else NOW + timedelta(seconds=last_s)
    expected = None if since_s is None else NOW + timedelta(seconds=since_s)
    assert gap_since(last_at, NOW) == expected
    assert timedelta(seconds=300) == GAP_MARGIN


@given(st.integers(1, 5_000), st.integers(10, 10_000))
def test_poll_when_paced_then_within_its_share_of_the_budget(symbols: int, reads: int) -> None:
    """However many symbols, polling leaves the other half of the reads to history and clock."""
    pause_s = poll_pause_s(symbols, reads, is_open=True)
    calls = 2 * -(-symbols // 100)
    assert pause_s >= POLL_S
    assert calls * 60 / pause_s <= reads * POLL_SHARE + 1e-6
    assert poll_pause_s(symbols, None, is_open=True) == POLL_UNLIMITED_S
    assert poll_pause_s(symbols, reads, is_open=False) == POLL_CLOSED_S


def test_feed_when_rest_brings_what_the_stream_does_not_then_live_and_says_so() -> None:
    """Polled data is judged by its age as any other; a connection's age counts for nothing."""
    facts = FeedFacts("quotes", "down", "refused", NOW - timedelta(seconds=9), is_polled=True)
    market = MarketFacts(OPEN, NOW - timedelta(hours=1), None, 1.0, 3)
    verdict = judge_feed(facts, market)
    assert verdict.state == "live"
    assert "REST" in verdict.reason
    assert "refused" in verdict.reason
    old = FeedFacts("quotes", "down", "refused", NOW - timedelta(seconds=99), is_polled=True)
    assert judge_feed(old, market).state == "stale"
    alone = FeedFacts("quotes", "down", "refused", NOW - timedelta(seconds=9))
    assert judge_feed(alone, market).state == "down"


@pytest.mark.parametrize(("tries", "health"), [(0, "OK"), (9, "OK"), (10, "DEGRADED")])
def test_health_when_stream_fails_again_and_again_then_degraded_after_ten(
    tries: int, health: str
) -> None:
    """While REST brings fresh prices ten failed tries in a row are told, fewer are not."""
    live = [Verdict(feed, "live", "by REST", NOW) for feed in ("quotes", "bars")]
    market = MarketFacts(OPEN, NOW, None, 1.0, tries)
    word, reason = judge_health(live, market, None)
    assert word == health
    assert FAILED_TRIES_MAX == 10
    assert str(tries) in reason or health == "OK"


@pytest.mark.parametrize(
    ("state", "health"),
    [("connecting", "OK"), ("live", "OK"), ("stale", "DEGRADED"), ("down", "DEGRADED")],
)
def test_health_when_flow_is_only_on_its_way_then_ok(state: str, health: str) -> None:
    """The start does not wait for option flow; a feed that is lost is told."""
    verdicts = [Verdict("quotes", "live", "", NOW), Verdict("flow", state, "because", None)]
    assert judge_health(verdicts, MarketFacts(OPEN, NOW, NOW, 1.0), None)[0] == health
