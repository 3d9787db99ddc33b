"""heartbeat decides what is wrong: money, protection, stop, page, restarts, large trades."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.heartbeat import memory_document, outbox
from services.heartbeat.outbox import LOG, Memory
from services.heartbeat.plan import Alert, Kind, Moment, Trouble, make_plan
from services.heartbeat.quiet import is_quiet
from services.heartbeat.subjects import Facts, PageAnswer, Severity
from tests.support import documents as sample
from tests.support.heartbeat_story import START_S, judged

pytestmark = pytest.mark.unit

WELL = PageAnswer(overall="OK")


def limit(name: str, used_pct: float) -> dict[str, Any]:
    """One limit of bot_status.json in use."""
    return {"name": name, "limit": "1000", "used": f"{used_pct * 10:g}", "used_pct": used_pct}


def bot(**changed: Any) -> dict[str, Any]:
    """The bot's numbers on a good day, with changes."""
    return sample.bot_status(**{"limits": [], "external_positions": [], **changed})


def cause(name: str) -> dict[str, str]:
    """An input that restricts trading."""
    return {"input": name, "state": "REDUCING", "reason": f"{name} is wrong"}


class Watch:
    """Plays facts second by second and collects what is said."""

    def __init__(self) -> None:
        self.now_s = START_S
        self.troubles: dict[str, Trouble] = {}

    def play(self, seconds: int, facts: Facts, **health: Any) -> list[Alert]:
        """Let that state last so long; what was said meanwhile."""
        said: list[Alert] = []
        for _ in range(seconds):
            judgement = judged(self.now_s, **health)
            moment = Moment(self.now_s, f"t={self.now_s:.0f}")
            plan = make_plan(judgement, self.troubles, moment, facts)
            self.troubles = dict(plan.troubles)
            said += plan.alerts
            self.now_s += 1.0
        return said


STRANGER = {"symbol": "TSLA", "qty": "7.5", "market_value": "1800.00", "protected_qty": "0",
            "stop_price": None}  # fmt: skip
GOOD = Facts(bot=bot(), page=WELL)
KINDS: dict[str, tuple[Facts, dict[str, Any], Severity]] = {
    "position size": (Facts(bot(limits=[limit("largest_position", 101)])), {}, Severity.WARN),
    "daily loss": (Facts(bot(limits=[limit("daily_loss", 100)])), {}, Severity.PAGE),
    "drawdown": (Facts(bot(limits=[limit("drawdown_pct", 80)])), {}, Severity.WARN),
    "protection": (
        Facts(bot(positions=[sample.position(stop_confirmed=False)])),
        {},
        Severity.PAGE,
    ),
    "contract drift": (Facts(bot(causes=[cause("contracts")])), {}, Severity.PAGE),
    "emergency stop": (Facts(bot(), stop="set by ann: I smell smoke"), {}, Severity.PAGE),
    "dashboard page": (Facts(bot(), page=PageAnswer("it does not answer")), {}, Severity.WARN),
    "external shares of TSLA": (Facts(bot(external_positions=[STRANGER])), {}, Severity.INFO),
    "external protection": (
        Facts(bot()),
        {"services": {"trading-bot": {"metrics": {"external_uncovered": 1.0}}}},
        Severity.WARN,
    ),
    "restart loop of dashboard": (
        Facts(bot()),
        {"services": {"dashboard": {"failures_in_window": 3}}},
        Severity.WARN,
    ),
}


@pytest.mark.parametrize("subject", KINDS)
def test_each_kind_when_it_begins_and_ends_is_said_once_and_once(subject: str) -> None:
    """One alert that points into the runbook, none while it lasts, one end with its duration."""
    facts, health, severity = KINDS[subject]
    facts = replace(facts, page=facts.page or WELL)
    watch = Watch()
    assert watch.play(30, GOOD) == []
    said = watch.play(120, facts, **health)
    assert [(one.kind, one.subject, one.severity) for one in said] == [
        (Kind.OPEN, subject, severity)
    ]
    assert "RUNBOOK.md#" in said[0].body
    (end,) = watch.play(30, GOOD)
    assert (end.kind, end.subject) == (Kind.RECOVERED, subject)
    assert "after 2 min" in end.title
    assert watch.troubles == {}


@pytest.mark.parametrize(
    "subject", ["daily loss", "protection", "contract drift", "external shares of TSLA"]
)
def test_trouble_when_the_bot_falls_silent_is_neither_over_nor_repeated(subject: str) -> None:
    """Without fresh numbers nobody may conclude that all is well."""
    facts, health, _ = KINDS[subject]
    watch = Watch()
    assert len(watch.play(60, replace(facts, page=WELL), **health)) == 1
    assert watch.play(60, Facts(bot=None, page=WELL)) == []
    assert subject in watch.troubles


@pytest.mark.parametrize("name", ["daily_loss", "drawdown_pct", "largest_position"])
def test_limit_when_the_bot_does_not_know_its_use_is_neither_over_nor_repeated(name: str) -> None:
    """A bot that was restarted without its broker tells no end of a loss: unknown is not zero."""
    watch = Watch()
    (opened,) = watch.play(60, Facts(bot=bot(limits=[limit(name, 120)]), page=WELL))
    unsaid = {"name": name, "limit": "1000", "used": None, "used_pct": None}
    assert watch.play(60, Facts(bot=bot(limits=[unsaid]), page=WELL)) == []
    (end,) = watch.play(30, Facts(bot=bot(limits=[limit(name, 0)]), page=WELL))
    assert (end.kind, end.subject) == (Kind.RECOVERED, opened.subject)


def test_limit_when_its_use_flickers_around_the_bound_is_said_once() -> None:
    """What was announced is over only a margin below the bound."""
    watch = Watch()
    said = [
        alert
        for share in (81.0, 79.0) * 10
        for alert in watch.play(12, Facts(bot(limits=[limit("daily_loss", share)]), page=WELL))
    ]
    assert [one.kind for one in said] == [Kind.OPEN]


def test_daily_loss_when_it_grows_from_near_to_reached_says_worse() -> None:
    """Four fifths are a warning, the whole is a page."""
    watch = Watch()
    watch.play(20, Facts(bot(limits=[limit("daily_loss", 85)]), page=WELL))
    said = watch.play(20, Facts(bot(limits=[limit("daily_loss", 100)]), page=WELL))
    assert [(one.kind, one.severity) for one in said] == [(Kind.WORSE, Severity.PAGE)]


def test_external_shares_when_they_stay_for_days_are_told_once_and_by_name() -> None:
    """They may rightly stay: no reminder. Another symbol is another news."""
    watch = Watch()
    (told,) = watch.play(60, Facts(bot(external_positions=[STRANGER]), page=WELL))
    assert "7.5, worth 1800.00, 0 of them with a stop" in told.body
    for _ in range(48):
        watch.now_s += 3_600
        assert watch.play(1, Facts(bot(external_positions=[STRANGER]), page=WELL)) == []
    both = [STRANGER, {**STRANGER, "symbol": "F"}]
    (more,) = watch.play(60, Facts(bot(external_positions=both), page=WELL))
    assert more.subject == "external shares of F"


def test_adopted_shares_when_the_bot_falls_silent_are_neither_covered_nor_forgotten() -> None:
    """Names come from its numbers, the promise from its beat; without a word of it none ends."""
    uncovered = {"trading-bot": {"metrics": {"external_uncovered": 1.0}}}
    facts = Facts(bot(external_positions=[STRANGER]), page=WELL)
    watch = Watch()
    said = {one.subject: one.body for one in watch.play(60, facts, services=uncovered)}
    assert (
        "1 adopted external position lacks a stop for every share: TSLA"
        in (said["external protection"])
    )
    starting = {"trading-bot": {"status": "DEGRADED", "phase": "starting", "metrics": {}}}
    said = {one.subject: one.body for one in watch.play(60, facts, services=starting)}
    assert "external protection" not in said
    ends = {one.subject for one in watch.play(30, facts) if one.kind is Kind.RECOVERED}
    assert ends == {"trading-bot", "external protection"}


def test_fresh_position_when_its_stop_is_confirmed_in_time_says_nothing() -> None:
    """Between fill and confirmed stop lie seconds; only what lasts is an alarm."""
    bare = Facts(bot(positions=[sample.position(stop_confirmed=False)]), page=WELL)
    watch = Watch()
    assert watch.play(14, bare) == []
    assert watch.play(30, GOOD) == []


def test_emergency_stop_when_set_explains_the_halt_and_the_degraded_system() -> None:
    """One gesture is one alert, not three."""
    health = {
        "overall": "DEGRADED",
        "code": "DEGRADED",
        "reason": "emergency stop is active",
        "trading_state": "HALTED",
        "trading_state_cause": "operator",
    }
    stopped = Facts(bot(), "set by ann: smoke", PageAnswer(overall="DEGRADED"))
    assert [one.subject for one in Watch().play(60, stopped, **health)] == ["emergency stop"]


def test_emergency_stop_when_a_service_is_down_too_hides_nothing_of_it() -> None:
    """What the stop does not explain is said beside it."""
    health = {
        "overall": "FAILED",
        "code": "FAILED",
        "reason": "data-daemon: parked",
        "services": {"data-daemon": {"status": "FAILED", "reason": "parked"}},
        "trading_state": "HALTED",
        "trading_state_cause": "operator",
    }
    stopped = Facts(bot(), "set by ann: smoke", PageAnswer(overall="FAILED"))
    subjects = {one.subject for one in Watch().play(60, stopped, **health)}
    assert subjects == {"emergency stop", "system", "data-daemon"}


def test_page_when_it_tells_another_verdict_for_long_is_unsound() -> None:
    """A page that says OK over a FAILED system is the worst page of all; a flip is no fault."""
    failed = {"overall": "FAILED", "code": "FAILED", "reason": "all is lost"}
    watch = Watch()
    assert "dashboard page" not in {one.subject for one in watch.play(11, GOOD, **failed)}
    (late,) = watch.play(20, GOOD, **failed)
    assert late.subject == "dashboard page"
    assert "it says OK, health.json says FAILED" in late.body


@pytest.mark.parametrize(
    ("at", "quiet"),
    [
        (datetime(2026, 11, 21, 2, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 21, 3, 0, tzinfo=UTC), True),
        (datetime(2026, 11, 21, 11, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 21, 12, 0, tzinfo=UTC), False),
        (datetime(2026, 7, 21, 2, 0, tzinfo=UTC), True),
        (datetime(2026, 11, 1, 5, 30, tzinfo=UTC), True),
        (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), True),
        (datetime(2026, 11, 1, 11, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 1, 12, 0, tzinfo=UTC), False),
        (datetime(2027, 3, 14, 10, 59, tzinfo=UTC), True),
        (datetime(2027, 3, 14, 11, 0, tzinfo=UTC), False),
    ],
)
def test_quiet_hours_are_those_of_new_york_in_winter_and_summer(at: datetime, quiet: bool) -> None:
    """22:00 to 07:00 where the market is."""
    assert is_quiet(at) is quiet
    assert is_quiet(at + timedelta(hours=24)) is quiet


def alert(severity: Severity, subject: str) -> Alert:
    """An opening alert."""
    return Alert(Kind.OPEN, subject, severity, f"title of {subject}", "body")


def test_quiet_hours_hold_back_what_is_no_page_and_give_it_together_in_the_morning() -> None:
    """A page goes out at once, the log hears all at once, the rest is one message at 07:00."""
    memory, channels = Memory(), (LOG, "people-1")
    for subject, severity in (
        ("a", Severity.WARN),
        ("b", Severity.PAGE),
        ("c", Severity.WARN),
        ("d", Severity.INFO),
    ):
        memory = outbox.with_alerts(memory, [alert(severity, subject)], channels, quiet=True)
    while (said := outbox.due(memory, LOG, 0.0)) is not None:
        memory = outbox.delivered(memory, said.id, LOG)
    now = outbox.due(memory, "people-1", 0.0)
    assert now is not None
    assert now.title == "title of b"
    memory = outbox.delivered(memory, now.id, "people-1")
    assert outbox.due(memory, "people-1", 0.0) is None
    document = json.loads(json.dumps(memory_document.as_document(memory, sample.BOOT_ID)))
    memory = outbox.released(memory_document.from_document(document, sample.BOOT_ID, 1.0))
    (morning,) = memory.outbox
    assert [f"title of {name}" in morning.body for name in "abcd"] == [True, False, True, True]
    assert outbox.due(memory, "people-1", 0.0) == morning
