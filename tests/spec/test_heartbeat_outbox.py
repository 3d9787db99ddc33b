"""What heartbeat keeps until it is delivered, and when it pings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from services.heartbeat import memory_document, outbox
from services.heartbeat.outbox import LOG, Memory
from services.heartbeat.ping import LastPing, is_due, ping_address, ping_word
from services.heartbeat.plan import (
    Alert,
    Kind,
)
from services.heartbeat.subjects import Severity
from shared.errors import SchemaFault
from shared.health.judge import judge_document
from tests.support.documents import BOOT_ID
from tests.support.heartbeat_story import DEGRADED, FAILED, PARKED, START_S, Story, judged

pytestmark = pytest.mark.unit


MESSAGE = {
    "id": "alert-1",
    "title": "t",
    "body": "b",
    "severity": "page",
    "channels": ["people-1"],
    "refusals": {"people-1": 1},
    "not_before_s": {"people-1": 1.0},
}


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
    memory = outbox.with_alerts(Memory(), [alert(Severity.PAGE, "first")], ("people-1",))
    for number in range(outbox.MESSAGES_MAX + 5):
        memory = outbox.with_alerts(memory, [alert(Severity.WARN, str(number))], ("people-1",))
    assert len(memory.outbox) == outbox.MESSAGES_MAX
    assert memory.dropped == 6
    assert memory.outbox[0].title == "page first"
    assert memory.outbox[1].title == "warn 6"


def test_outbox_when_one_channel_took_a_message_keeps_it_for_the_other() -> None:
    """A message leaves only when every channel has taken it."""
    memory = outbox.with_alerts(Memory(), [alert(Severity.PAGE)], (LOG, "people-1"))
    memory = outbox.delivered(memory, "alert-1", LOG)
    assert outbox.due(memory, LOG, 0.0) is None
    assert outbox.due(memory, "people-1", 0.0) is not None
    assert outbox.delivered(memory, "alert-1", "people-1").outbox == ()


def test_outbox_when_delivery_fails_waits_longer_each_time_up_to_a_cap() -> None:
    """A receiver that is down is asked ever more seldom, but never given up."""
    memory = outbox.with_alerts(Memory(), [alert(Severity.PAGE)], ("people-1",))
    pauses = []
    for _ in range(40):
        memory = outbox.refused(memory, "alert-1", "people-1", 100.0)
        pauses.append(memory.outbox[0].not_before_s["people-1"] - 100.0)
    assert pauses[:3] == [5.0, 10.0, 20.0]
    assert pauses[-1] == outbox.PAUSE_MAX_S
    assert outbox.due(memory, "people-1", 100.0) is None
    assert memory.outbox[0].attempts == 40


def test_outbox_when_one_channel_refuses_delays_no_other() -> None:
    """Who was busy while another refused is served at once, whatever pause that one has earned."""
    memory = outbox.with_alerts(Memory(), [alert(Severity.PAGE)], ("people-1", "people-2"))
    for _ in range(9):
        memory = outbox.refused(memory, "alert-1", "people-1", 100.0)
    assert outbox.due(memory, "people-1", 100.0) is None
    assert outbox.due(memory, "people-2", 100.0) is not None
    memory = outbox.refused(memory, "alert-1", "people-2", 100.0)
    assert outbox.due(memory, "people-2", 100.0 + outbox.FIRST_PAUSE_S) is not None


def test_memory_when_written_and_read_is_the_same() -> None:
    """What was said and what waits survive the process, through real JSON."""
    story = Story()
    said = story.play(30, **FAILED, services=PARKED)
    memory = replace(
        outbox.with_alerts(Memory(), said, (LOG, "people-1")), troubles=story.troubles, dropped=3
    )
    document = json.loads(json.dumps(memory_document.as_document(memory, BOOT_ID)))
    assert memory_document.from_document(document, BOOT_ID, story.now_s) == memory


def test_memory_when_read_after_a_reboot_keeps_what_was_said_and_drops_the_pauses() -> None:
    """Seconds since boot mean nothing in another boot; the open trouble is not announced again."""
    story = Story()
    said = story.play(30, **FAILED)
    memory = replace(outbox.with_alerts(Memory(), said, ("people-1",)), troubles=story.troubles)
    memory = outbox.refused(memory, "alert-1", "people-1", 5_000.0)
    document = json.loads(json.dumps(memory_document.as_document(memory, BOOT_ID)))
    after = memory_document.from_document(document, "another boot", 12.0)
    assert after.troubles["system"].announced
    assert after.troubles["system"].began_s == 12.0
    assert outbox.due(after, "people-1", 12.0) is not None


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 0},
        {
            "version": 1,
            "boot_id": "",
            "sequence": 0,
            "dropped": 0,
            "troubles": [],
            "outbox": [{**MESSAGE, "not_before_s": {"people-1": 10**400}}],
        },
        {"version": 1, "boot_id": "", "sequence": 0, "dropped": 0, "troubles": [1], "outbox": []},
        {"version": 1, "boot_id": "", "sequence": "x", "dropped": 0, "troubles": [], "outbox": []},
    ],
)
def test_memory_when_it_does_not_fit_is_refused(document: dict[str, Any]) -> None:
    """Anything else than our own document is a ValueError, nothing more surprising."""
    with pytest.raises(ValueError, match=r".+"):
        memory_document.from_document(document, BOOT_ID, 0.0)


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


def test_memory_when_of_a_newer_version_is_a_schema_fault() -> None:
    """A newer program's file is left alone by everybody older."""
    with pytest.raises(SchemaFault, match="version 2"):
        memory_document.from_document({"version": 2}, BOOT_ID, 0.0)


def test_memory_when_its_times_lie_in_the_future_waits_no_longer_than_ever() -> None:
    """A clock that ran wrong cannot keep an alert back for days."""
    document = memory_document.as_document(Memory(outbox=(outbox.Message(**_page(9e9)),)), BOOT_ID)
    after = memory_document.from_document(document, BOOT_ID, 100.0)
    assert after.outbox[0].not_before_s == {"people-1": 100.0 + outbox.PAUSE_MAX_S}
    story = Story()
    story.play(30, **FAILED)
    memory = Memory(troubles=story.troubles)
    read = memory_document.from_document(memory_document.as_document(memory, BOOT_ID), BOOT_ID, 7.0)
    assert {trouble.began_s for trouble in read.troubles.values()} == {7.0}


def _page(not_before_s: float) -> dict[str, Any]:
    return {
        **MESSAGE,
        "severity": Severity.PAGE,
        "channels": ("people-1",),
        "not_before_s": {"people-1": not_before_s},
    }


@pytest.mark.parametrize(
    ("now", "channels", "dropped"),
    [
        ((LOG, "people-1", "people-2"), ("people-2",), 0),
        ((LOG, "people-1"), ("people-1",), 0),
        ((LOG,), None, 1),
    ],
)
def test_outbox_when_addresses_have_changed_waits_only_for_those_that_exist(
    now: tuple[str, ...], channels: tuple[str, ...] | None, dropped: int
) -> None:
    """What nobody can take any more goes to who is there, or is counted as dropped."""
    old = (LOG, "people-1", "people-2")
    memory = outbox.with_alerts(Memory(), [alert(Severity.PAGE)], old)
    for taken in (LOG, "people-1"):
        memory = outbox.delivered(memory, "alert-1", taken)
    after = outbox.readdressed(memory, now)
    assert (after.outbox[0].channels if after.outbox else None) == channels
    assert after.dropped == dropped


@pytest.mark.parametrize(
    ("url", "word", "address"),
    [
        ("https://h/ping/abc", "", "https://h/ping/abc"),
        ("https://h/ping/abc/", "fail", "https://h/ping/abc/fail"),
        ("https://h/push/T?status=up&msg=OK", "fail", "https://h/push/T/fail?status=up&msg=OK"),
        ("https://h/push/T?status=up", "", "https://h/push/T?status=up"),
    ],
)
def test_ping_address_puts_the_word_at_the_end_of_the_path(
    url: str, word: str, address: str
) -> None:
    """A word behind a question mark would be part of a value, and `fail` read as well."""
    assert ping_address(url, word) == address


def test_ping_when_the_last_one_was_not_taken_is_due_sooner() -> None:
    """One lost ping does not wake anybody: it is sent again before the receiver misses it."""
    assert not is_due("", LastPing("", 0.0), 9.0, failed=True)
    assert is_due("", LastPing("", 0.0), 10.0, failed=True)
