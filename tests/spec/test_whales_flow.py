"""Unusual Whales' flow: it follows the market's prices, adds up, and shows nothing early."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.exchange_sim.market.port import Market
from services.exchange_sim.market.seeded import SEEDED_BEGINS_AT
from services.exchange_sim.steps import at_once
from services.exchange_sim.unusual_whales.budget import WHALE_PLANS, Budget, WhalePlan
from services.exchange_sim.unusual_whales.contracts import (
    OptionContract,
    expiry_after,
    strike_near,
    worth,
)
from services.exchange_sim.unusual_whales.feed import Stretch, WhaleFeed
from services.exchange_sim.unusual_whales.flow import DarkPrint, FlowAlert, FlowMinute, minute_end
from services.exchange_sim.unusual_whales.wire import (
    StampForm,
    alert_document,
    alert_message,
    print_document,
    stamp,
    trade_documents,
)
from services.exchange_sim.unusual_whales.wire_days import (
    day_document,
    state_document,
    tick_document,
    tide_documents,
)
from tests.support.bar_texts import minutes_from, replay_of, seeded, write_bars

pytestmark = pytest.mark.unit

BEGIN = SEEDED_BEGINS_AT
NOW = BEGIN + timedelta(hours=6, minutes=10, seconds=7)
LIVE = StampForm.LIVE
AAPL_CALL = OptionContract("AAPL", date(2026, 1, 9), True, Decimal("232.5"))


def feed_of(market: Market, seed: int = 1) -> WhaleFeed:
    return WhaleFeed(market, seed)


def minutes_of(feed: WhaleFeed, symbol: str = "AAPL") -> list[FlowMinute]:
    session = feed.session(NOW)
    assert session is not None
    return list(feed.minutes(symbol, session, NOW))


def any_alert(_: FlowAlert) -> bool:
    return True


def any_print(_: DarkPrint) -> bool:
    return True


@given(st.integers(0, 2**31), st.permutations(range(5)))
@settings(max_examples=15, deadline=None)
def test_flow_when_asked_in_any_order_then_is_the_same(seed: int, order: list[int]) -> None:
    """A restarted exchange tells the same alerts with the same ids."""
    market = seeded(3, "AAPL", "SPY")
    moments = [BEGIN + timedelta(minutes=17 * number, seconds=5) for number in range(1, 6)]
    stretch = Stretch(("AAPL", "SPY"), 20)
    one, other = feed_of(market, seed), feed_of(market, seed)
    straight = [at_once(one.alerts(stretch, moment, any_alert)) for moment in moments]
    shuffled = {place: at_once(other.alerts(stretch, moments[place], any_alert)) for place in order}
    assert straight == [shuffled[place] for place in range(5)]


@pytest.mark.no_cover
def test_alert_when_its_minute_is_not_over_then_is_not_told() -> None:
    """What is told at any moment lies before it, and stays told."""
    feed = feed_of(seeded(1))
    stretch = Stretch(feed.symbols, 10_000)
    known: set[str] = set()
    for second in range(0, 1_800, 37):
        now = NOW + timedelta(seconds=second)
        alerts = at_once(feed.alerts(stretch, now, any_alert))
        assert all(alert.created_at < now for alert in alerts)
        assert known <= {alert.id for alert in alerts}
        known = {alert.id for alert in alerts}
        prints = at_once(feed.prints(stretch, now, any_print))
        assert all(one.executed_at < now for one in prints)
    assert len(known) > 100


@pytest.mark.no_cover
def test_alerts_when_read_with_a_cursor_then_none_is_missed_or_doubled() -> None:
    """newer_than the newest one known gives exactly what came since; older_than pages back."""
    feed = feed_of(seeded(1))
    whole = at_once(feed.alerts(Stretch(feed.symbols, 10_000), NOW, any_alert))
    assert whole == sorted(whole, key=lambda alert: alert.created_at, reverse=True)
    middle = whole[len(whole) // 2].created_at
    newer = at_once(feed.alerts(Stretch(feed.symbols, 10_000, newer_than=middle), NOW, any_alert))
    older = at_once(feed.alerts(Stretch(feed.symbols, 10_000, older_than=middle), NOW, any_alert))
    assert [*newer, whole[len(whole) // 2], *older] == whole
    assert at_once(feed.alerts(Stretch(feed.symbols, 7), NOW, any_alert)) == whole[:7]


def test_minute_when_it_has_an_alert_then_the_alert_is_part_of_its_flow() -> None:
    """No minute has less premium of a kind than its alert; sides never exceed the volume."""
    minutes = minutes_of(feed_of(seeded(1)))
    assert len(minutes) > 900
    for minute in minutes:
        for side in (minute.calls, minute.puts):
            assert min(side.at_ask, side.at_bid) >= 0
            assert side.at_ask + side.at_bid <= side.volume
        if minute.alert is not None:
            side = minute.calls if minute.alert.contract.is_call else minute.puts
            assert side.premium >= minute.alert.premium * Decimal("0.99") - 1_000
        if minute.dark is not None:
            assert minute.candle.low <= minute.dark.price <= minute.candle.high
            assert 0 < minute.dark.size <= minute.candle.volume
    rising = [one for one in minutes if one.candle.close > one.candle.open]
    falling = [one for one in minutes if one.candle.close < one.candle.open]
    assert _mean(rising) > _mean(falling)


def _mean(minutes: Iterable[FlowMinute]) -> Decimal:
    nets = [one.calls.net_premium - one.puts.net_premium for one in minutes if not one.alert]
    return sum(nets, Decimal(0)) / len(nets)


@pytest.mark.no_cover
@pytest.mark.parametrize(("step", "rows"), [(1, 940), (5, 188)])
def test_tide_when_summed_from_the_ticks_of_all_symbols_then_is_the_same(
    step: int, rows: int
) -> None:
    """Ticks are differences, the tide their running sum; volumes of the day are their total."""
    feed = feed_of(seeded(1))
    minutes = [minute for symbol in feed.symbols for minute in minutes_of(feed, symbol)]
    tide = tide_documents(minutes, step, otm_only=False)
    ticks = [tick_document(minute) for minute in minutes]
    day = day_document(minutes, "2026-01-05")
    for kind in ("call", "put"):
        total = sum(Decimal(tick[f"net_{kind}_premium"]) for tick in ticks)
        assert Decimal(tide[-1][f"net_{kind}_premium"]) == total
        assert Decimal(day[f"net_{kind}_premium"]) == total
        assert day[f"{kind}_volume"] == sum(tick[f"{kind}_volume"] for tick in ticks)
    assert len(tide) == rows
    assert tide[0]["timestamp"] == "2026-01-05T00:00:00-05:00"
    narrow = tide_documents(minutes, step, otm_only=True)
    assert narrow[0]["net_call_premium"] != tide[0]["net_call_premium"]


def test_state_of_a_share_then_is_its_session_so_far() -> None:
    """Open, high, low, close and volume of the minutes; nothing before the first one."""
    minutes = minutes_of(feed_of(seeded(1)))
    state = state_document(minutes, Decimal("190.10"))
    assert state is not None
    assert Decimal(state["high"]) == max(minute.candle.high for minute in minutes)
    assert state["total_volume"] == sum(minute.candle.volume for minute in minutes)
    assert (state["prev_close"], state["tape_time"]) == ("190.1", "2026-01-05T20:40:00Z")
    assert state_document([], None) is None


MONEY = ("price", "strike", "total_premium", "total_ask_side_prem", "underlying_price", "bid")


def test_alert_over_both_transports_then_same_facts_in_other_words() -> None:
    """REST: money as strings and `alert_rule`; socket: numbers and `rule_name`; uuid ids; the
    sides add up to the total on both.
    """
    feed = feed_of(seeded(1))
    for alert in at_once(feed.alerts(Stretch(feed.symbols, 100), NOW, any_alert)):
        rest, told = alert_document(alert, LIVE), alert_message(alert)
        assert all(isinstance(rest[name], str) for name in MONEY)
        assert rest["alert_rule"] == told["rule_name"]
        assert "rule_name" not in rest
        assert "alert_rule" not in told
        assert isinstance(told["total_premium"], float)
        assert float(rest["total_premium"]) == told["total_premium"]
        sides = Decimal(rest["total_ask_side_prem"]) + Decimal(rest["total_bid_side_prem"])
        assert sides == Decimal(rest["total_premium"])
        assert str(uuid.UUID(rest["id"])) == rest["id"] == told["id"]
        assert re.fullmatch(r"[A-Z]+\d{6}[CP]\d{8}", rest["option_chain"])
        assert {"iv_start", "iv_end", "sector", "marketcap", "er_time"} <= set(rest)
        assert rest["end_time"] == told["end_time"] > rest["start_time"]
        trades = trade_documents(alert, LIVE)
        assert [trade["id"] for trade in trades] == told["trade_ids"][::-1]
        assert sum(trade["size"] for trade in trades) == rest["total_size"]


def test_stamps_when_written_in_both_forms_then_name_one_moment() -> None:
    """The live form and the form of the specification."""
    at = datetime(2025, 10, 22, 20, 27, 1, 354429, tzinfo=UTC)
    assert stamp(at, LIVE) == "2025-10-22T20:27:01.354429Z"
    assert stamp(at, StampForm.SPEC) == "2025-10-22 20:27:01.354429+00:00"


@pytest.mark.no_cover
def test_dark_print_when_written_then_premium_is_price_times_size() -> None:
    """Some prints are cancelled later: a reader has to drop them."""
    feed = feed_of(seeded(1))
    prints = at_once(feed.prints(Stretch(feed.symbols, 5_000), NOW, any_print))
    for one in prints[:50]:
        document: dict[str, Any] = print_document(one, feed.day_volume(one, NOW))
        assert Decimal(document["premium"]) == Decimal(document["price"]) * document["size"]
        assert Decimal(document["nbbo_bid"]) < Decimal(document["nbbo_ask"])
        assert document["volume"] >= document["size"]
    assert 0 < sum(one.canceled for one in prints) < len(prints) / 10
    assert len({one.tracking_id for one in prints}) == len(prints)


def test_replay_when_the_night_was_closed_then_yesterdays_alerts_are_told(tmp_path: Path) -> None:
    """In market time: nothing between two sessions, and Monday's flow is there on Tuesday."""
    rows = [
        line.rsplit(",", 1)[0] + ",60000"
        for line in (
            *minutes_from("2019-02-11T14:30:00+00:00", 300),
            *minutes_from("2019-02-12T14:30:00+00:00", 60, "110.00"),
        )
    ]
    write_bars(tmp_path, "AA_1min.csv", rows)
    feed = feed_of(replay_of(tmp_path))
    now = datetime(2019, 2, 12, 15, 30, tzinfo=UTC)
    alerts = at_once(feed.alerts(Stretch(("AA",), 1_000), now, any_alert))
    days = {alert.created_at.date() for alert in alerts}
    assert days == {date(2019, 2, 11), date(2019, 2, 12)}
    session = feed.session(now)
    assert session is not None
    assert [minute_end(one) <= now for one in feed.minutes("AA", session, now)] == [True] * 60
    start = datetime(2019, 2, 12, 14, 33, tzinfo=UTC)
    minute = feed.minute("AA", start)
    assert minute is not None
    assert minute.candle.start == start
    assert feed.minute("AA", start - timedelta(days=3)) is None


@pytest.mark.parametrize(
    ("day", "weeks", "expiry"),
    [
        (date(2026, 1, 5), 0, date(2026, 1, 9)),
        (date(2026, 1, 9), 0, date(2026, 1, 16)),
        (date(2026, 1, 10), 2, date(2026, 1, 30)),
    ],
)
def test_expiry_then_is_a_later_friday(day: date, weeks: int, expiry: date) -> None:
    """Weekly options end on Fridays."""
    assert expiry_after(day, weeks) == expiry


def test_contract_then_is_named_and_priced_by_strike_and_time() -> None:
    """The clearing house's name; inner value is the least; further away is cheaper."""
    assert AAPL_CALL.symbol == "AAPL260109C00232500"
    day = date(2026, 1, 5)
    values = [worth(AAPL_CALL, Decimal(price), day, 0.3) for price in (200, 225, 240, 260)]
    assert values == sorted(values)
    assert values[-1] >= Decimal("27.5")
    assert not AAPL_CALL.is_out_of_the_money(Decimal(240))
    assert [strike_near(Decimal(price)) for price in ("0.1", "24.8", "187.4", "601")] == [
        Decimal("0.5"),
        Decimal(25),
        Decimal(187),
        Decimal(600),
    ]


EVENING = datetime(2026, 1, 6, 0, 59, 59, tzinfo=UTC)


def test_budget_when_minutes_and_days_pass_then_counts_begin_again() -> None:
    """The minute runs by elapsed time; the day begins at 20:00 in New York, not at midnight."""
    plan = WhalePlan(per_minute=2, per_day=3)
    budget = Budget()
    spent = []
    for elapsed_s, now in (
        (0, EVENING),
        (1, EVENING),
        (59, EVENING),
        (60, EVENING),
        (61, EVENING + timedelta(seconds=1)),
        (62, EVENING + timedelta(hours=5)),
    ):
        budget = budget.at(elapsed_s, now).counted()
        spent.append(budget.is_spent(plan))
    assert spent == [False, False, True, True, False, True]
    assert budget.headers(plan) == {
        "x-uw-daily-req-count": "2",
        "x-uw-token-req-limit": "3",
        "x-uw-minute-req-counter": "3",
        "x-uw-req-per-minute-remaining": "0",
        "x-uw-req-per-minute-reset": "58000",
    }
    assert not WHALE_PLANS["basic"].socket
