"""heartbeat decides what to say: flips, delays, reminders and recoveries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.heartbeat.plan import (
    CLOSE_AFTER_MAX_S,
    CLOSE_AFTER_S,
    REMINDERS_MAX,
    Alert,
    Kind,
)
from services.heartbeat.subjects import Severity
from shared.health.judge import judge_document
from tests.support.documents import BOOT_ID, health_bytes
from tests.support.heartbeat_story import DEGRADED, FAILED, PARKED, START_S, Story, judged, kinds

pytestmark = pytest.mark.unit


def test_plan_when_all_is_well_says_nothing() -> None:
    """A healthy system makes no noise, however long it runs."""
    assert Story().play(100) == []


def test_plan_when_failed_opens_once_within_seconds() -> None:
    """A FAILED system is announced after two seconds, then not again until a reminder."""
    story = Story()
    said = story.play(60, **FAILED)
    assert kinds(said) == [("open", "system")]
    assert said[0].severity is Severity.PAGE
    assert "trading-bot is parked" in said[0].body
    assert said[0].title == "[SIM] FAILED system"


def test_plan_when_degraded_shortly_says_nothing() -> None:
    """A quick restart that heals within ten seconds wakes nobody."""
    story = Story()
    said = story.play(8, **DEGRADED) + story.play(30)
    assert said == []
    assert story.troubles == {}


def test_plan_when_recovered_says_how_long_it_took() -> None:
    """The end is told once, with the duration of the trouble itself."""
    story = Story()
    story.play(60, **FAILED)
    said = story.play(20)
    assert kinds(said) == [("recovered", "system")]
    assert said[0].title == "[SIM] RECOVERED system after 1 min"
    assert story.troubles == {}


def test_plan_when_recovery_flickers_keeps_the_trouble_open() -> None:
    """A good look in between neither closes nor reopens an announced trouble."""
    story = Story()
    story.play(30, **FAILED)
    assert story.play(CLOSE_AFTER_S - 2) == []
    assert story.play(30, **FAILED) == []


def test_plan_when_degraded_becomes_failed_says_worse() -> None:
    """A rise in severity is news; the way back down is told at the end only."""
    story = Story()
    story.play(20, **DEGRADED)
    worse = story.play(20, **FAILED)
    assert kinds(worse) == [("worse", "system")]
    assert story.play(20, **DEGRADED) == []
    assert kinds(story.play(10)) == [("recovered", "system")]


def test_plan_when_cause_changes_while_failed_says_so() -> None:
    """FAILED for another reason is news: another person may have to act."""
    story = Story()
    story.play(20, **FAILED)
    said = story.play(20, overall="FAILED", code="FAILED_CONFIG", reason="keys refused")
    assert kinds(said) == [("worse", "system")]
    assert "FAILED_CONFIG" in said[0].title


def test_plan_when_trouble_lasts_reminds_with_a_cap() -> None:
    """Reminders come at growing distances and end; the last one says that it is the last."""
    story = Story()
    bad = judged(START_S, **FAILED)
    for _ in range(24 * 60):
        story.step(bad)
        story.now_s += 59.0
    reminders = [alert for alert in story.said if alert.kind is Kind.REMINDER]
    assert len(reminders) == REMINDERS_MAX
    assert "(last reminder)" in reminders[-1].title
    assert "STILL FAILED system for 11 min" in reminders[0].title


def test_plan_when_service_is_parked_names_service_and_reason() -> None:
    """Each bad service is a subject of its own, critical failures with the severity page."""
    said = Story().play(5, **FAILED, services=PARKED)
    assert ("open", "trading-bot") in kinds(said)
    alert = next(alert for alert in said if alert.subject == "trading-bot")
    assert alert.severity is Severity.PAGE
    assert "five deaths" in alert.body


def test_plan_when_supervisor_is_silent_says_one_thing_and_concludes_nothing_of_services() -> None:
    """The parent is down: one alert about it, none about services, and no false recovery."""
    story = Story()
    story.play(30, **FAILED, services=PARKED)
    raw = health_bytes(boottime_s=story.now_s, **FAILED, services=PARKED)
    told: list[Alert] = []
    for _ in range(60):
        told += story.step(judge_document(raw, boot_id=BOOT_ID, boottime_s=story.now_s))
    assert kinds(told) == [("worse", "system")]
    assert "supervisor silent" in told[0].body
    assert story.troubles["trading-bot"].announced


@pytest.mark.parametrize("raw", [None, b"", b"{", b"[]", b"null"])
def test_plan_when_health_is_missing_or_broken_pages(raw: bytes | None) -> None:
    """No document is never good news."""
    story = Story()
    told: list[Alert] = []
    for _ in range(5):
        told += story.step(judge_document(raw, boot_id=BOOT_ID, boottime_s=story.now_s))
    assert kinds(told) == [("open", "system")]
    assert told[0].severity is Severity.PAGE


def test_plan_when_stopped_by_the_operator_does_not_page() -> None:
    """A clean stop is an information, and its services are no faults."""
    story = Story()
    told = story.play(20, overall="FAILED", code="STOPPED", reason="stopped by the operator")
    assert kinds(told) == [("open", "system")]
    assert told[0].severity is Severity.INFO


@pytest.mark.parametrize(
    ("state", "cause", "told"),
    [
        ("ACTIVE", "none", False),
        ("REDUCING", "operator", False),
        ("REDUCING", "risk", True),
        ("HALTED", "operator", True),
        ("HALTED", "risk", True),
    ],
)
def test_plan_when_trading_state_changes_tells_what_a_fault_or_limit_did(
    state: str, cause: str, told: bool
) -> None:
    """A pause is the operator's own doing; a halt or a loss limit is news."""
    said = Story().play(15, **DEGRADED, trading_state=state, trading_state_cause=cause)
    assert (("open", "trading") in kinds(said)) is told


@given(st.lists(st.sampled_from(["OK", "DEGRADED", "FAILED", "SILENT"]), max_size=200))
def test_plan_for_any_history_alternates_open_and_recovered(history: list[str]) -> None:
    """Per subject nothing is closed that was not opened and nothing opened twice; a good end
    leaves no trouble behind.
    """
    story = Story()
    for word in (*history, "OK", "LATER", "OK"):
        if word == "LATER":
            story.now_s += CLOSE_AFTER_MAX_S
        elif word == "SILENT":
            story.step(judge_document(None, boot_id=BOOT_ID, boottime_s=story.now_s))
        else:
            reason = {"overall": word, "code": word, "reason": "r"}
            story.step(judged(story.now_s, **reason))
    is_open = False
    for alert in story.said:
        assert is_open is (alert.kind is not Kind.OPEN)
        is_open = alert.kind is not Kind.RECOVERED
    assert not is_open
    assert story.troubles == {}


def test_recovery_tells_the_worst_that_was_said_not_what_came_between() -> None:
    """FAILED, then DEGRADED on the way back, then over: it was FAILED, and its own reason."""
    story = Story()
    story.play(10, **{**FAILED, "reason": "all is lost."})
    between = story.play(10, **DEGRADED)
    told = story.play(30)
    assert between == []
    assert len(told) == 1
    assert told[0].body.startswith("It was FAILED: all is lost. It began ")


def test_failure_when_it_comes_and_goes_to_degraded_pages_once() -> None:
    """What restarts and fails again is one trouble: a page each round would be noise."""
    story = Story()
    told = [
        alert for _ in range(5) for words in (FAILED, DEGRADED) for alert in story.play(10, **words)
    ]
    assert len(told) == 1
