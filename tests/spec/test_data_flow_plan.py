"""Option flow: the token's budgets, what may enter, when to ask again, how the feed is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.data_daemon.flow_plan import (
    ASKED_PAUSE_S_MAX,
    REFUSED_PAUSE_S,
    FlowFacts,
    FlowScope,
    admitted_flow,
    advanced,
    judge_flow,
    retry_pause_s,
    tide_is_due,
)
from shared.models.broker import ClockReading
from shared.models.flow import Cursors, DarkPrint, FlowAlert, FlowBatch, TidePoint
from shared.vendors.unusual_whales_budget import (
    DAY_RESERVE,
    PAUSE_MAX_S,
    PAUSE_MIN_S,
    BudgetReading,
    day_left_s,
    pause_s,
    read_budget,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
OPEN = ClockReading(NOW, True, NOW + timedelta(days=1), NOW + timedelta(hours=6))
SCOPE = FlowScope(frozenset({"SPY"}), NOW, 1.0)
HEADERS = {
    "x-uw-daily-req-count": "900",
    "x-uw-token-req-limit": "20000",
    "x-uw-minute-req-counter": "20",
    "x-uw-req-per-minute-remaining": "100",
    "x-uw-req-per-minute-reset": "42000",
}


def alert(seconds: float, symbol: str = "SPY") -> FlowAlert:
    at = NOW + timedelta(seconds=seconds)
    return FlowAlert(f"{symbol}{seconds}", symbol, at, Decimal(1), True, False)


def dark_print(seconds: float, symbol: str = "SPY") -> DarkPrint:
    at = NOW + timedelta(seconds=seconds)
    return DarkPrint(f"{symbol}{seconds}", symbol, at, Decimal(1), 1, Decimal(1))


def test_budget_when_headers_are_whole_then_read_and_when_odd_then_as_before() -> None:
    """Headers may be missing or senseless on any reply; what was known stays."""
    known = read_budget(HEADERS, BudgetReading())
    assert known == BudgetReading(900, 20_000, 100, 42.0)
    assert known.day_left == 19_100
    odd = dict.fromkeys(HEADERS, "many")
    assert read_budget(odd, known) == replace(known, minute_resets_s=60.0)
    assert read_budget({}, BudgetReading()) == BudgetReading()
    assert read_budget({"x-uw-req-per-minute-reset": "9" * 12}, known).minute_resets_s == 60.0


def test_day_when_it_ends_at_eight_in_new_york_then_seconds_until_then() -> None:
    """The day's budget begins anew at 20:00 in New York."""
    assert day_left_s(datetime(2026, 1, 6, 0, 59, tzinfo=UTC)) == 60
    assert day_left_s(datetime(2026, 1, 6, 1, 0, tzinfo=UTC)) == 86_400


@pytest.mark.parametrize(
    ("budget", "day_ends_in_s", "pause"),
    [
        (BudgetReading(), 86_400, PAUSE_MIN_S),
        (BudgetReading(0, 80_000, 400, 30), 86_400, PAUSE_MIN_S),
        (BudgetReading(100, 20_000, 100, 30), 86_400, 13.1),
        (BudgetReading(0, 80_000, 7, 30), 86_400, 30),
        (BudgetReading(20_000 - DAY_RESERVE, 20_000, 100, 30), 500, 500),
        (BudgetReading(25_000, 20_000, 0, 30), 86_400, PAUSE_MAX_S),
    ],
)
def test_pause_when_budget_is_known_then_of_the_table(
    budget: BudgetReading, day_ends_in_s: float, pause: float
) -> None:
    """The rest of the day is spread, a spent minute waited out, a spent day looked at rarely."""
    assert pause_s(budget, 3, day_ends_in_s) == pytest.approx(pause)


@given(st.integers(0, 80_000), st.integers(1, 80_000), st.floats(60, 86_400))
def test_pause_when_followed_then_the_day_suffices(used: int, limit: int, left_s: float) -> None:
    """Rounds at this pace never use more than the day has, but for looks at a spent one."""
    budget = BudgetReading(min(used, limit), limit, 100, 1.0)
    pause = pause_s(budget, 3, left_s)
    assert PAUSE_MIN_S <= pause <= PAUSE_MAX_S
    assert pause == PAUSE_MAX_S or int(left_s / pause) * 3 <= (budget.day_left or 0) + 3


@pytest.mark.parametrize(
    ("failed", "asked_s", "is_refused", "pause"),
    [(1, 0, False, 1), (3, 0, False, 4), (99, 0, False, 60), (1, 37, False, 37),
     (1, 0, True, REFUSED_PAUSE_S), (1, 1e12, False, ASKED_PAUSE_S_MAX),
     (1, float("inf"), False, ASKED_PAUSE_S_MAX)],
)  # fmt: skip
def test_retry_when_round_failed_then_pause_of_the_table(
    failed: int, asked_s: float, is_refused: bool, pause: float
) -> None:
    """Doubling up to a minute, as long as the vendor asks for within reason, rarely for a refused
    token.
    """
    assert retry_pause_s(failed, asked_s, is_refused=is_refused) == pause


def test_flow_when_foreign_or_of_the_future_then_stays_outside() -> None:
    """Flow of symbols that nobody trades is left out in silence, the future by name."""
    far = TidePoint(NOW + timedelta(hours=1), Decimal(1), Decimal(1), 1)
    near = replace(far, at=NOW)
    batch = FlowBatch(
        (alert(-9), alert(4), alert(60), alert(-5, "ZZZ")),
        (dark_print(-3), dark_print(99), dark_print(-1, "ZZZ")),
        ("gone",),
        (near, far),
    )
    entering, refused = admitted_flow(batch, SCOPE)
    kept = FlowBatch((alert(-9), alert(4)), (dark_print(-3),), ("gone",), (near,))
    assert entering == kept
    assert len(refused) == 3


def test_cursor_when_batch_comes_then_newest_believed_moment() -> None:
    """A cursor never goes back and never follows a row into the future."""
    batch = FlowBatch((alert(-60), alert(9_999)), (dark_print(-30, "ZZZ"),))
    first = advanced(Cursors(), batch, SCOPE)
    assert first == Cursors(NOW - timedelta(seconds=60), NOW - timedelta(seconds=30))
    assert advanced(Cursors(NOW, NOW), batch, SCOPE) == Cursors(NOW, NOW)
    assert advanced(Cursors(), FlowBatch(), SCOPE) == Cursors()


@pytest.mark.parametrize(
    ("facts", "reading", "state"),
    [
        (FlowFacts(), OPEN, "connecting"),
        (FlowFacts(served_at_s=900), OPEN, "live"),
        (FlowFacts(1, "timeout", 990), OPEN, "live"),
        (FlowFacts(3, "timeout", 990), OPEN, "stale"),
        (FlowFacts(3, "timeout"), OPEN, "stale"),
        (FlowFacts(served_at_s=800), OPEN, "stale"),
        (FlowFacts(3, "timeout", 100), replace(OPEN, is_open=False), "closed"),
        (FlowFacts(1, "401", None, None, True), replace(OPEN, is_open=False), "down"),
        (FlowFacts(served_at_s=900), None, "live"),
    ],
)
def test_flow_when_judged_then_state_of_the_table(
    facts: FlowFacts, reading: ClockReading | None, state: str
) -> None:
    """A refused token shows at once; a closed market has no stale flow."""
    verdict = judge_flow(facts, reading, 1_000.0)
    assert verdict.state == state
    assert verdict.reason or state == "live"


@pytest.mark.parametrize(
    ("asked_s", "is_due"),
    [(None, True), (0, False), (-1, True), (-600, True), (30, True), (61, True)],
)
def test_tide_when_a_step_has_begun_then_due(asked_s: float | None, is_due: bool) -> None:
    """Once per step of market time, and at once after a clock that went back."""
    asked_at = None if asked_s is None else NOW + timedelta(seconds=asked_s)
    assert tide_is_due(asked_at, NOW, timedelta(minutes=5)) is is_due
