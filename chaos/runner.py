"""One drill: steady state, fault, watching, undo, steady state again, verdict."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from chaos.acts import Act, Dose, act_of
from chaos.evidence import Books, Moments, Sample
from chaos.exchange_books import ExchangeBooks
from chaos.judge import Judged, Seen, Verdict, is_answered, is_detected, judge
from chaos.row import Row
from chaos.tree import Tree
from chaos.watcher import Watcher
from shared.clock import Clock
from shared.commands.control_client import ControlClient
from shared.config.paths import LogPaths, StatePaths
from shared.errors import SystemFault, TransientFault

STEADY_S, HELD_S, COUNTED_S = 180.0, 1.5, 30.0
EQUITY_LOST_MAX = Decimal("0.25")
OWN_ID = re.compile(rb"sht-[a-z0-9]+-[a-z0-9_]+-[0-9a-f]{12}")
LONG_AGO = "2000-01-01T00:00:00Z"


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


class Drills:
    """Drills on one running system."""

    def __init__(
        self, state: StatePaths, logs: LogPaths, clock: Clock, tell: Callable[[str], None]
    ) -> None:
        self._state, self._logs, self._clock, self._tell = state, logs, clock, tell
        self._tree = Tree(state, clock)
        self._watcher = Watcher(self._tree, logs, clock)
        self._equity_max = Decimal(0)

    def pids(self) -> dict[str, int]:
        """Return the pid of everybody who lives."""
        return self._tree.pids()

    def steady(self) -> Sample | None:
        """Wait for the steady state: OK and trading for a while, the exchange's books whole."""
        if self._watcher.until_held(_is_steady, HELD_S, STEADY_S) is None:
            return None
        with suppress(SystemFault):
            if ExchangeBooks(self._state).audit().get("is_whole"):
                return self._watcher.look()
        return None

    def run(self, row: Row, dose: Dose) -> Outcome:
        """Carry out one drill; the fault is undone whatever happens."""
        before = self.steady()
        if before is None:
            why = f"no steady state within {STEADY_S:g} s: {self._watcher.look().reason}"
            return Outcome(row, Judged(Verdict.NOT_RUN, (why,)), Moments(0.0), seed=dose.seed)
        self._watcher.forget()
        try:
            market_from = ExchangeBooks(self._state).now()
            act = act_of(row, dose, self._tree, self._clock)
        except SystemFault as fault:
            return Outcome(
                row, Judged(Verdict.NOT_RUN, (str(fault),)), Moments(0.0), seed=dose.seed
            )
        moments = Moments(self._clock.monotonic_s())
        aborted, acted = "", 0
        try:
            act.begin()
            moments, aborted = self._through(row, act, before, moments)
        except TransientFault as fault:
            aborted = f"the fault could not be made: {fault}"
        finally:
            act.undo()
        moments = self._healed(row, before, moments)
        acted = self._count(act)
        books = self._books(market_from)
        samples = tuple(self._watcher.samples)
        seen = Seen(before, samples, moments, acted, books, aborted)
        judged = judge(row, seen)
        return Outcome(row, judged, moments, samples, acted, act.detail, dose.seed)

    def _through(self, row: Row, act: Act, before: Sample, moments: Moments) -> tuple[Moments, str]:
        """Watch until the fault is over and answered, or the time for that has passed."""
        limit_s = moments.injected_s + max(row.bounds.detect_s, row.bounds.respond_s)
        while True:
            act.tick()
            sample = self._watcher.look()
            if moments.detected_s is None and is_detected(row, before, sample):
                moments = replace(moments, detected_s=sample.at_s)
                self._tell(f"    detected after {sample.at_s - moments.injected_s:.1f} s")
            if _is_awaited(moments) and is_answered(row, before, sample):
                moments = replace(moments, responded_s=sample.at_s)
                self._tell(f"    answered after {sample.at_s - moments.injected_s:.1f} s")
            guard = self._guardrail()
            if guard:
                return moments, guard
            known = moments.detected_s is not None and moments.responded_s is not None
            if act.is_over() and (known or sample.at_s > limit_s):
                return moments, ""
            if known and row.expected.parked:
                return moments, ""
            self._watcher.until(lambda _: False, 0.1)

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

    def _books(self, market_from: str) -> Books:
        try:
            exchange = ExchangeBooks(self._state)
            window = (market_from, exchange.now())
            orders = exchange.orders(LONG_AGO)
            self._watcher.look()
            return Books(
                orders,
                window,
                tuple(self._watcher.lines),
                _own_ids((self._state.trading_state, self._state.journal, self._state.ledger)),
                exchange.positions(),
                str(exchange.account()["equity"]),
                exchange.audit(),
                _leaks(self._logs.root, self._secrets(exchange)),
            )
        except SystemFault as fault:
            return Books(audit={"is_whole": False, "differences": str(fault)})

    def _secrets(self, exchange: ExchangeBooks) -> tuple[str, ...]:
        with suppress(OSError):
            return (*exchange.secrets, self._state.dashboard_token.read_text("utf-8").strip())
        return exchange.secrets


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


def _leaks(folder: Path, secrets: tuple[str, ...]) -> tuple[str, ...]:
    needles = [one.encode() for one in secrets if one]
    return tuple(
        path.name
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    )


def _own_ids(paths: Iterable[Path]) -> frozenset[str]:
    """Return every client order id of ours that stands in these files or their neighbours."""
    found: set[str] = set()
    for path in paths:
        for one in path.parent.glob(f"{path.name}*"):
            with suppress(OSError):
                found.update(text.decode() for text in OWN_ID.findall(one.read_bytes()))
    return frozenset(found)
