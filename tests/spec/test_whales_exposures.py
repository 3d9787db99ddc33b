"""Unusual Whales' exposures: greeks by the book, one chain a day, sums that agree."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.exchange_sim.market.port import Market
from services.exchange_sim.steps import at_once
from services.exchange_sim.unusual_whales.chain import Chain, expiries_of, make_chain
from services.exchange_sim.unusual_whales.exposure_feed import ExposedMinute, ExposureFeed
from services.exchange_sim.unusual_whales.exposures import Exposure, exposure, grouped
from services.exchange_sim.unusual_whales.feed import WhaleFeed
from services.exchange_sim.unusual_whales.greeks import greeks
from services.exchange_sim.unusual_whales.net_flow import (
    Expiration,
    FlowPart,
    Moneyness,
    wanted_expiries,
)
from services.exchange_sim.unusual_whales.wire import StampForm
from services.exchange_sim.unusual_whales.wire_exposures import (
    greek_document,
    nope_document,
    spot_document,
    strike_document,
)
from tests.support.bar_texts import minutes_from, replay_of, seeded, write_bars

pytestmark = pytest.mark.unit

MONDAY = date(2026, 1, 5)
NOW = datetime(2026, 1, 5, 5, 40, 7, tzinfo=UTC)
SYMBOLS = ("AAPL", "SPY")
AT = datetime(2026, 1, 5, 15, tzinfo=UTC)


def chain_of(day: date = MONDAY, seed: int = 1, close: str = "195.66") -> Chain:
    ends = {expiry: datetime.combine(expiry, time(21), UTC) for expiry in expiries_of(day)}
    return make_chain(seed, "AAPL", day, Decimal(close), ends)


def feed_of(market: Market, seed: int = 1) -> ExposureFeed:
    return ExposureFeed(market, WhaleFeed(market, seed), seed, StampForm.LIVE)


def minutes_at(feed: ExposureFeed, market: Market, now: datetime) -> list[ExposedMinute]:
    session = market.session(MONDAY)
    assert session is not None
    return list(at_once(feed.minutes("AAPL", session, now)))


def call_worth(spot: float, strike: float, years: float, volatility: float) -> float:
    """Return Black and Scholes' price of a call, written down once more."""
    deviation = volatility * math.sqrt(years)
    first = (math.log(spot / strike) + volatility**2 * years / 2) / deviation

    def normal(value: float) -> float:
        return (1 + math.erf(value / math.sqrt(2))) / 2

    return spot * normal(first) - strike * normal(first - deviation)


@given(
    away=st.floats(0.85, 1.15),
    days=st.floats(2, 60),
    volatility=st.floats(0.15, 0.8),
)
@settings(max_examples=80, deadline=None)
def test_greeks_when_measured_on_the_price_then_they_are_its_slopes(
    away: float, days: float, volatility: float
) -> None:
    """Delta is the slope of the worth, gamma, charm and vanna are the slopes of delta."""
    spot, strike, years = 200.0, 200.0 * away, days / 365
    one = greeks(spot, strike, years, volatility)
    bump = 0.01

    def slope(change: float) -> float:
        return call_worth(spot + change, strike, years, volatility)

    measured = (slope(bump) - slope(-bump)) / (2 * bump)
    assert one.call_delta == pytest.approx(measured, abs=1e-5)
    assert one.put_delta == pytest.approx(measured - 1, abs=1e-5)
    up, down = (greeks(spot + side * bump, strike, years, volatility) for side in (1, -1))
    assert one.gamma == pytest.approx((up.call_delta - down.call_delta) / (2 * bump), abs=1e-5)
    hour = 1 / (365 * 24)
    later, earlier = (greeks(spot, strike, years - side * hour, volatility) for side in (1, -1))
    by_day = (later.call_delta - earlier.call_delta) * 12
    assert one.charm == pytest.approx(by_day, abs=2e-3)
    wild, calm = (greeks(spot, strike, years, volatility + side * 1e-4) for side in (1, -1))
    assert one.vanna == pytest.approx((wild.call_delta - calm.call_delta) / 2e-4, abs=1e-4)


def test_chain_when_made_twice_then_it_is_the_same_and_another_seed_is_another() -> None:
    """It belongs to seed, symbol and day; its parts of the volume add up to all of it."""
    chain = chain_of()

    assert chain.lines == chain_of().lines
    assert chain.lines != chain_of(seed=2).lines
    following = chain_of(day=MONDAY + timedelta(days=1)).lines
    interest = [
        {(one.strike, one.expiry): one.open_calls / (1 + one.open_puts) for one in lines}
        for lines in (chain.lines, following)
    ]
    both = set(interest[0]) & set(interest[1])
    assert sum(interest[0][one] != pytest.approx(interest[1][one], rel=0.02) for one in both) > 99
    expiries = frozenset(expiries_of(MONDAY))
    assert {line.expiry for line in chain.lines} == expiries
    assert chain.share(expiries, calls=True) == pytest.approx(1)
    assert chain.share(expiries, calls=False) == pytest.approx(1)
    assert all(line.open_calls >= 0 and line.volatility > 0 for line in chain.lines)
    assert len({line.strike for line in chain.lines}) * len(expiries) == len(chain.lines)


def test_chain_when_the_price_moves_then_the_part_at_the_money_follows() -> None:
    """None of the calls far below the lowest strike, and half at most where both sides trade."""
    chain = chain_of()

    assert chain.near_part(50, calls=True) == 0
    assert chain.near_part(900, calls=False) == 0
    assert 0 < chain.near_part(195, calls=True) < 0.6
    assert chain.near_part(177, calls=True) > chain.near_part(195, calls=True)


def test_alert_when_it_names_a_contract_then_the_chain_of_its_day_lists_it() -> None:
    """The flow and the chain are of one market."""
    market = seeded(1, *SYMBOLS)
    feed = WhaleFeed(market, 1)
    session = market.session(MONDAY)
    assert session is not None
    chain = feed_of(market).chain("AAPL", session)
    assert chain is not None
    listed = {(line.strike, line.expiry) for line in chain.lines}
    alerts = [one.alert for one in feed.minutes("AAPL", session, NOW) if one.alert]

    assert alerts
    assert {(one.contract.strike, one.contract.expiry) for one in alerts} <= listed


@pytest.mark.parametrize("key", ["strike", "expiry"])
def test_exposure_when_shown_in_parts_then_they_add_up_to_the_whole(key: str) -> None:
    """By strike and by expiry alike; puts count against whoever owes them."""
    chain = chain_of()
    parts = [
        exposure(lines, 195.0, AT)
        for lines in grouped(chain.lines, lambda line: getattr(line, key)).values()
    ]
    whole = exposure(chain.lines, 195.0, AT)

    for name in Exposure._fields:
        for number, total in enumerate(getattr(whole, name)):
            summed = sum(getattr(part, name)[number] for part in parts)
            assert summed == pytest.approx(total, rel=1e-9, abs=1e-9)
    document = greek_document(whole, gamma="gex")
    assert float(document["call_gex"]) == pytest.approx(whole.open_calls.gamma * 100, abs=1e-3)
    assert float(document["put_gex"]) == pytest.approx(-whole.open_puts.gamma * 100, abs=1e-3)
    assert float(document["put_delta"]) == pytest.approx(whole.open_puts.delta * 100, abs=1e-3)
    assert float(document["put_delta"]) < 0 < float(document["call_delta"])


def test_minutes_when_time_goes_on_then_what_was_told_stays() -> None:
    """Nothing early, nothing changed afterwards, the same in another process."""
    market = seeded(1, *SYMBOLS)
    feed = feed_of(market)
    early = minutes_at(feed, market, NOW - timedelta(minutes=30))
    late = minutes_at(feed, market, NOW)
    again = minutes_at(feed_of(seeded(1, *SYMBOLS)), market, NOW)

    assert len(late) == len(early) + 30
    documents = [spot_document(one, StampForm.LIVE) for one in late]
    assert documents[: len(early)] == [spot_document(one, StampForm.LIVE) for one in early]
    assert documents == [spot_document(one, StampForm.LIVE) for one in again]
    assert [one.minute.candle.start for one in late] == sorted(
        one.minute.candle.start for one in late
    )


def test_nope_when_read_then_it_is_the_delta_that_traded_over_the_shares() -> None:
    """Volumes only grow; the put's share of the deltas is taken off; the form follows the plan."""
    market = seeded(1, *SYMBOLS)
    minutes = minutes_at(feed_of(market), market, NOW)
    rows = [nope_document(one, StampForm.SPEC) for one in minutes]

    volumes = [(row["call_vol"], row["put_vol"], row["stock_vol"]) for row in rows]
    assert volumes == sorted(volumes)
    last = rows[-1]
    net = float(last["call_delta"]) + float(last["put_delta"])
    assert float(last["put_delta"]) < 0 < float(last["call_delta"])
    assert float(last["nope"]) == pytest.approx(net / last["stock_vol"], abs=1e-6)
    assert last["timestamp"] == "2026-01-05 05:39:00+00:00"
    first = rows[0]
    assert first["call_delta"] == first["call_fill_delta"]
    filled = sum(one.minute.puts.volume * one.exposure.traded_puts.delta for one in minutes)
    assert float(last["put_fill_delta"]) == pytest.approx(filled, abs=0.01)
    filled = sum(one.minute.calls.volume * one.exposure.traded_calls.delta for one in minutes)
    assert float(last["call_fill_delta"]) == pytest.approx(filled, abs=0.01)


def test_strike_when_shown_then_what_was_sold_counts_against_the_dealer() -> None:
    """At the ask they sold, at the bid they bought: gamma of calls and puts alike."""
    chain = chain_of()
    market = seeded(1, *SYMBOLS)
    minute = minutes_at(feed_of(market), market, NOW)[-1]
    lines = [line for line in chain.lines if line.strike == 195]

    row = strike_document(lines, Decimal(195), AT, minute.traded, StampForm.LIVE)

    assert row["strike"] == "195"
    for kind in ("call", "put"):
        assert float(row[f"{kind}_gamma_ask"]) < 0 < float(row[f"{kind}_gamma_bid"])
    assert float(row["put_gamma_oi"]) < 0 < float(row["call_gamma_oi"])
    assert float(row["put_delta_bid"]) < 0 < float(row["put_delta_ask"])
    traded = minute.traded
    sold = float(row["call_gamma_ask"]) / float(row["call_gamma_vol"])
    assert sold == pytest.approx(-traded.calls_at_ask / traded.calls, rel=1e-3)


def test_net_flow_when_split_by_strike_then_the_parts_are_the_whole() -> None:
    """In, at and out of the money make all; what expires today is part of the week."""
    market = seeded(1, *SYMBOLS)
    feed = feed_of(market)
    session = market.session(MONDAY)
    assert session is not None
    chain = feed.chain("AAPL", session)
    assert chain is not None
    week = wanted_expiries(chain, [Expiration.WEEKLY, Expiration.ZERO_DTE])
    today = wanted_expiries(chain, [Expiration.ZERO_DTE])
    part, smaller = FlowPart(chain, week), FlowPart(chain, today)

    assert sorted(today) == [MONDAY]
    assert sorted(week) == [MONDAY, date(2026, 1, 9)]
    for one in minutes_at(feed, market, NOW):
        whole = part.of(one.minute, Moneyness.ALL)
        some = [part.of(one.minute, kind) for kind in (Moneyness.IN, Moneyness.OUT, Moneyness.AT)]
        total = some[0].plus(some[1]).plus(some[2])
        assert total.calls == pytest.approx(whole.calls)
        assert total.volume == pytest.approx(whole.volume)
        assert abs(smaller.of(one.minute, Moneyness.ALL).calls) <= abs(whole.calls)
        assert abs(whole.calls) <= abs(one.minute.calls.net_premium)


def test_chain_when_a_replay_has_no_close_before_then_its_first_price_serves(
    tmp_path: Path,
) -> None:
    """A folder that begins on that day has exposures too."""
    write_bars(tmp_path, "AAPL_1min.csv", minutes_from("2019-02-11T14:30:00+00:00", 30))
    market = replay_of(tmp_path)
    session = market.session(date(2019, 2, 11))
    assert session is not None

    chain = feed_of(market).chain("AAPL", session)

    assert chain is not None
    assert min(line.strike for line in chain.lines) < 100 < max(line.strike for line in chain.lines)


@pytest.mark.parametrize("close", ["0.0001", "0.03", "5000", "700000"])
def test_chain_when_a_share_is_very_cheap_or_dear_then_it_stays_small_and_whole(close: str) -> None:
    """The least strike lies far from a penny; a dear share has no more strikes than others."""
    chain = chain_of(close=close)

    assert len(chain.lines) <= 2_000
    assert sum(line.call_share for line in chain.lines) == pytest.approx(1)
    found = exposure(chain.lines, float(close), AT)
    assert all(math.isfinite(value) for sums in found for value in sums)
