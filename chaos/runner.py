"""One drill: steady state, fault, watching, undo, steady state again, verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from chaos.acts import Act, Dose, act_of
from chaos.books import BookKeeper
from chaos.catalogue import CONTROL
from chaos.evidence import AlertSaid, Moments, Sample
from chaos.exchange_books import ExchangeBooks
from chaos.judge import Judged, Seen, Verdict, is_answered, is_detected, judge, judge_control
from chaos.page_watch import PageWatch
from chaos.receiver import AlertReceiver
from chaos.row import Row
from chaos.telling import PAGE_DUE_S
from chaos.throwaway import ThrowAway
from chaos.tree import Tree
from chaos.watcher import Watcher
from shared.clock import Clock
from shared.commands.control_client import ControlClient
from shared.errors import SystemFault, TransientFault

STEADY_S, HELD_S, COUNTED_S = 180.0, 1.5, 30.0
CALM_S = 6.5
"""So long all must be well before a fault: the first end of a trouble is told after five."""
EQUITY_LOST_MAX = Decimal("0.25")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A drill that is over."""

    row: Row
    judged: Judged
    moments: Moments
    samples: tuple[Sample, ...] = ()
    acted: int = 0
    detail: str = ""
    seed: int = 0
    alerts: tuple[AlertSaid, ...] = ()
    page_answers: int = 0


class Drills:
    """Drills on one running system."""

    def __init__(
        self,
        system: ThrowAway,
        receiver: AlertReceiver,
        clock: Clock,
        tell: Callable[[str], None],
    ) -> None:
        self._state, self._clock, self._tell = system.state, clock, tell
        self._receiver = receiver
        self._tree = Tree(system.state, clock)
        self._watcher = Watcher(self._tree, system.logs, clock)
        self._pages = PageWatch(self._tree, clock)
        self._keeper = BookKeeper(system.state, system.logs, receiver, self._watcher, clock)
        self._equity_max = Decimal(0)

    def close(self) -> None:
        """Watch no more."""
        self._pages.close()

    def pids(self) -> dict[str, int]:
        """Return the pid of everybody who lives."""
        return self._tree.pids()

    def run(self, row: Row, dose: Dose) -> Outcome:
        """Carry out one drill; the fault is undone whatever happens."""
        try:
            before, market_from = self._ready()
            if row is CONTROL:
                return self._undisturbed(row, dose, before, market_from)
            act = act_of(row, dose, self._tree, self._clock)
        except SystemFault as fault:
            judged = Judged(Verdict.NOT_RUN, (str(fault),))
            return Outcome(row, judged, Moments(0.0), seed=dose.seed)
        moments = Moments(self._clock.monotonic_s())
        aborted = ""
        try:
            act.begin()
            moments, aborted = self._through(row, act, before, moments)
        except SystemFault as fault:
            aborted = f"the fault could not be made: {fault}"
        finally:
            act.undo()
        moments = self._healed(row, before, moments)
        acted = self._count(act)
        seen = self._seen(before, moments, market_from, acted, aborted)
        return _outcome(row, judge(row, seen), seen, act.detail, dose.seed)

    def _ready(self) -> tuple[Sample, str]:
        """Wait until all is OK, trading and calm for a while, the exchange's books whole; return
        that and the market's time. Raises SystemFault when it does not come to that.
        """
        if self._watcher.until_held(_is_steady, CALM_S, STEADY_S) is None:
            why = f"no steady state within {STEADY_S:g} s: {self._watcher.look().reason}"
            raise TransientFault(why)
        exchange = ExchangeBooks(self._state)
        audit = exchange.audit()
        if not audit.get("is_whole"):
            raise TransientFault(f"the exchange's books differ from their log: {audit}")
        before = self._watcher.look()
        self._watcher.forget()
        return before, exchange.now()

    def _undisturbed(self, row: Row, dose: Dose, before: Sample, market_from: str) -> Outcome:
        """Watch for as long as a lease without breaking anything."""
        moments = Moments(self._clock.monotonic_s())
        self._watcher.until(lambda _: False, dose.lease_s)
        moments = replace(moments, over_s=self._clock.monotonic_s())
        answers = len(self._pages.since(moments.injected_s))
        seen = self._seen(before, moments, market_from, answers)
        return _outcome(row, judge_control(row, seen), seen, "nothing was done", dose.seed)

    def _seen(
        self, before: Sample, moments: Moments, market_from: str, acted: int, aborted: str = ""
    ) -> Seen:
        books = self._keeper.gather(market_from, moments.injected_s, self._pages)
        return Seen(before, self._watcher.samples, moments, acted, books, aborted)

    def _through(self, row: Row, act: Act, before: Sample, moments: Moments) -> tuple[Moments, str]:
        """Watch until the fault is over and answered, or the time for that has passed."""
        limit_s = moments.injected_s + max(row.bounds.detect_s, row.bounds.respond_s)
        while True:
            act.tick()
            sample = self._watcher.look()
            if moments.detected_s is None and is_detected(row, before, sample):
                moments = replace(moments, detected_s=sample.at_s)
                self._tell(f"    detected after {sample.at_s - moments.injected_s:.1f} s")
            if _is_awaited(moments) and is_answered(row, before, self._watcher.samples):
                moments = replace(moments, responded_s=sample.at_s)
                self._tell(f"    answered after {sample.at_s - moments.injected_s:.1f} s")
            guard = self._guardrail()
            if guard:
                return moments, guard
            known = moments.detected_s is not None and moments.responded_s is not None
            if act.is_over() and (known or sample.at_s > limit_s):
                return moments, ""
            if known and row.expected.parked and self._was_paged(moments, sample.at_s):
                return moments, ""
            self._watcher.until(lambda _: False, 0.1)

    def _was_paged(self, moments: Moments, now_s: float) -> bool:
        """Whether a page came, or its time is over: what only a person can mend is held until
        a person was told.
        """
        paged = any(one.is_page for one in self._receiver.since(moments.injected_s))
        return paged or now_s > (moments.responded_s or now_s) + PAGE_DUE_S

    def _guardrail(self) -> str:
        """Return why the drill must end at once, if it must."""
        if self._state.emergency_stop.exists():
            return "an emergency stop was set"
        with suppress(OSError, ValueError, KeyError, InvalidOperation, TypeError):
            equity = Decimal(str(json.loads(self._state.bot_status.read_bytes())["equity"]))
            self._equity_max = max(self._equity_max, equity)
            if equity < self._equity_max * (1 - EQUITY_LOST_MAX):
                return f"equity fell from {self._equity_max} to {equity}"
        return ""

    def _healed(self, row: Row, before: Sample, moments: Moments) -> Moments:
        """Move the operator's hand where the row asks for it, and wait for the steady state."""
        over_s = self._clock.monotonic_s()
        for name in row.expected.by_hand:
            with suppress(SystemFault):
                ControlClient(self._state).release(name)
        since = self._watcher.until_held(
            lambda sample: sample.is_steady and _renewed(row, before, sample),
            HELD_S,
            max(row.bounds.recover_s, 1) + HELD_S,
        )
        if since is not None:
            self._tell(f"    recovered after {max(0.0, since - over_s):.1f} s")
        return replace(moments, over_s=over_s, recovered_s=since)

    def _count(self, act: Act) -> int:
        counted: list[int] = []

        def is_counted(_: Sample) -> bool:
            with suppress(SystemFault):
                counted.append(act.acted())
            return bool(counted)

        self._watcher.until(is_counted, COUNTED_S)
        return counted[0] if counted else 0


def _outcome(row: Row, judged: Judged, seen: Seen, detail: str, seed: int) -> Outcome:
    return Outcome(
        row,
        judged,
        seen.moments,
        tuple(seen.samples),
        seen.acted,
        detail,
        seed,
        tuple(seen.books.alerts),
        len(seen.books.pages),
    )


def _is_awaited(moments: Moments) -> bool:
    """Whether the fault is known and its answer is not: nothing is answered before it is seen."""
    return moments.detected_s is not None and moments.responded_s is None


def _is_steady(sample: Sample) -> bool:
    return sample.is_steady


def _renewed(row: Row, before: Sample, sample: Sample) -> bool:
    return all(
        sample.pids.get(name) not in (None, before.pids.get(name))
        for name in row.expected.new_process
    )
