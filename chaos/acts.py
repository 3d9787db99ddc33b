"""Faults as they are carried out: begun, repeated where the row says so, proven, undone."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from chaos.damage import damaged
from chaos.exchange_books import ExchangeBooks
from chaos.row import Blow, Row
from chaos.tree import Tree, is_stopped
from services.supervisor.launch import REPOSITORY
from services.supervisor.processes import Process, ended_within
from shared.clock import Clock
from shared.errors import SystemFault, TransientFault
from shared.persistence.atomic_file import write_document

STOPPED_S, DEAD_S, KEEPER_S = 5.0, 5.0, 10.0


@dataclass(frozen=True, slots=True)
class Dose:
    """How long and by which seed."""

    lease_s: float
    seed: int


class Act(Protocol):
    """One fault in progress."""

    detail: str
    """What exactly was done, for the report."""

    def begin(self) -> None:
        """Let the fault act; raises TransientFault when its victim cannot be reached."""

    def tick(self) -> None:
        """Do again what the row repeats."""

    def acted(self) -> int:
        """Return how often it had its effect; raises TransientFault while that is unknown."""

    def is_over(self) -> bool:
        """Whether its lease ran out."""

    def undo(self) -> None:
        """End it now, if it still acts; never raises."""


class WireAct:
    """Faults of the embedded exchange, which ends them itself."""

    def __init__(self, row: Row, dose: Dose, tree: Tree, clock: Clock) -> None:
        self._row, self._dose, self._clock = row, dose, clock
        self._books = ExchangeBooks(tree.state)
        self._ids: list[str] = []
        self._ends_s = 0.0
        self.detail = ", ".join(fault.kind for fault in row.injection.wire)

    def begin(self) -> None:
        """Ask the exchange for every fault of the row."""
        self._ends_s = self._clock.monotonic_s() + self._dose.lease_s
        for fault in self._row.injection.wire:
            self._ids.append(self._books.begin(fault, self._dose.lease_s, self._dose.seed))

    def tick(self) -> None:
        """Nothing is repeated: the exchange does it."""

    def acted(self) -> int:
        """Return the sum of the exchange's counters."""
        known = self._books.faults()
        return sum(int(known[one]["acted"]) for one in self._ids if one in known)

    def is_over(self) -> bool:
        """Whether every fault has ended, by its lease or by its count."""
        if self._clock.monotonic_s() >= self._ends_s:
            return True
        if all(fault.times is None for fault in self._row.injection.wire):
            return False
        with suppress(TransientFault):
            known = self._books.faults()
            return all(known[one]["state"] == "ended" for one in self._ids if one in known)
        return False

    def undo(self) -> None:
        """End what still runs; what cannot be reached ends with its lease."""
        for identity in self._ids:
            with suppress(TransientFault):
                self._books.end(identity)


class KillAct:
    """SIGKILL, once or whenever the victim is back."""

    def __init__(self, row: Row, dose: Dose, tree: Tree, clock: Clock) -> None:
        self._victim, self._dose, self._tree, self._clock = row.injection.victim, dose, tree, clock
        self._again = row.injection.blow is Blow.KILL_AGAIN
        self._damages = row.injection.blow is Blow.KILL_OVER_DAMAGE
        self._killed: set[int] = set()
        self._ends_s = 0.0
        self.detail = ""

    def begin(self) -> None:
        """Strike the living victim."""
        self._ends_s = self._clock.monotonic_s() + (self._dose.lease_s if self._again else 0.0)
        if not self._strike():
            raise TransientFault(f"no {self._victim} lives that could be struck")

    def tick(self) -> None:
        """Strike again whoever came back, where the row says so."""
        if self._again and not self.is_over():
            self._strike()

    def _strike(self) -> bool:
        with self._tree.holding(self._victim) as process:
            if process is None or process.pid in self._killed:
                return False
            if self._damages:
                self._damage(process)
            process.send(signal.SIGKILL)
            if not ended_within(process, DEAD_S):
                return False
            self._killed.add(process.pid)
        pids = ", ".join(map(str, sorted(self._killed)))
        self.detail = f"{self.detail.partition(';')[0]}; killed pid {pids}".removeprefix("; ")
        return True

    def _damage(self, process: Process) -> None:
        """Write damaged bytes under a held process: nobody else writes between the two."""
        process.send(signal.SIGSTOP)
        deadline_s = self._clock.monotonic_s() + STOPPED_S
        while not is_stopped(process.pid) and self._clock.monotonic_s() < deadline_s:
            ended_within(process, 0.005)
        path = self._tree.state.trading_state
        try:
            kind, broken = damaged(path.read_bytes(), self._dose.seed)
            write_document(path, broken)
            if path.read_bytes() == broken:
                self.detail = kind
        except (OSError, SystemFault) as fault:
            process.send(signal.SIGCONT)
            raise TransientFault(f"trading_state.json cannot be damaged: {fault}") from fault

    def acted(self) -> int:
        """Return how many processes were seen dead, and damaged first where that is the fault."""
        return len(self._killed)

    def is_over(self) -> bool:
        """Whether nobody is struck any more."""
        return self._clock.monotonic_s() >= self._ends_s

    def undo(self) -> None:
        """Strike nobody any more: the dead are the supervisor's business."""
        self._ends_s = 0.0


class KeptAct:
    """A hang or a full disk: a keeper of its own holds it and ends it with the lease."""

    def __init__(self, row: Row, dose: Dose, tree: Tree, clock: Clock) -> None:
        self._blow, self._victim = row.injection.blow, row.injection.victim
        self._dose, self._tree, self._clock = dose, tree, clock
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._acted = 0
        self.detail = ""

    def begin(self) -> None:
        """Start the keeper and see the fault."""
        with self._tree.holding(self._victim) as process:
            if process is None or self._blow is None:
                raise TransientFault(f"no {self._victim} lives that could be struck")
            self._pid = process.pid
            words = (self._blow.value, process.pid, process.start_ticks, self._dose.lease_s)
            command = [sys.executable, "-m", "chaos.keeper", *map(str, words)]
            self._keeper = subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True)
            deadline_s = self._clock.monotonic_s() + KEEPER_S
            while not self._is_seen() and self._clock.monotonic_s() < deadline_s:
                ended_within(process, 0.02)
        self._acted = int(self._is_seen())
        self.detail = f"{self._blow.value} on pid {self._pid}"

    def _is_seen(self) -> bool:
        if self._blow is Blow.HANG:
            return is_stopped(self._pid)
        with suppress(ProcessLookupError):
            return resource.prlimit(self._pid, resource.RLIMIT_FSIZE)[0] == 0
        return False

    def tick(self) -> None:
        """Nothing is repeated: the keeper holds it."""

    def acted(self) -> int:
        """Return 1 when the fault was seen on the process."""
        return self._acted

    def is_over(self) -> bool:
        """Whether the keeper has ended: with the lease, or with its victim."""
        return self._keeper is None or self._keeper.poll() is not None

    def undo(self) -> None:
        """Ask the keeper to end the fault."""
        if self._keeper is not None and self._keeper.poll() is None:
            self._keeper.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._keeper.wait(KEEPER_S)


def act_of(row: Row, dose: Dose, tree: Tree, clock: Clock) -> Act:
    """Return the act that carries out a row; raises TransientFault when nothing runs yet."""
    if row.injection.wire:
        return WireAct(row, dose, tree, clock)
    if row.injection.blow in (Blow.HANG, Blow.NO_FILE_GROWS):
        return KeptAct(row, dose, tree, clock)
    return KillAct(row, dose, tree, clock)
