"""The watchdog's round, what services say, and how much they use."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from services.supervisor.context import Context, Roster
from services.supervisor.incidents import Step
from services.supervisor.member import Member
from services.supervisor.notify_words import Words
from services.supervisor.plan import Watch as WatchChoice
from services.supervisor.plan import next_limit_s, watch_answer
from services.supervisor.processes import usage
from services.supervisor.starter import Starter
from services.supervisor.stopper import Stopper
from services.supervisor.table import DASHBOARD
from shared.health.evidence import LATE_DEGRADED
from shared.models.health import Phase, Status

ROUND_S_MIN, ROUND_S_MAX = 0.1, 1.0
HELD_S = 1.5
"""A round so late means that we stood still ourselves."""
AFTER_S = 0.001
"""A limit is passed, not only reached."""
SAMPLES_PER_ROUND = 20
"""With very many services each is measured less often, so that idling stays cheap."""


@dataclass(slots=True)
class _Sample:
    at_s: float
    cpu_s: float


class Watch:
    """Listens to the members and goes round among them."""

    def __init__(
        self, context: Context, roster: Roster, starter: Starter, stopper: Stopper
    ) -> None:
        self._context = context
        self._roster = roster
        self._starter = starter
        self._stopper = stopper
        self._samples: dict[int, _Sample] = {}
        self._next_sampled = 0
        self._sampled_s = 0.0
        self._due_s = math.inf
        """When the next round should come."""
        self.port_known: Callable[[str, int], None] = lambda *_: None
        """Called when a service names the port on which it listens."""
        starter.heard = self.heard

    def wait_s(self) -> float:
        """Return in how many seconds to go round again: in time for whoever's silence then
        becomes a lateness or a hang, and after ROUND_S_MAX for all else.
        """
        now_s, wait_s = self._context.now_s(), ROUND_S_MAX
        for member in self._roster:
            rule = member.spec.beat
            if not rule.notify or member.process is None or member.cut_short is not None:
                continue
            limit_s = member.voice.extended_until_s - now_s
            if limit_s < 0:
                limit_s = next_limit_s(member.evidence(now_s), rule)
            wait_s = min(wait_s, limit_s + AFTER_S, rule.beat_s / 2)
        wait_s = max(wait_s, ROUND_S_MIN)
        self._due_s = now_s + wait_s
        return wait_s

    def heard(self, member: Member, words: Words) -> None:
        """Take in what a member said."""
        now_s, voice = self._context.now_s(), member.voice
        before = (voice.status, voice.reason, voice.trading, voice.beat_s is None, voice.port)
        voice.hear(words, now_s, self._context.now_text())
        if member.phase is Phase.STARTING and (words.ready or (member.adopted and words.beat)):
            self._ready(member, now_s)
        after = (voice.status, voice.reason, voice.trading, voice.beat_s is None, voice.port)
        if voice.port is not None and voice.port != before[-1]:
            self._port(member, voice.port)
        if words.ready or before != after or member.status is not Status.OK:
            self._context.changed()

    def _ready(self, member: Member, now_s: float) -> None:
        member.voice.ready_s = member.voice.ready_s or now_s
        member.phase, member.phase_reason = Phase.RUNNING, "running"
        record = self._context.records.read(member.name)
        if record is not None:
            self._starter.write_record(replace(record, ready=True))
        self._starter.poke()

    def _port(self, member: Member, port: int) -> None:
        record = self._context.records.read(member.name)
        if record is not None:
            self._starter.write_record(replace(record, port=port))
        if member.name == DASHBOARD:
            self.port_known(member.name, port)

    def go_round(self) -> None:
        """Look at every member once: hung, too big, late."""
        now_s = self._context.now_s()
        held_s = now_s - self._due_s
        if held_s > HELD_S:
            for member in self._roster:
                member.excuse(held_s, now_s)
        self._due_s = now_s + ROUND_S_MAX
        self._measure(now_s)
        for member in self._roster:
            if member.process is not None and member.cut_short is None:
                self._look_at(member, member.process.pid, now_s)

    def _look_at(self, member: Member, pid: int, now_s: float) -> None:
        facts, rule = member.watch_facts(now_s), member.spec.beat
        if rule.notify and facts.silent_for_s > LATE_DEGRADED * rule.beat_s:
            # Not before it is late: both are rarely the cause, and dear to look for.
            self._starter.listen_again(member)
            member.silence.look(pid, member.voice.signs, now_s)
            facts = member.watch_facts(now_s)
        answer = watch_answer(facts, rule, member.spec.memory_max_bytes)
        if answer.watch is WatchChoice.KEEP:
            if answer.reason and not member.silence.is_told:
                member.silence.is_told = True
                self._context.incidents.step(Step.DETECT, member.name, answer.reason)
            return
        self._context.incidents.step(Step.DETECT, member.name, answer.reason)
        if answer.watch is WatchChoice.ABORT:
            self._stopper.abort(member, answer.reason)
        else:
            self._stopper.renew(member, answer.reason)

    def _measure(self, now_s: float) -> None:
        if now_s - self._sampled_s < 1.0:
            return
        self._sampled_s = now_s
        running = [member for member in self._roster if member.process is not None]
        if not running:
            return
        start = self._next_sampled % len(running)
        chosen = (running[start:] + running[:start])[:SAMPLES_PER_ROUND]
        self._next_sampled = start + len(chosen)
        for member in chosen:
            self._measure_one(member, now_s)
        alive = {member.process.pid for member in running if member.process is not None}
        self._samples = {pid: one for pid, one in self._samples.items() if pid in alive}

    def _measure_one(self, member: Member, now_s: float) -> None:
        if member.process is None:
            return
        used = usage(member.process.pid)
        if used is None:
            return
        earlier = self._samples.get(member.process.pid)
        if earlier is not None and now_s > earlier.at_s:
            share = (used.cpu_s - earlier.cpu_s) / (now_s - earlier.at_s)
            member.cpu_percent = round(100 * share, 1)
        member.rss_bytes = used.rss_bytes
        self._samples[member.process.pid] = _Sample(now_s, used.cpu_s)
