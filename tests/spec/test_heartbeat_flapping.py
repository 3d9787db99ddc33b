"""heartbeat and what comes and goes: neither a stream of messages nor silence."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.heartbeat import memory_document, outbox
from services.heartbeat.findings import findings
from services.heartbeat.outbox import BODY_CHARACTERS_MAX, TITLE_CHARACTERS_MAX, Memory
from services.heartbeat.plan import CLOSE_AFTER_MAX_S, RETURN_WITHIN_S, Alert, End, Kind
from services.heartbeat.rows import number
from services.heartbeat.subjects import Facts, Severity
from tests.support import documents as sample
from tests.support.heartbeat_story import DEGRADED, FAILED, PARKED, START_S, Story, judged, kinds

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("down_s", "up_s"), [(12, 7), (20, 40), (60, 240)])
def test_service_when_it_flaps_for_an_hour_is_a_handful_of_messages(down_s: int, up_s: int) -> None:
    """Each return makes the next end wait longer; the last message is the true end."""
    story = Story()
    for _ in range(3_600 // (down_s + up_s)):
        story.play(down_s, **FAILED)
        story.play(up_s)
    news = [alert for alert in story.said if alert.kind is not Kind.REMINDER]
    assert 3 <= len(news) <= 9
    story.now_s += CLOSE_AFTER_MAX_S
    story.play(10)
    assert story.said[-1].kind is Kind.RECOVERED
    assert "came back" in story.said[-1].body
    assert story.troubles == {}


def test_service_when_it_fails_again_much_later_is_told_as_if_for_the_first_time() -> None:
    """After a quiet hour nothing of the patience is left, and nothing is remembered."""
    story = Story()
    for _ in range(3):
        story.play(30, **FAILED)
        story.play(100)
    story.now_s += RETURN_WITHIN_S
    story.play(1)
    assert story.ends == {}
    told = story.play(30, **FAILED) + story.play(10)
    assert kinds(told) == [("open", "system"), ("recovered", "system")]
    assert "came back" not in told[0].body


def test_fault_when_it_flickers_before_it_was_announced_is_announced_all_the_same() -> None:
    """Nine bad seconds in ten are no health, though none of them lasts long enough alone."""
    story = Story()
    for _ in range(3):
        story.play(9, **DEGRADED)
        story.play(1)
    assert kinds(story.said) == [("open", "system")]


def test_blips_when_they_are_rare_say_nothing() -> None:
    """A second of DEGRADED each quarter of a minute is no trouble; their time is not added up."""
    story = Story()
    for _ in range(40):
        story.play(1, **DEGRADED)
        story.play(14)
    assert story.said == []


def test_blips_when_two_come_within_seconds_count_only_while_they_are_there() -> None:
    """Two quick restarts wake nobody: the well time between them is no time of failure."""
    story = Story()
    story.play(1, **FAILED)
    story.play(3)
    story.play(1, **FAILED)
    story.play(30)
    assert story.said == []


def test_blip_of_failed_when_the_rest_is_degraded_wakes_nobody() -> None:
    """A critical service on its way back is no page because it was down for a moment."""
    story = Story()
    said = story.play(1, **FAILED, services=PARKED) + story.play(8, **DEGRADED) + story.play(30)
    assert said == []


def test_end_when_read_from_disk_is_still_known() -> None:
    """A kill of heartbeat does not make a flapping service a new one; a reboot keeps it, too."""
    memory = Memory(ends={"system": End(2, START_S)})
    document = json.loads(json.dumps(memory_document.as_document(memory, sample.BOOT_ID)))
    assert memory_document.from_document(document, sample.BOOT_ID, START_S + 9) == memory
    after = memory_document.from_document(document, "another boot", 12.0)
    assert after.ends == {"system": End(2, 12.0)}
    before = {name: value for name, value in document.items() if name != "ends"}
    assert memory_document.from_document(before, sample.BOOT_ID, START_S).ends == {}


def test_storm_when_it_is_huge_is_one_message_that_every_channel_takes() -> None:
    """A thousand parked services and an endless reason: the worst first, and how many are left."""
    bad = {**PARKED["trading-bot"], "critical": True, "reason": "x\n" * 9_000}
    services = {f"service-{number}": bad for number in range(1_000)}
    failed: dict[str, Any] = {**FAILED, "reason": "y" * 20_000}
    story = Story()
    document = sample.health_document(boottime_s=START_S, **failed)
    judgement = replace(judged(START_S, **failed), document={**document, "services": services})
    for _ in range(4):
        story.step(judgement)
    title, body, severity = outbox.compose(story.said)
    assert severity is Severity.PAGE
    assert len(title) <= TITLE_CHARACTERS_MAX
    assert len(body) <= BODY_CHARACTERS_MAX
    assert len(story.said) == 1_001
    told = body.count("service-")
    assert body.endswith(f"- and {1_000 - told} more: see status")
    memory = replace(outbox.with_alerts(Memory(), story.said, ("log",)), troubles=story.troubles)
    size = len(json.dumps(memory_document.as_document(memory, sample.BOOT_ID)))
    assert size < 1_500_000


def test_message_when_its_only_line_is_endless_is_cut() -> None:
    """One alert alone is bounded, too."""
    alert = Alert(Kind.OPEN, "system", Severity.PAGE, "t" * 999, "b" * 99_999)
    title, body, _ = outbox.compose([alert])
    assert (len(title), body[-3:]) == (TITLE_CHARACTERS_MAX, "...")
    assert len(body) <= BODY_CHARACTERS_MAX


_LEAF = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(10**400), 10**400)
    | st.sampled_from(["OK", "FAILED", "daily_loss", "contracts", "HALTED", ""])
)
_ANY: st.SearchStrategy[Any] = st.recursive(
    _LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "used_pct", "symbol", "qty", "protected_qty", "status", "metrics"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
_PLACES = ("limits", "positions", "causes", "external_positions", "external_uncovered")


def test_number_when_no_float_can_hold_it_is_beyond_every_limit() -> None:
    """JSON knows numbers without end; what is no number at all is zero."""
    huge = [number(value) for value in (10**400, -(10**400), True, "7", None, 7)]
    assert huge == [math.inf, -math.inf, 0.0, 0.0, 0.0, 7.0]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(_PLACES), _ANY), _ANY, _ANY)
def test_findings_when_documents_hold_anything_anywhere_never_fail(
    bot: dict[str, Any], entry: Any, trading: Any
) -> None:
    """One odd field must not end the process that alone could tell of it."""
    services = {"trading-bot": entry, "dashboard": {"failures_in_window": entry}}
    health = {"services": services, "trading_state": trading, "trading_state_cause": entry}
    judgement = replace(judged(START_S), document={**sample.health_document(), **health})
    for finding in findings(judgement, Facts(bot=bot)):
        assert finding.subject
        assert len(finding.detail) <= 500
