"""A death: its exit is collected, counted on disk, decided upon, and only then answered."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from services.supervisor.context import Context, Roster
from services.supervisor.incidents import Step
from services.supervisor.member import After, Member
from services.supervisor.processes import (
    UNKNOWN_EXIT,
    Exit,
    collect_exit,
    kill_group,
)
from services.supervisor.restart_policy import (
    Death,
    Decision,
    Park,
    Restart,
    class_of_exit,
    decide,
)
from services.supervisor.starter import Starter
from shared.models.health import ExitClass, LastExit, Phase
from shared.telemetry.last_words import read_last_words

COLLECT_EVERY_S = 0.01
COLLECT_TRIES = 30
DEATHS_KEPT_MIN = 50
"""Enough for the longest backoff; the window never holds more than N."""
SAVE_AFTER_S = 0.05
"""Deaths that come together are written out together."""


@dataclass(frozen=True, slots=True)
class Case:
    """One death on its way through the reaper."""

    member: Member
    story: str
    death: Death
    identity: str
    pid: int


class Reaper:
    """Answers deaths in batches: one write of the tally, then all restarts."""

    def __init__(self, context: Context, roster: Roster, starter: Starter) -> None:
        self._context = context
        self._roster = roster
        self._starter = starter
        self._cases: list[Case] = []
        self._saving = False
        self.ended: Callable[[], None] = lambda: None
        """Called when a process of a member has ended."""
        starter.exited = self.exited
        starter.spawn_failed = self.spawn_failed

    def exited(self, member: Member) -> None:
        """Take the end of a member's process; called by the loop when its pidfd is readable."""
        process = member.process
        if process is None:
            return
        self._context.loop.remove_reader(process.pidfd)
        if not member.adopted:
            kill_group(process.pid)
        self._collect(member, COLLECT_TRIES)

    def _collect(self, member: Member, tries: int) -> None:
        process = member.process
        if process is None:
            return
        try:
            ended = collect_exit(process)
        except OSError:
            ended = UNKNOWN_EXIT
        if ended is None and tries > 0:
            self._context.loop.call_later(COLLECT_EVERY_S, self._collect, member, tries - 1)
            return
        self._ended(member, self._completed(member, ended or UNKNOWN_EXIT))

    def _completed(self, member: Member, ended: Exit) -> Exit:
        """Ask the last words where the kernel could not tell."""
        if ended != UNKNOWN_EXIT or member.process is None:
            return ended
        log_dir = self._context.launch.logs.root
        words = read_last_words(log_dir, member.name, member.process.pid)
        return ended if words is None else Exit(words.code, None)

    def _ended(self, member: Member, ended: Exit) -> None:
        process = member.process
        if process is None:
            return
        process.close()
        member.process, member.former_pid = None, process.pid
        member.cancel_timer()
        self.ended()
        uptime_s = max(0.0, self._context.now_s() - member.started_s)
        exit_class = class_of_exit(ended.code, asked=member.asked is not None)
        self._note_exit(member, ended, exit_class, uptime_s)
        if member.asked is not None:
            self.finish_ask(member)
            self._forget(member)
            return
        story = f"{member.cut_short or _story(ended)} after {uptime_s:.1f} s"
        identity = f"{process.pid}:{process.start_ticks}"
        self._queue(member, story, Death(self._boottime_s(), uptime_s, exit_class), identity)

    def _forget(self, member: Member) -> None:
        """Remove the record of one that stays down; a restart has written its own over it."""
        if member.process is None:
            self._context.records.remove(member.name)

    def _note_exit(
        self, member: Member, ended: Exit, exit_class: ExitClass, uptime_s: float
    ) -> None:
        member.last_exit = LastExit(
            ended.code, ended.signal, exit_class, self._context.now_text(), uptime_s
        )
        member.cpu_percent = member.rss_bytes = None

    def _boottime_s(self) -> float:
        return self._context.clock.boottime_s()

    def spawn_failed(self, member: Member, reason: str, exit_class: ExitClass) -> None:
        """Count a start that never became a process like a death."""
        self._note_exit(member, UNKNOWN_EXIT, exit_class, 0.0)
        identity = f":{member.cookie}"
        self._queue(member, reason, Death(self._boottime_s(), 0.0, exit_class), identity)

    def died_unseen(self, member: Member, code: int | None, identity: str, uptime_s: float) -> None:
        """Count a death that happened while no supervisor lived."""
        exit_class = class_of_exit(code, asked=False)
        self._note_exit(member, Exit(code, None), exit_class, uptime_s)
        story = "died while no supervisor lived"
        self.ended()
        self._queue(member, story, Death(self._boottime_s(), uptime_s, exit_class), identity)

    def _queue(self, member: Member, story: str, death: Death, identity: str) -> None:
        member.phase, member.phase_reason = Phase.BACKOFF, story
        pid = int(identity.partition(":")[0] or 0)
        self._cases.append(Case(member, story, death, identity, pid))
        if len(self._cases) == 1:
            self._context.loop.call_soon(self._settle)

    def _settle(self) -> None:
        """Count all, decide all, write once, then act."""
        context = self._context
        cases, self._cases = self._cases, []
        decisions: list[tuple[Case, Decision | None]] = []
        for case in cases:
            member, name = case.member, case.member.name
            kept = max(DEATHS_KEPT_MIN, member.spec.restart.max_failures)
            counted = context.tally.count(name, case.death, case.identity, kept)
            # Who was started in the moment between is judged by his next death.
            is_down = member.process is None
            decision = self._decision(member) if counted and is_down else None
            if isinstance(decision, Park):
                context.tally.park(name, decision)
            decisions.append((case, decision))
        if any(isinstance(decision, Park) for _, decision in decisions):
            context.tally.save()
        else:
            context.tally.note()
            self._save_soon()
        for case, decision in decisions:
            self._act(case, decision)
        for case, decision in decisions:
            context.later.append(partial(self._tell, case, decision))
        self._starter.poke()
        context.changed()

    def _save_soon(self) -> None:
        if not self._saving:
            self._saving = True
            self._context.loop.call_later(SAVE_AFTER_S, self._save)

    def _save(self) -> None:
        self._saving = False
        self._context.tally.save()

    def _decision(self, member: Member) -> Decision:
        deaths = self._context.tally.of(member.name).deaths
        return decide(deaths, member.spec.restart, self._boottime_s(), self._context.chance())

    def _act(self, case: Case, decision: Decision | None) -> None:
        member = case.member
        if member.process is not None:
            return
        if member.asked is not None or self._context.stopping:
            member.phase, member.phase_reason = Phase.STOPPED, case.story
            return
        delay_s = decision.delay_s if isinstance(decision, Restart) else 0.0
        if isinstance(decision, Park):
            self._park(member, decision)
            member.phase_reason += f"; {case.story}"
        elif delay_s > 0:
            member.phase_reason = f"{case.story}; starts again in {delay_s:.1f} s"
            member.timer = self._context.loop.call_later(delay_s, self._again, member)
        # Before the restart: what needs no READY is running again in the same moment.
        self._context.died(member)
        if member.phase is Phase.BACKOFF and member.timer is None:
            self._again(member)

    def _again(self, member: Member) -> None:
        member.timer = None
        member.restarts += 1
        self._starter.try_start(member)

    def _park(self, member: Member, park: Park) -> None:
        member.park = park
        member.phase = Phase.PARKED
        member.phase_reason = f"parked: {park.reason}"

    def _tell(self, case: Case, decision: Decision | None) -> None:
        """Write the steps, with the dead one's last words.

        Its record goes when they are written: if we die before, our heir finds and tells it.
        """
        member, incidents = case.member, self._context.incidents
        words = read_last_words(self._context.launch.logs.root, member.name, case.pid)
        story = case.story if words is None else f"{case.story}: {words.message}"
        failure_class = str(case.death.exit_class)
        self._context.loop.call_soon(self._forget, member)
        incidents.step(Step.DETECT, member.name, story)
        incidents.step(Step.CLASSIFY, member.name, failure_class, failure_class=failure_class)
        if isinstance(decision, Park):
            if words is not None and member.phase is Phase.PARKED:
                member.phase_reason += f": {words.message}"
            incidents.step(
                Step.HALT, member.name, f"parked: {decision.reason}", failure_class=failure_class
            )
            return
        delay_s = decision.delay_s if isinstance(decision, Restart) else 0.0
        message = "restart at once" if delay_s <= 0 else f"restart in {delay_s:.1f} s"
        incidents.step(Step.RESPOND, member.name, message, failure_class=failure_class)

    def finish_ask(self, member: Member) -> None:
        """Carry out what was to follow an end that was asked for."""
        ask = member.asked
        if ask is None:
            return
        if ask.after is After.START_AGAIN:
            member.phase, member.phase_reason = Phase.STOPPED, ask.reason
            member.asked = None
            self._starter.try_start(member)
        elif ask.after is After.PARK and member.park is not None:
            member.phase = Phase.PARKED
            member.phase_reason = f"parked: {member.park.reason}"
        else:
            member.phase, member.phase_reason = Phase.STOPPED, ask.reason
        self._starter.poke()
        self._context.changed()


def _story(ended: Exit) -> str:
    if ended.signal is not None:
        try:
            return f"died by {signal.Signals(ended.signal).name}"
        except ValueError:
            return f"died by signal {ended.signal}"
    return "ended unseen" if ended.code is None else f"exited {ended.code}"
