"""The one glance and the gestures: since, title, causes, next action, what a form says it does."""

from __future__ import annotations

import pytest

from services.dashboard.documents import EmergencyStop
from tests.support import documents as sample
from tests.support.readings import page_text, reading, viewed

pytestmark = pytest.mark.unit


def test_causes_when_several_inputs_restrict_stand_in_the_verdict_with_their_section() -> None:
    """What holds trading back, worst first, each a link into the runbook."""
    status = sample.bot_status(
        causes=[
            {"input": "data", "state": "REDUCING", "reason": "quotes are 90 s old"},
            {"input": "operator", "state": "ACTIVE", "reason": ""},
            {"input": "unknown_outcome", "state": "HALTED", "reason": "one order is unknown"},
        ]
    )
    view = viewed(reading(bot_status=status))
    assert [(cause.name, cause.state) for cause in view.causes] == [
        ("unknown outcome", "HALTED"),
        ("data", "REDUCING"),
    ]
    assert 'href="/runbook#cause-unknown_outcome"' in page_text(view, signed_in=False)


def test_since_when_an_emergency_stop_is_the_only_cause_is_its_moment() -> None:
    """No service is bad: the verdict is as old as the stop."""
    raw = sample.health_bytes(overall="DEGRADED", code="DEGRADED")
    stop = EmergencyStop(reason="r", by="b", at=sample.stamp(50))
    verdict = viewed(reading(health=raw, emergency_stop=stop)).verdict
    assert (verdict.since, verdict.lasts) == ("17:59:10 UTC", "50 s")


def test_since_when_no_culprit_is_known_is_unknown() -> None:
    """The moment of the document moves on each second, so it is no beginning."""
    raw = sample.health_bytes(overall="DEGRADED", code="DEGRADED")
    assert viewed(reading(health=raw)).verdict.since == "–"  # noqa: RUF001  the page's own sign


def test_since_when_a_supportive_service_failed_earlier_is_the_critical_ones() -> None:
    """FAILED began when a critical service failed, not when the alarm fell silent."""
    services = {
        "heartbeat": {"status": "FAILED", "since": sample.stamp(90)},
        "trading-bot": {"status": "FAILED", "since": sample.stamp(30)},
    }
    raw = sample.health_bytes(overall="FAILED", code="FAILED", services=services)
    assert viewed(reading(health=raw)).verdict.lasts == "30 s"


def test_title_when_something_is_wrong_says_code_since_mode_and_cause() -> None:
    """The tab is read from afar: the worst word first, the cause cut to fit."""
    bad = {"trading-bot": {"status": "FAILED", "since": sample.stamp(33)}}
    raw = sample.health_bytes(
        overall="FAILED", code="FAILED_CONFIG", services=bad, reason="keys refused " * 9
    )
    title = viewed(reading(health=raw)).verdict.title
    assert title.startswith("FAILED_CONFIG for 33 s · SIM · keys refused")
    assert title.endswith("…")


def test_next_action_when_it_names_a_section_is_a_link_to_it() -> None:
    """One click from the verdict to what a person does; other markup stays text."""
    raw = sample.health_bytes(next_action="<b>Mend</b>. See RUNBOOK.md#failed_config.")
    html = page_text(viewed(reading(health=raw)), signed_in=False)
    assert '<a href="/runbook#failed_config">RUNBOOK.md#failed_config</a>' in html
    assert "&lt;b&gt;Mend" in html


GESTURES = {
    "gesture-stop": ("", "sell anything"),
    "gesture-pause": ("", "no emergency stop"),
    "gesture-resume": ("RESUME", "lift an emergency stop"),
    "gesture-clear": ("CLEAR", "open anything again"),
    "gesture-close": ("CLOSE", "touch other positions"),
    "gesture-flatten": ("FLATTEN", "touch external shares"),
}


@pytest.mark.parametrize("gesture", GESTURES)
def test_gesture_says_its_scope_what_it_will_not_do_and_asks_for_its_word(gesture: str) -> None:
    """Six gestures that cannot be taken for each other."""
    html = page_text(viewed(reading()), signed_in=True)
    card = html.partition(f'id="{gesture}"')[2].partition("</form>")[0]
    word, not_done = GESTURES[gesture]
    assert "Will not" in card
    assert not_done in card
    assert (f"Type <b>{word}</b>" in card) is bool(word)
    assert ("SIM" in card) or gesture == "gesture-pause"
