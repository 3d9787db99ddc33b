"""The bot's rules on the days whose hours are others: half days, clock changes, holidays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from services.exchange_sim.market.calendar import NyseCalendar, clock_reading
from services.trading_bot.decision import Facts, Policy
from services.trading_bot.exits import CLOSE_BEFORE_END, reason_to_leave
from services.trading_bot.gates import GateFacts, judge_gates
from services.trading_bot.movements import read_since
from shared.models.limits import Limits
from shared.models.trading_day import trading_day
from tests.support.bot_bench import BotBench, a_signal

pytestmark = pytest.mark.unit

NYSE = NyseCalendar()
SECOND = timedelta(seconds=1)
DAYS = [
    pytest.param(datetime(2008, 3, 7, 21, tzinfo=UTC), id="Friday before the clocks go forward"),
    pytest.param(datetime(2008, 3, 10, 20, tzinfo=UTC), id="Monday after"),
    pytest.param(datetime(2011, 10, 28, 20, tzinfo=UTC), id="summer time still"),
    pytest.param(datetime(2011, 11, 7, 21, tzinfo=UTC), id="Monday after the clocks went back"),
    pytest.param(datetime(2015, 12, 24, 18, tzinfo=UTC), id="Christmas Eve closes at one"),
    pytest.param(datetime(2015, 12, 28, 21, tzinfo=UTC), id="the Monday after it does not"),
]


def facts_at(now: datetime) -> Facts:
    """A position held at that moment of the real calendar, to be left before each close."""
    bench = BotBench(policy=Policy(frozenset({"AAPL"}), Limits(), {}, exit_at_close=True))
    bench.hold()
    return replace(bench.facts(), reading=clock_reading(NYSE, now))


@pytest.mark.parametrize("closes_at", DAYS)
def test_exit_at_close_when_the_day_has_other_hours_then_it_goes_by_its_own_end(
    closes_at: datetime,
) -> None:
    """Five minutes before the session of that very day ends, and not a second earlier."""
    early, due = closes_at - CLOSE_BEFORE_END - SECOND, closes_at - CLOSE_BEFORE_END
    facts = facts_at(early)
    (held,) = facts.state.positions.values()

    assert reason_to_leave(held, facts) is None
    assert reason_to_leave(held, facts_at(due)) == (
        "close: the session ends in 5 min",
        "strategy",
    )
    assert reason_to_leave(held, facts_at(closes_at)) is None


@pytest.mark.parametrize("closes_at", DAYS)
def test_session_gate_when_the_day_has_other_hours_then_it_goes_by_its_own_end(
    closes_at: datetime,
) -> None:
    """A quarter of an hour before the end of that very day entries end."""

    def passes(now: datetime) -> bool:
        reading = clock_reading(NYSE, now)
        gates = GateFacts(
            now=now,
            equity=None,
            positions=None,
            quote=None,
            delta_limit_pct=Decimal(70),
            closes_at=reading.next_close,
            close_minutes_min=15.0,
        )
        found = judge_gates(a_signal(at=now), gates)
        return next(result.passed for result in found if result.gate == "session")

    assert passes(closes_at - timedelta(minutes=15))
    assert not passes(closes_at - timedelta(minutes=15) + SECOND)


@pytest.mark.parametrize(
    ("midnight", "day"),
    [
        (datetime(2008, 3, 9, 5, tzinfo=UTC), date(2008, 3, 9)),
        (datetime(2008, 3, 10, 4, tzinfo=UTC), date(2008, 3, 10)),
        (datetime(2011, 11, 6, 4, tzinfo=UTC), date(2011, 11, 6)),
        (datetime(2011, 11, 7, 5, tzinfo=UTC), date(2011, 11, 7)),
    ],
)
def test_day_when_the_clocks_change_then_it_begins_at_new_yorks_midnight(
    midnight: datetime, day: date
) -> None:
    """The day of 23 hours and the day of 25: losses are counted from their own midnights, and
    movements are read from a day that lies before the last close.
    """
    state = facts_at(midnight).state

    assert trading_day(midnight) == day
    assert trading_day(midnight - SECOND) == day - timedelta(days=1)
    assert read_since(midnight, replace(state, positions={})) < day - timedelta(days=1)
