"""One supervised service: its row, its process, what it said, and what was asked of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from services.supervisor.notify_socket import NotifySocket
from services.supervisor.notify_words import Words
from services.supervisor.plan import NeedFacts, WatchFacts
from services.supervisor.processes import Process
from services.supervisor.restart_policy import Park
from services.supervisor.silence import Silence
from services.supervisor.table import ServiceSpec
from shared.health.evidence import Evidence
from shared.health.hysteresis import Shown
from shared.health.rollup import JudgedService
from shared.models.health import ExitClass, LastExit, Phase, Status, TradingWord


class After(StrEnum):
    """What follows an end that was asked for."""

    STAY_DOWN = "stay down"
    START_AGAIN = "start again"
    PARK = "park"


@dataclass(frozen=True, slots=True)
class Ask:
    """An end that somebody asked for."""

    reason: str
    after: After = After.STAY_DOWN


@dataclass(slots=True)
class Voice:
    """What the present process has said so far; seconds on the monotonic clock."""

    ready_s: float | None = None
    beat_s: float | None = None
    beat_at: str | None = None
    progress: int | None = None
    progress_s: float = 0.0
    extended_until_s: float = 0.0
    signs: int = 0
    """Signs of life so far."""
    status: Status | None = None
    reason: str = ""
    failure_class: ExitClass | None = None
    trading: TradingWord | None = None
    port: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    def hear(self, words: Words, now_s: float, now_text: str) -> None:
        """Take in what one datagram said."""
        self.signs += words.ready or words.beat
        if words.ready and self.ready_s is None:
            self.ready_s = now_s
        if words.beat:
            self.beat_s, self.beat_at = now_s, now_text
            # What it asked more time for is over: a hang that follows must not hide behind it.
            self.extended_until_s = 0.0
        if words.progress is not None and words.progress != self.progress:
            self.progress, self.progress_s = words.progress, now_s
        if words.extend_s is not None:
            self.extended_until_s = now_s + words.extend_s
        if words.health is not None:
            self.status = words.health
            self.reason = words.reason or ""
            self.failure_class = words.failure_class
        self.metrics = words.metrics if words.metrics is not None else self.metrics
        self.trading = words.trading or self.trading
        self.port = words.port or self.port

    def excuse(self, held_s: float, now_s: float) -> None:
        """Let so many seconds, in which nobody listened, count for none of its silence."""
        if self.ready_s is not None:
            self.ready_s = min(now_s, self.ready_s + held_s)
        if self.beat_s is not None:
            self.beat_s = min(now_s, self.beat_s + held_s)
        self.progress_s = min(now_s, self.progress_s + held_s)


@dataclass(slots=True)
class Member:
    """The state of one service; changed only by starter, stopper, reaper and watch."""

    spec: ServiceSpec
    phase: Phase = Phase.STOPPED
    phase_reason: str = "not started yet"
    wanted: bool = True
    """Somebody wants it to run; False after a stop by an operator."""
    holds: set[str] = field(default_factory=set)
    """Duties during which it may not start, each by its name."""
    process: Process | None = None
    cookie: str = ""
    row: str = ""
    """Mark of the row that the present process was started with."""
    former_pid: int = 0
    """Its words may still lie in the socket; they are not the new process's."""
    started_at: str | None = None
    started_s: float = 0.0
    """On the monotonic clock."""
    awaited_s: float = 0.0
    """Since when its first sign is awaited: `started_s`, and later by all time in which we
    ourselves stood still and could hear nobody."""
    adopted: bool = False
    restarts: int = 0
    voice: Voice = field(default_factory=Voice)
    silence: Silence = field(default_factory=Silence)
    asked: Ask | None = None
    cut_short: str | None = None
    """Why the watchdog ended it: counts as a death, and says more than the signal."""
    park: Park | None = None
    last_exit: LastExit | None = None
    blocked_for_good: bool = False
    socket: NotifySocket | None = None
    timer: asyncio.TimerHandle | None = None
    """Backoff while it is down, the kill that follows an unanswered request while it is up."""
    shown: Shown = field(default_factory=Shown)
    judged: JudgedService | None = None
    judged_facts: tuple[object, ...] = ()
    """What the rollup was told last, and from which facts."""
    status_reason: str = ""
    since: str = ""
    since_s: float = 0.0
    cpu_percent: float | None = None
    rss_bytes: int | None = None

    @property
    def name(self) -> str:
        """The service's name."""
        return self.spec.name

    @property
    def status(self) -> Status:
        """The status that is shown."""
        return self.shown.status

    @property
    def is_ready(self) -> bool:
        """Whether dependants may start."""
        return self.phase is Phase.RUNNING

    @property
    def will_return(self) -> bool:
        """Whether it is down for a moment only."""
        comes_back = self.asked is None or self.asked.after is After.START_AGAIN
        return self.wanted and self.park is None and comes_back

    def cancel_timer(self) -> None:
        """Drop whatever was to happen later."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def need_facts(self) -> NeedFacts:
        """Return what dependants must know."""
        return NeedFacts(self.phase, self.is_ready, self.will_return)

    def evidence(self, now_s: float) -> Evidence:
        """Return what is known for the judgement of its health."""
        voice = self.voice
        return Evidence(
            phase=self.phase,
            phase_reason=self.phase_reason,
            ready=voice.ready_s is not None,
            running_for_s=0.0 if self.process is None else now_s - self.started_s,
            beat_age_s=None if voice.beat_s is None else now_s - voice.beat_s,
            progress_age_s=None if voice.progress is None else now_s - voice.progress_s,
            extended=now_s < voice.extended_until_s,
            own_status=voice.status,
            own_reason=voice.reason,
            blocked_for_good=self.blocked_for_good,
            will_return=self.will_return,
        )

    def excuse(self, held_s: float, now_s: float) -> None:
        """Let so many seconds, in which we stood still ourselves, count for none of its silence;
        what it was silent before stays: else a supervisor that stumbles would never see a hang.
        """
        self.awaited_s = min(now_s, max(self.started_s, self.awaited_s) + held_s)
        self.voice.excuse(held_s, now_s)

    def watch_facts(self, now_s: float) -> WatchFacts:
        """Return what the watchdog looks at."""
        return WatchFacts(
            phase=self.phase,
            ready=self.voice.ready_s is not None,
            silent_for_s=now_s - self._sign_s,
            running_for_s=now_s - max(self.started_s, self.awaited_s),
            extended=now_s < self.voice.extended_until_s,
            held_s=self.silence.held_s,
            rss_bytes=self.rss_bytes,
        )

    @property
    def _sign_s(self) -> float:
        """When it gave its last sign of life; monotonic clock."""
        voice = self.voice
        return max(self.started_s, self.awaited_s, voice.ready_s or 0.0, voice.beat_s or 0.0)

    def failure_class(self) -> ExitClass | None:
        """Return the class of what keeps it FAILED, if there is one."""
        if self.park is not None:
            return self.park.exit_class
        return self.voice.failure_class if self.phase is Phase.RUNNING else None
