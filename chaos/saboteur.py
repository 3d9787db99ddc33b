"""Breaks a running system as CHAOS_MODE says, started by the door beside a guardian:
`python -m chaos.saboteur GUARDIAN_PID START_TICKS`.

It waits until the system that runs with just that CHAOS_MODE is OK, then CHAOS_AFTER_S, lets every
fault act for CHAOS_DURATION_S, says so in logs/chaos.jsonl and on the terminal, and ends. It ends
with its guardian, too, and every fault has a lease of its own.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from chaos.acts import Act, Dose, act_of
from chaos.catalogue import GUARDIAN, rows_of
from chaos.gateway_act import GatewayAct
from chaos.row import Row
from chaos.tree import Tree
from services.supervisor.processes import Process, open_process, start_ticks
from shared.clock import Clock, SystemClock
from shared.config.settings import Settings, load_settings
from shared.errors import SystemFault, TransientFault
from shared.models.health import Status
from shared.models.mode import Mode
from shared.telemetry.logs import configure_logging, log_event

LOOK_EVERY_S = 0.1
READY_S = 300.0
COUNTED_S = 30.0
SPENT, SPENT_S = "chaos.spent", 120.0
"""In state/run: the guardian that comes back so soon was killed on purpose; whoever killed it
goes on, and it must not be killed again."""


class Saboteur:
    """One run of CHAOS_MODE."""

    def __init__(
        self, settings: Settings, clock: Clock, logger: logging.Logger, guardian: Process
    ) -> None:
        self._settings, self._clock, self._logger = settings, clock, logger
        self._tree = Tree(settings.state, clock)
        self._never = threading.Event()
        self._guardian = guardian
        self._survives_guardian = False

    def run(self, rows: Sequence[Row]) -> int:
        """Break it; 0 when every fault acted."""
        if any(row.injection.victim == GUARDIAN for row in rows) and self._is_spent():
            return 0
        if not self._until_ok():
            return 1
        after_s = self._settings.chaos_after_s
        names = ",".join(row.name for row in rows)
        self._tell("chaos_armed", f"{names} in {after_s:g} s")
        if not self._rest(after_s):
            return 1
        acts = [(row, act) for row in rows if (act := self._begun(row)) is not None]
        try:
            self._through(acts)
        finally:
            for _, act in acts:
                act.undo()
        uncounted = [row.name for row, act in acts if not self._counted(row, act)]
        return int(bool(uncounted) or len(acts) < len(rows))

    def _begun(self, row: Row) -> Act | None:
        lease_s = self._settings.chaos_duration_s or row.bounds.lease_s
        dose = Dose(lease_s, self._settings.chaos_seed or 0)
        if row.injection.victim == GUARDIAN:
            words = f"{self._clock.boot_id()} {self._clock.boottime_s():.3f}"
            (self._settings.state.run / SPENT).write_text(words, "ascii")
            self._survives_guardian = True
        try:
            act = self._act(row, dose)
            act.begin()
        except TransientFault as fault:
            self._tell("chaos_failed", f"{row.name}: {fault}", logging.ERROR)
            return None
        self._tell("chaos_began", f"{row.name}: {row.breaks}; for {lease_s:g} s ({act.detail})")
        return act

    def _act(self, row: Row, dose: Dose) -> Act:
        if self._settings.trading_mode is Mode.SIM or not row.injection.gateway:
            return act_of(row, dose, self._tree, self._clock)
        run_folder = self._settings.state.run
        return GatewayAct(row.injection.gateway, dose.lease_s, run_folder, self._clock)

    def _through(self, acts: Sequence[tuple[Row, Act]]) -> None:
        while any(not act.is_over() for _, act in acts):
            for _, act in acts:
                act.tick()
            if not self._rest(LOOK_EVERY_S):
                return

    def _counted(self, row: Row, act: Act) -> bool:
        deadline_s = self._clock.monotonic_s() + COUNTED_S
        while True:
            try:
                count = act.acted()
                break
            except SystemFault as fault:
                if self._clock.monotonic_s() > deadline_s or not self._rest(LOOK_EVERY_S):
                    self._tell("chaos_unproven", f"{row.name}: {fault}", logging.ERROR)
                    return False
        word = "acted" if count else "did not act: INCONCLUSIVE"
        self._tell("chaos_ended", f"{row.name} is over; it {word} ({count}; {act.detail})")
        return count > 0

    def _until_ok(self) -> bool:
        deadline_s = self._clock.monotonic_s() + READY_S
        while self._clock.monotonic_s() < deadline_s:
            judged = self._tree.health()
            chaos_mode = (judged.document or {}).get("chaos_mode")
            if judged.overall is Status.OK and chaos_mode == self._settings.chaos_mode:
                return True
            if not self._rest(LOOK_EVERY_S):
                return False
        self._tell("chaos_failed", f"no system with it was OK within {READY_S:g} s", logging.ERROR)
        return False

    def _rest(self, pause_s: float) -> bool:
        """Wait; False when the system that we were started beside has ended."""
        deadline_s = self._clock.monotonic_s() + pause_s
        while (left_s := deadline_s - self._clock.monotonic_s()) > 0:
            self._clock.wait(self._never, min(left_s, LOOK_EVERY_S))
            if self._is_orphan():
                return False
        return not self._is_orphan()

    def _is_orphan(self) -> bool:
        if self._survives_guardian:
            return False
        return start_ticks(self._guardian.pid) != self._guardian.start_ticks

    def _is_spent(self) -> bool:
        path = self._settings.state.run / SPENT
        with suppress(OSError, ValueError):
            boot_id, at_s = path.read_text("ascii").split()
            path.unlink()
            age_s = self._clock.boottime_s() - float(at_s)
            return boot_id == self._clock.boot_id() and age_s < SPENT_S
        return False

    def _tell(self, event: str, text: str, level: int = logging.WARNING) -> None:
        log_event(self._logger, event, f"CHAOS {text}", level=level)
        with suppress(OSError, ValueError):
            sys.stderr.write(f"CHAOS {text}\n")
            sys.stderr.flush()


def main(words: list[str]) -> int:
    """Read the settings and break what they name; 1 when the guardian is gone already."""
    guardian = open_process(int(words[0]), int(words[1]))
    if guardian is None:
        return 1
    settings = load_settings()
    logger = configure_logging("chaos", settings.log_dir, settings.secret_values())
    saboteur = Saboteur(settings, SystemClock(), logger, guardian)
    return saboteur.run(rows_of(settings.chaos_faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
