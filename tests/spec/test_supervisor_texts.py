"""What of health.json is remembered between two writes is never older than the facts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from services.supervisor.member import Member
from services.supervisor.processes import Process
from services.supervisor.service_texts import ServiceTexts, shown_service
from services.supervisor.table import Defaults, parse_table
from shared.models.health import ExitClass, LastExit, Phase, Status

pytestmark = pytest.mark.unit

LAST_EXIT = LastExit(1, None, ExitClass.UNCLASSIFIED, "2026-11-20T18:00:00.000Z", 3.0)
CHANGES: dict[str, Callable[[Member], object]] = {
    "status": lambda it: setattr(it, "shown", replace(it.shown, status=Status.FAILED)),
    "critical": lambda it: setattr(it, "spec", replace(it.spec, critical=not it.spec.critical)),
    "phase": lambda it: setattr(it, "phase", Phase.RUNNING),
    "since": lambda it: setattr(it, "since", "2026-11-20T18:00:00.000Z"),
    "reason": lambda it: setattr(it, "status_reason", "late"),
    "pid": lambda it: setattr(it, "process", Process(41, 3, 5)),
    "started_at": lambda it: setattr(it, "started_at", "2026-11-20T18:00:00.000Z"),
    "restarts": lambda it: setattr(it, "restarts", 2),
    "adopted": lambda it: setattr(it, "adopted", True),
    "max_failures": lambda it: setattr(
        it, "spec", replace(it.spec, restart=replace(it.spec.restart, max_failures=9))
    ),
    "window_s": lambda it: setattr(
        it, "spec", replace(it.spec, restart=replace(it.spec.restart, window_s=9.0))
    ),
    "last_beat_at": lambda it: setattr(it.voice, "beat_at", "2026-11-20T18:00:00.000Z"),
    "progress": lambda it: setattr(it.voice, "progress", 7),
    "last_exit": lambda it: setattr(it, "last_exit", LAST_EXIT),
    "cpu_percent": lambda it: setattr(it, "cpu_percent", 1.5),
    "rss_bytes": lambda it: setattr(it, "rss_bytes", 4096),
    "metrics": lambda it: setattr(it.voice, "metrics", {"X_LAG": 1.0}),
}


def a_member() -> Member:
    """Return a service whose process runs."""
    table = '[service.bot]\ncommand = ["true"]\n'
    member = Member(parse_table(table, "sim", Defaults(5, 600.0))[0])
    member.process, member.started_at = Process(40, 3, 5), "2026-11-20T17:00:00.000Z"
    return member


def written(texts: ServiceTexts, member: Member, failures: int) -> object:
    """Return what a reader of health.json would find."""
    return json.loads("{" + texts.of(member, failures) + "}")["bot"]


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_text_when_one_fact_changed_then_the_next_writing_shows_it(name: str) -> None:
    """No field of a service may be remembered past its change."""
    member, texts = a_member(), ServiceTexts()
    before = written(texts, member, 0)

    CHANGES[name](member)
    after = written(texts, member, 0)

    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert after == shown_service(member, 0)
    assert after[name] != before[name]


def test_text_when_a_failure_leaves_the_window_then_the_next_writing_shows_it() -> None:
    """Failures fall out of their window by time alone, without any event."""
    member, texts = a_member(), ServiceTexts()

    assert written(texts, member, 1) != written(texts, member, 0)


def test_texts_when_every_field_is_listed_then_none_was_forgotten_here() -> None:
    """A field that is added to health.json is added to this test."""
    assert set(shown_service(a_member(), 0)) == {*CHANGES, "failures_in_window"}
