"""Incidents: what broke, what was done, how long it took; a ring for health.json, lines on disk."""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from shared.clock import Clock, parse_utc, utc_text
from shared.health.codes import is_worse
from shared.models.health import Incident, Status
from shared.telemetry.logs import log_event

INCIDENTS_KEPT = 50


class Step(StrEnum):
    """The shape of every healing action."""

    DETECT = "DETECT"
    CLASSIFY = "CLASSIFY"
    RESPOND = "RESPOND"
    RECOVER = "RECOVER"
    HALT = "HALT"


@dataclass(frozen=True, slots=True)
class Flip:
    """A change of one service's status."""

    service: str
    before: Status
    after: Status
    failure_class: str
    reason: str
    announced: bool
    """A death behind it has been written already; the flip itself need not be."""
    detected_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    """An incident, and the monotonic second at which it began; None when another noted it."""

    incident: Incident
    began_s: float | None = None


class IncidentBook:
    """The last incidents, and the journal of every step."""

    def __init__(self, path: Path, clock: Clock, logger: logging.Logger) -> None:
        self._path = path
        self._clock = clock
        self._logger = logger
        self._ring: deque[_Entry] = deque(maxlen=INCIDENTS_KEPT)
        self._ring_text: str | None = None
        self._held: list[str] | None = None

    def restore(self, documents: list[Any]) -> None:
        """Take over what an earlier supervisor had in health.json."""
        for entry in documents:
            try:
                incident = Incident(
                    utc_text(parse_utc(str(entry["at"]))),
                    str(entry["service"]),
                    str(entry["from"]),
                    str(entry["to"]),
                    str(entry["class"]),
                    str(entry["reason"]),
                    entry["recovered_after_s"],
                    entry.get("detected_after_s"),
                )
                self._add(_Entry(incident))
            except (KeyError, TypeError, ValueError, OverflowError):
                continue

    def as_documents(self) -> list[dict[str, object]]:
        """Return the ring for health.json, oldest first."""
        return [entry.incident.as_document() for entry in self._ring]

    def as_text(self) -> str:
        """Return the ring as JSON; made anew only when it changed."""
        if self._ring_text is None:
            self._ring_text = json.dumps(self.as_documents())
        return self._ring_text

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write the lines of all steps within by one call; not to be nested."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            if held:
                self._append("".join(held))

    def _add(self, entry: _Entry) -> None:
        self._ring.append(entry)
        self._ring_text = None

    def step(
        self, step: Step, service: str, message: str, failure_class: str | None = None
    ) -> None:
        """Append one line to logs/incidents.jsonl; a full disk must not stop healing."""
        line = {
            "ts": utc_text(self._clock.utc_now()),
            "event": str(step),
            "service": service,
            "class": failure_class,
            "msg": message,
        }
        log_event(
            self._logger,
            f"incident_{step.lower()}",
            f"{service}: {message}",
            failure_class=failure_class,
        )
        if self._held is None:
            self._append(json.dumps(line) + "\n")
        else:
            self._held.append(json.dumps(line) + "\n")

    def _append(self, lines: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                os.write(descriptor, lines.encode())
            finally:
                os.close(descriptor)
        except OSError as fault:
            log_event(self._logger, "incident_not_written", str(fault), level=logging.ERROR)

    def flip(self, flip: Flip) -> None:
        """Open an incident when it got worse; close the service's open ones when it is OK."""
        now = utc_text(self._clock.utc_now())
        if is_worse(flip.after, flip.before):
            incident = Incident(
                now,
                flip.service,
                str(flip.before),
                str(flip.after),
                flip.failure_class,
                flip.reason,
                detected_after_s=flip.detected_after_s,
            )
            self._add(_Entry(incident, self._clock.monotonic_s()))
            if not flip.announced:
                message = f"{flip.before} -> {flip.after}: {flip.reason}"
                self.step(Step.DETECT, flip.service, message, failure_class=flip.failure_class)
        elif flip.after is Status.OK:
            self._close(flip.service)

    def is_open(self, service: str) -> bool:
        """Whether an incident of that service is not over yet."""
        return any(
            entry.incident.service == service and entry.incident.recovered_after_s is None
            for entry in self._ring
        )

    def _close(self, service: str) -> None:
        longest_s = None
        for index, entry in enumerate(self._ring):
            incident = entry.incident
            if incident.service != service or incident.recovered_after_s is not None:
                continue
            lasted_s = self._lasted_s(entry)
            closed = replace(incident, recovered_after_s=round(lasted_s, 3))
            self._ring[index] = replace(entry, incident=closed)
            self._ring_text = None
            longest_s = max(longest_s or 0.0, lasted_s)
        if longest_s is not None:
            self.step(Step.RECOVER, service, f"OK again after {longest_s:.3f} s")

    def _lasted_s(self, entry: _Entry) -> float:
        """Seconds since it began, by the wall clock only when nothing better was handed down."""
        if entry.began_s is not None:
            return self._clock.monotonic_s() - entry.began_s
        began = parse_utc(entry.incident.at)
        return max(0.0, (self._clock.utc_now() - began).total_seconds())

    def record(self, incident: Incident) -> None:
        """Add an incident that is no flip of a service, such as our own death."""
        self._add(_Entry(incident))
