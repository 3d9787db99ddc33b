"""How often a door may call: shares per minute, ceilings per second, the broker's own headers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.resilience.door_rules import DoorRules
from shared.resilience.door_standing import standing_of
from shared.resilience.governor import (
    HOLD_S_MAX,
    MINUTE_S,
    Governor,
    MinuteShare,
    RateReading,
    retry_after_s,
)
from shared.resilience.lanes import Lane
from shared.vendors.broker_clock import REAL_PACE, simulated_pace
from shared.vendors.shares import ACCOUNT_PER_MINUTE, trading_shares
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit

LOOSE = DoorRules(reads_per_minute=10_000, entries_per_minute=10_000, safety_per_minute=10_000)


def headers(remaining: int, reset: float | None = None, limit: int = 200) -> dict[str, str]:
    told = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(remaining)}
    return told if reset is None else told | {"X-RateLimit-Reset": str(int(reset))}


@settings(max_examples=40)
@given(
    st.integers(1, 200),
    st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=300),
)
def test_share_when_asked_at_any_rhythm_then_no_minute_holds_more(
    per_minute: int, pauses: list[float]
) -> None:
    """However calls come, no sixty seconds, wherever they begin, hold more than the share."""
    clock = ManualClock()
    share = MinuteShare(per_minute, clock)
    went: list[float] = []
    for pause in pauses:
        clock.advance(pause)
        while share.wait_s() == 0.0:
            share.take()
            went.append(clock.monotonic_s())
    for begin in went:
        inside = [at for at in went if begin <= at < begin + MINUTE_S - 1e-6]
        assert len(inside) <= max(per_minute, 2)


def test_shares_when_added_up_then_below_the_account_at_every_pace() -> None:
    """All processes together stay within the account's minute, and the bot has most of it."""
    for pace in (REAL_PACE, simulated_pace(60.0)):
        shares = trading_shares(pace.look_every_s)
        assert shares.total <= ACCOUNT_PER_MINUTE
        assert shares.bot_reads > 2 * shares.clock - 10
        assert shares.clock >= 60.0 / pace.look_every_s


def test_ceilings_when_a_second_is_full_then_ten_reads_and_five_orders_went() -> None:
    """Ten reads and five orders a second, entries and safety counted apart."""
    clock = ManualClock()
    governor = Governor(LOOSE, clock)
    for lane, most in ((Lane.READ, 10), (Lane.ENTRY, 5), (Lane.SAFETY, 5)):
        assert [governor.take(lane) for _ in range(most)] == [None] * most
        held = governor.take(lane)
        assert held is not None
        assert 0 < held.wait_s <= 1.0
    clock.advance(1.0)
    assert governor.take(Lane.READ) is None


def test_headers_when_the_account_is_nearly_spent_then_reads_wait_and_orders_go() -> None:
    """What others took shows in the headers; the last calls of a minute belong to orders."""
    clock = ManualClock()
    governor = Governor(LOOSE, clock)
    governor.learn(200, headers(LOOSE.left_to_others, clock.utc_now().timestamp() + 20))
    held = governor.take(Lane.READ)
    assert held is not None
    assert held.wait_s == pytest.approx(20, abs=1)
    assert governor.take(Lane.ENTRY) is None
    governor.learn(200, headers(0, clock.utc_now().timestamp() + 20))
    assert governor.take(Lane.ENTRY) is not None
    assert governor.take(Lane.SAFETY) is None
    clock.advance(21)
    assert governor.take(Lane.READ) is None
    assert governor.rate == RateReading(200, 0)


def test_left_when_others_took_most_of_the_minute_then_it_tells_what_they_left() -> None:
    """A full share is worth nothing at an empty account: whoever spares calls by it starts in time.
    Safety asks nobody; after the reset the own share counts again.
    """
    clock = ManualClock()
    governor = Governor(DoorRules(left_to_others=10), clock)
    full = governor.left()
    governor.learn(200, headers(14, clock.utc_now().timestamp() + 20))
    left = {lane: now for lane, (_, now) in governor.left().items()}
    assert left == {
        Lane.READ: 4,
        Lane.ENTRY: full[Lane.ENTRY][1],
        Lane.SAFETY: full[Lane.SAFETY][1],
    }
    governor.learn(200, headers(3, clock.utc_now().timestamp() + 20))
    assert [governor.left()[lane][1] for lane in (Lane.READ, Lane.ENTRY)] == [0, 3]
    clock.advance(21)
    assert governor.left() == full


def test_bot_when_the_minute_runs_out_then_it_reads_longer_than_others() -> None:
    """Bot first: another process stops reading while the bot still may."""
    clock = ManualClock()
    bot = Governor(DoorRules(left_to_others=10), clock)
    other = Governor(DoorRules(left_to_others=40), clock)
    for governor in (bot, other):
        governor.learn(200, headers(30))
    assert bot.take(Lane.READ) is None
    assert other.take(Lane.READ) is not None


@pytest.mark.parametrize("reset", ["", "soon", "-1", "9" * 30, "0", "99999999999"])
def test_headers_when_odd_then_believed_for_a_minute_at_most(reset: str) -> None:
    """Whatever the broker says of its reset, and however wrong our clock, a minute heals it."""
    clock = ManualClock()
    governor = Governor(LOOSE, clock)
    governor.learn(200, headers(0) | {"X-RateLimit-Reset": reset})
    clock.advance(MINUTE_S + 1)
    assert governor.take(Lane.READ) is None
    governor.learn(200, {"X-RateLimit-Limit": "²", "X-RateLimit-Remaining": "-5"})
    assert governor.rate == RateReading(200, 0)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("60", 60.0),
        ("0", 0.0),
        ("Fri, 20 Nov 2026 18:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 17:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999", None),
    ],
)
def test_retry_after_when_read_then_seconds_or_a_date(asked: str, seconds: float | None) -> None:
    """Both forms of the header are understood; anything else asks for nothing."""
    assert retry_after_s({"Retry-After": asked}, ManualClock().utc_now()) == seconds


def test_retry_after_when_the_caller_waits_himself_then_he_is_told_and_the_door_stays_open() -> (
    None
):
    """In seconds or as a date; a reply that asks for nothing ends it."""
    clock = ManualClock()
    governor = Governor(DoorRules(reads_per_minute=None, holds=False), clock)
    for asked in ("90", "Fri, 20 Nov 2026 18:01:30 GMT"):
        governor.learn(429, {"Retry-After": asked})
        assert (governor.asked_s, governor.held_s) == (90.0, 0.0)
        governor.learn(200, {"Retry-After": asked})
        assert governor.asked_s == 0.0


@pytest.mark.parametrize("asked_s", [30, 3600])
def test_retry_after_when_it_binds_then_capped_and_safety_goes(asked_s: int) -> None:
    """Reads and entries stay away as long as asked, a minute at most; what protects goes out,
    also where nothing else is counted.
    """
    clock = ManualClock()
    governor = Governor(DoorRules(reads_per_minute=None), clock)
    governor.learn(429, {"Retry-After": str(asked_s)})
    assert governor.held_s == min(HOLD_S_MAX, asked_s)
    assert governor.take(Lane.READ) is not None
    assert governor.take(Lane.ENTRY) is not None
    assert governor.take(Lane.SAFETY) is None
    clock.advance(min(HOLD_S_MAX, asked_s))
    assert governor.take(Lane.READ) is None


def test_budget_when_no_calls_are_counted_then_there_is_none() -> None:
    """A number that binds nobody is no budget: not 0 left of 200, which would look spent."""
    clock = ManualClock()
    uncounted, counted = (Governor(DoorRules(reads_per_minute=n), clock) for n in (None, 150))
    for governor in (uncounted, counted):
        governor.learn(200, {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "0"})
    told, other = (standing_of("broker", {}, governor) for governor in (uncounted, counted))
    assert (told.budgets, dict(told.metrics)) == ((), {})
    assert other.metrics == {"rate_left_broker": 0.0}
    assert {row["name"]: row["left"] for row in other.budgets}["broker account"] == 0


def test_retry_after_when_no_limit_was_reached_then_it_binds_nothing() -> None:
    """A 503 with Retry-After is waited for within its own call only."""
    governor = Governor(DoorRules(reads_per_minute=None), ManualClock())
    governor.learn(503, {"Retry-After": "30"})
    assert governor.take(Lane.READ) is None


@given(st.integers(4, 400), st.lists(st.floats(0, 3, allow_nan=False), max_size=40))
def test_share_when_waited_as_long_as_it_says_then_the_call_may_go(
    per_minute: int, pauses: list[float]
) -> None:
    """Rounding leaves no trace to be waited for: in a time that only waits move, that would be for
    ever.
    """
    clock = ManualClock()
    share = MinuteShare(per_minute, clock)
    for pause in pauses:
        clock.advance(pause)
        while share.wait_s() == 0.0:
            share.take()
        clock.advance(share.wait_s())
        assert share.wait_s() == 0.0
