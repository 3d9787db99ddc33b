"""What heartbeat keeps until it is delivered, and when it pings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from services.heartbeat import outbox
from services.heartbeat.outbox import LOG, PEOPLE, Memory
from services.heartbeat.ping import LastPing, is_due, ping_word
from services.heartbeat.plan import (
    Alert,
    Kind,
    Severity,
)
from shared.health.judge import judge_document
from tests.support.documents import BOOT_ID
from tests.support.heartbeat_story import DEGRADED, FAILED, PARKED, START_S, Story, judged

pytestmark = pytest.mark.unit


def alert(severity: Severity, subject: str = "system") -> Alert:
    """An opening alert."""
    return Alert(Kind.OPEN, subject, severity, f"{severity.value} {subject}", "body")


def test_compose_when_many_at_once_makes_one_message_with_the_worst_first() -> None:
    """A storm is one message."""
    title, body, severity = outbox.compose(
        [alert(Severity.WARN, "a"), alert(Severity.PAGE, "b"), alert(Severity.WARN, "c")]
    )
    assert title == "page b (and 2 more)"
    assert severity is Severity.PAGE
    assert body.count("\n") == 2


def test_outbox_when_full_drops_the_oldest_of_the_least_important() -> None:
    """Pages are kept when everything cannot be, and what was dropped is counted."""
    memory = outbox.with_alerts(Memory(), [alert(Severity.PAGE, "first")], (PEOPLE,))
    for number in range(outbox.MESSAGES_MAX + 5):
        memory = outbox.with_alerts(memory, [alert(Severity.WARN, str(number))], (PEOPLE,))
    assert len(memory.outbox) == outbox.MESSAGES_MAX
    assert memory.dropped == 6
    assert memory.outbox[0].title == "page first"
    assert memory.outbox[1].title == "warn 6"


def test_outbox_when_one_channel_took_a_message_keeps_it_for_the_other() -> None:
    """A message leaves only when every channel has taken it."""
    memory = outbox.with_alerts(Memory(), [alert(Severity.PAGE)], (LOG, PEOPLE))
    memory = outbox.delivered(memory, "alert-1", LOG)
    assert outbox.due(memory, LOG, 0.0) is None
    assert outbox.due(memory, PEOPLE, 0.0) is not None
    assert outbox.delivered(memory, "alert-1", PEOPLE).outbox == ()


def test_outbox_when_delivery_fails_waits_longer_each_time_up_to_a_cap() -> None:
    """A receiver that is down is asked ever more seldom, but never given up."""
    memory = outbox.with_alerts(Memory(), [alert(Severity.PAGE)], (PEOPLE,))
    pauses = []
    for _ in range(40):
        memory = outbox.refused(memory, "alert-1", 100.0)
        pauses.append(memory.outbox[0].next_try_s - 100.0)
    assert pauses[:3] == [5.0, 10.0, 20.0]
    assert pauses[-1] == outbox.PAUSE_MAX_S
    assert outbox.due(memory, PEOPLE, 100.0) is None


def test_memory_when_written_and_read_is_the_same() -> None:
    """What was said and what waits survive the process, through real JSON."""
    story = Story()
    said = story.play(30, **FAILED, services=PARKED)
    memory = replace(
        outbox.with_alerts(Memory(), said, (LOG, PEOPLE)), troubles=story.troubles, dropped=3
    )
    document = json.loads(json.dumps(outbox.as_document(memory, BOOT_ID)))
    assert outbox.from_document(document, BOOT_ID, story.now_s) == memory


def test_memory_when_read_after_a_reboot_keeps_what_was_said_and_drops_the_pauses() -> None:
    """Seconds since boot mean nothing in another boot; the open trouble is not announced again."""
    story = Story()
    said = story.play(30, **FAILED)
    memory = replace(outbox.with_alerts(Memory(), said, (PEOPLE,)), troubles=story.troubles)
    memory = outbox.refused(memory, "alert-1", 5_000.0)
    document = json.loads(json.dumps(outbox.as_document(memory, BOOT_ID)))
    after = outbox.from_document(document, "another boot", 12.0)
    assert after.troubles["system"].announced
    assert after.troubles["system"].began_s == 12.0
    assert outbox.due(after, PEOPLE, 12.0) is not None


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 2},
        {"version": 1, "boot_id": "", "sequence": 0, "dropped": 0, "troubles": [1], "outbox": []},
        {"version": 1, "boot_id": "", "sequence": "x", "dropped": 0, "troubles": [], "outbox": []},
    ],
)
def test_memory_when_it_does_not_fit_is_refused(document: dict[str, Any]) -> None:
    """Anything else than our own document is a ValueError, nothing more surprising."""
    with pytest.raises(ValueError, match=r".+"):
        outbox.from_document(document, BOOT_ID, 0.0)


def test_ping_word_when_not_fresh_or_failed_is_fail() -> None:
    """All is well only on a fresh document that is not FAILED."""
    assert ping_word(judged(START_S)) == ""
    assert ping_word(judged(START_S, **DEGRADED)) == ""
    assert ping_word(judged(START_S, **FAILED)) == "fail"
    assert ping_word(judge_document(None, boot_id=BOOT_ID, boottime_s=0.0)) == "fail"


@pytest.mark.parametrize(
    ("word", "last", "now_s", "due"),
    [
        ("", None, 0.0, True),
        ("", LastPing("", 0.0), 59.0, False),
        ("", LastPing("", 0.0), 60.0, True),
        ("fail", LastPing("", 0.0), 9.0, False),
        ("fail", LastPing("", 0.0), 10.0, True),
        ("", LastPing("fail", 0.0), 10.0, True),
    ],
)
def test_ping_is_due_each_minute_and_sooner_on_a_flip(
    word: str, last: LastPing | None, now_s: float, due: bool
) -> None:
    """The receiver is pinged each minute, within ten seconds of a flip, never faster."""
    assert is_due(word, last, now_s) is due
