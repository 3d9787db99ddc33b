"""When a run ends by itself, and whether it may call itself good."""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.supervisor.context import Context, Roster
from services.supervisor.health_file import HealthFile
from services.supervisor.one_shots import Errand, OneShots
from services.supervisor.table import EXCHANGE_SIM, TRADING_BOT
from services.supervisor.terminal import say
from shared.errors import EXIT_CANNOT_WRITE
from shared.models.health import Status, Verdict

HEALING_S = 5.0
REPLAY_FINISHED = "replay_finished"
SUMMARY = Errand("services.trading_bot.one_shot", ("summary",), 60.0, on_terminal=True)


@dataclass(frozen=True, slots=True)
class End:
    """Why the run ends, and how the system was just before."""

    reason: str
    verdict: Verdict
    judged: bool
    """The run was to prove something: its exit code tells whether it did."""
    replay: bool = False
    fault: int | None = None
    """Exit code of an end that nobody asked for."""


class RunEnd:
    """Watches for the end that was agreed on, and does what follows it."""

    def __init__(self, context: Context, roster: Roster, health: HealthFile) -> None:
        self._context = context
        self._roster = roster
        self._health = health
        started_s = context.launch.started_s
        self._started_s = context.now_s() if started_s is None else started_s
        self.summary_exit: int | None = None

    @property
    def ok_after_s(self) -> float | None:
        """Seconds from the start of the services to the first OK of the whole."""
        reached_s = self._health.reached_ok_s
        return None if reached_s is None else reached_s - self._started_s

    def due(self) -> End | None:
        """Return the end when it has come."""
        seconds = self._context.launch.seconds_to_run
        if seconds is not None and self._is_over(seconds):
            return self.end(f"{seconds:g} seconds are over", judged=True)
        exchange = self._roster.get(EXCHANGE_SIM)
        if exchange is not None and exchange.voice.metrics.get(REPLAY_FINISHED) == 1:
            return self.end("the replay is finished", judged=True, replay=True)
        return None

    def _is_over(self, seconds: float) -> bool:
        """Whether the time is up; a system that is just healing gets a moment to finish it."""
        over_s = self._context.now_s() - self._started_s - seconds
        return over_s >= HEALING_S or (over_s >= 0 and _is_ok(self._health.verdict))

    def end(self, reason: str, *, judged: bool, replay: bool = False) -> End:
        """Judge the system as it is now, before anything is stopped."""
        self._health.judge()
        return End(reason, self._health.verdict, judged, replay)

    def folder_lost(self) -> End:
        """End since the state folder is gone: what it held no longer guards anything."""
        self._health.fall_silent()
        reason = f"STATE_DIR: {self._context.launch.state_dir} was removed while the system ran"
        return replace(self.end(reason, judged=False), fault=EXIT_CANNOT_WRITE)

    async def summary(self, one_shots: OneShots) -> None:
        """Let the bot's one-shot compare with the exchange and print what happened."""
        if self._roster.get(TRADING_BOT) is None:
            return
        exit_ = await one_shots.run_and_wait(SUMMARY)
        self.summary_exit = -1 if exit_.code is None else exit_.code

    def exit_code(self, end: End) -> int:
        """Return 0 for an end that was asked for; else whether the run was good."""
        if end.fault is not None:
            return end.fault
        return 0 if not end.judged or not self._complaints(end) else 1

    def _complaints(self, end: End) -> list[str]:
        complaints = []
        if self.ok_after_s is None:
            complaints.append("OK was never reached")
        # A finished replay may rightly stand still: a loss limit holds trading back until
        # tomorrow, and no tomorrow is left in the files.
        bad = end.verdict.overall is Status.FAILED if end.replay else not _is_ok(end.verdict)
        if bad:
            complaints.append(f"it ended {end.verdict.overall}: {end.verdict.reason}")
        if self.summary_exit not in (None, 0):
            complaints.append(f"the summary ended with exit code {self.summary_exit}")
        return complaints

    def report(self, end: End) -> None:
        """Print how the run went."""
        after = "never" if self.ok_after_s is None else f"after {self.ok_after_s:.1f} s"
        say(f"Stopped: {end.reason}. OK {after}; at the end {end.verdict.overall}.")
        if end.judged:
            for complaint in self._complaints(end):
                say(f"Not good: {complaint}")


def _is_ok(verdict: Verdict) -> bool:
    return verdict.overall is Status.OK
