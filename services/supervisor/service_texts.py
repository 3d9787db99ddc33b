"""A service as health.json shows it; its text is made anew only when something of it changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from services.supervisor.member import Member
from shared.models.health import ServiceHealth


def shown_service(member: Member, failures: int) -> dict[str, object]:
    """Return a service under the names of health.json; `failures` are those in its window."""
    rule, voice, process = member.spec.restart, member.voice, member.process
    return ServiceHealth(
        status=member.status,
        critical=member.spec.critical,
        phase=member.phase,
        since=member.since,
        reason=member.status_reason,
        pid=None if process is None else process.pid,
        started_at=None if process is None else member.started_at,
        restarts=member.restarts,
        adopted=member.adopted,
        failures_in_window=failures,
        max_failures=rule.max_failures,
        window_s=rule.window_s,
        last_beat_at=voice.beat_at,
        progress=voice.progress,
        last_exit=member.last_exit,
        cpu_percent=member.cpu_percent,
        rss_bytes=member.rss_bytes,
        metrics=voice.metrics,
    ).as_document()


@dataclass(slots=True)
class ServiceTexts:
    """The members of "services" in health.json, remembered by the facts they were made of."""

    _made: dict[str, tuple[tuple[object, ...], str]] = field(default_factory=dict)

    def of(self, member: Member, failures: int) -> str:
        """Return `"name": {...}`."""
        facts = _facts(member, failures)
        made = self._made.get(member.name)
        if made is not None and made[0] == facts:
            return made[1]
        text = f"{json.dumps(member.name)}: {json.dumps(shown_service(member, failures))}"
        self._made[member.name] = (facts, text)
        return text


def _facts(member: Member, failures: int) -> tuple[object, ...]:
    """Return all that `shown_service` reads; what a tuple compares first is identity, so cheaply.

    The metrics are replaced, never changed in place.
    """
    voice = member.voice
    return (
        member.spec,
        member.shown,
        member.phase,
        member.since,
        member.status_reason,
        member.process,
        member.started_at,
        member.restarts,
        member.adopted,
        failures,
        voice.beat_at,
        voice.progress,
        member.last_exit,
        member.cpu_percent,
        member.rss_bytes,
        voice.metrics,
    )
