"""health.json: judged anew and written on every change, and once a second at least."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from datetime import timedelta

from services.supervisor.context import Context, Roster
from services.supervisor.incidents import Flip
from services.supervisor.member import Member
from services.supervisor.restart_policy import in_window
from services.supervisor.service_texts import ServiceTexts, shown_service
from services.supervisor.table import TRADING_BOT
from shared.clock import utc_text
from shared.errors import TransientFault
from shared.health.codes import NEXT_ACTION
from shared.health.evidence import judge_service, silent_for_s
from shared.health.hysteresis import HOLD_S, shown_after
from shared.health.rollup import HALTED, JudgedService, rollup
from shared.models.health import (
    SCHEMA_VERSION,
    VALID_S,
    ExitClass,
    HealthCode,
    Phase,
    Status,
    TradingWord,
    Verdict,
)
from shared.persistence.atomic_file import write_document
from shared.telemetry.logs import log_event

WRITE_EVERY_S = 1.0
WRITES_APART_S = 0.02
WRITE_SHARE = 0.2
"""A storm of changes is written at most this often, and writing takes at most this share of the
time: with many services a write takes longer. The first of a storm is written at once."""
GATHER_S = 0.002
"""Deaths that come together are all answered before they are told."""
VERSION = "0.1.0"
_NO_BOT = TradingWord(HALTED, "supervision")


@dataclass(frozen=True, slots=True)
class Identity:
    """Which supervisor writes."""

    pid: int
    started_at: str
    generation: int


class HealthFile:
    """Judges the roster and publishes the verdict."""

    def __init__(self, context: Context, roster: Roster, identity: Identity, seq: int) -> None:
        self._context = context
        self._roster = roster
        self._identity = identity
        self._seq = seq
        self._scheduled = False
        self._next_write_s = 0.0
        self._review_for_s = 0.0
        self._texts = ServiceTexts()
        self._emergency_file = str(context.launch.state.emergency_stop)
        self._broken = False
        self._ended = False
        self.verdict = Verdict(Status.DEGRADED, HealthCode.DEGRADED, "starting", "")
        self._verdict_facts: tuple[object, ...] = ()
        """What the verdict was made of."""
        self.reached_ok_s: float | None = None
        """Monotonic second at which the whole was first OK."""

    def changed(self) -> None:
        """Publish soon; many calls within one moment become one write."""
        if self._scheduled:
            return
        self._scheduled = True
        wait_s = self._next_write_s - self._context.now_s()
        if wait_s <= 0:
            self._context.loop.call_soon(self.publish)
        else:
            self._context.loop.call_later(wait_s, self.publish)

    def died(self, member: Member) -> None:
        """Note the flip of a death at once: a quick restart may be READY before the next write."""
        now_s = self._context.now_s()
        self._judge_member(member, now_s)
        self._next_write_s = max(self._next_write_s, now_s + GATHER_S)

    def publish(self) -> None:
        """Judge and write now; after the last word of a clean end nothing more is written."""
        is_news, self._scheduled = self._scheduled, False
        with self._context.incidents.together():
            self._context.tell()
        # A supervisor that was held may wake up beside its successor's file.
        if self._ended or not self._context.owns_folder():
            return
        began_s = self._context.now_s()
        self.judge()
        self._write(self.verdict, self._trading_word())
        ended_s = self._context.now_s()
        if is_news:
            # The write of each second is no part of a storm, and delays no news after it.
            self._next_write_s = ended_s + max(WRITES_APART_S, (ended_s - began_s) / WRITE_SHARE)

    def review(self) -> None:
        """Judge now, and write only when that changed something: lateness is nobody's event."""
        before = [member.status for member in self._roster], self.verdict.code
        self.judge()
        if before != ([member.status for member in self._roster], self.verdict.code):
            self.changed()

    def fall_silent(self) -> None:
        """Write nothing any more: the folder is gone, or somebody else's."""
        self._ended = True

    def publish_stopped(self, code: HealthCode, reason: str) -> None:
        """Write the last word of a clean end."""
        self._context.tell()
        if self._ended:
            return
        self._ended = True
        verdict = Verdict(Status.FAILED, code, reason, NEXT_ACTION[code])
        self._write(verdict, TradingWord(HALTED, "supervision"))

    def judge(self) -> None:
        """Bring every member's status and the verdict up to date; flips become incidents."""
        now_s = self._context.now_s()
        with self._context.incidents.together():
            judged = [self._judge_member(member, now_s) for member in self._roster]
        trading = None if self._roster.get(TRADING_BOT) is None else self._trading_word()
        facts = (judged, trading, self._emergency_stop())
        if facts != self._verdict_facts:
            self._verdict_facts = facts
            self.verdict = rollup(judged, trading, emergency_stop=facts[-1])
        if self.verdict.overall is Status.OK and self.reached_ok_s is None:
            self.reached_ok_s = now_s

    def _judge_member(self, member: Member, now_s: float) -> JudgedService:
        judged, reason = judge_service(member.evidence(now_s), member.spec.beat)
        before = member.status
        member.shown = shown_after(member.shown, judged, now_s)
        status = member.status
        member.status_reason = reason if status is judged else f"recovering: {reason}"
        if member.shown.better is not None and member.shown.better_since_s == now_s:
            self._review_after(now_s)
        if status is not before or not member.since:
            member.since, member.since_s = self._context.now_text(), now_s
            if not self._context.stopping:
                self._flip(member, before)
        return _judged(member)

    def _review_after(self, now_s: float) -> None:
        """Look again when the evidence of that moment has held; once for all who recover in it."""
        if now_s != self._review_for_s:
            self._review_for_s = now_s
            self._context.loop.call_later(HOLD_S, self.review)

    def _flip(self, member: Member, before: Status) -> None:
        failure_class = member.failure_class()
        exit_class = None if member.last_exit is None else member.last_exit.exit_class
        told = failure_class or exit_class or ExitClass.UNCLASSIFIED
        announced = member.phase is not Phase.RUNNING
        reason = member.status_reason
        silent_s = silent_for_s(member.evidence(self._context.now_s()), member.spec.beat)
        flip = Flip(
            member.name, before, member.status, str(told), reason, announced, round(silent_s, 3)
        )
        self._context.incidents.flip(flip)

    def _emergency_stop(self) -> bool:
        """Whether the file is there; anything but a plain no counts as yes."""
        try:
            os.lstat(self._emergency_file)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def _trading_word(self) -> TradingWord:
        bot = self._roster.get(TRADING_BOT)
        if bot is None or bot.process is None or bot.voice.trading is None:
            return _NO_BOT
        return bot.voice.trading

    def _write(self, verdict: Verdict, trading: TradingWord) -> None:
        context = self._context
        self._seq += 1
        now = context.clock.utc_now()
        guardian_pid, guardian_ticks = context.guardian or (None, None)
        document = {
            "schema_version": SCHEMA_VERSION,
            "seq": self._seq,
            "written_at": utc_text(now),
            "valid_until": utc_text(now + timedelta(seconds=VALID_S)),
            "overall": str(verdict.overall),
            "code": str(verdict.code),
            "reason": verdict.reason,
            "next_action": verdict.next_action,
            "mode": context.launch.mode,
            "chaos_mode": context.launch.chaos_mode,
            "trading_state": trading.state,
            "trading_state_cause": trading.cause,
            "boot_id": context.clock.boot_id(),
            "boottime_s": round(context.clock.boottime_s(), 3),
            "supervisor": {
                "pid": self._identity.pid,
                "started_at": self._identity.started_at,
                "version": VERSION,
                "generation": self._identity.generation,
                "guardian_pid": guardian_pid,
                "guardian_ticks": guardian_ticks,
            },
        }
        services = ", ".join(self._service_text(member) for member in self._roster)
        incidents = context.incidents.as_text()
        head = json.dumps(document)[:-1]
        text = f'{head}, "services": {{{services}}}, "incidents": {incidents}}}'
        try:
            write_document(context.launch.state.health, text.encode())
            self._broken = False
        except TransientFault as fault:
            if not self._broken:
                log_event(context.logger, "health_not_written", str(fault), level=logging.ERROR)
            self._broken = True

    def _service_text(self, member: Member) -> str:
        return self._texts.of(member, self._failures(member))

    def service_documents(self) -> dict[str, dict[str, object]]:
        """Return every service as health.json shows it."""
        return {
            member.name: shown_service(member, self._failures(member)) for member in self._roster
        }

    def _failures(self, member: Member) -> int:
        deaths = self._context.tally.of(member.name).deaths
        if not deaths:
            return 0
        return len(in_window(deaths, member.spec.restart.window_s, self._boottime_s()))

    def _boottime_s(self) -> float:
        return self._context.clock.boottime_s()


def _judged(member: Member) -> JudgedService:
    """Return what the rollup needs; the same value as before where nothing changed."""
    failure_class = member.failure_class()
    facts = (member.spec, member.status, member.status_reason, member.since, failure_class)
    if member.judged is None or facts != member.judged_facts:
        told = f"{member.status_reason} (since {member.since})"
        member.judged_facts = facts
        member.judged = JudgedService(
            member.name, member.status, member.spec.critical, told, failure_class
        )
    return member.judged
