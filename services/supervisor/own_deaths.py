"""Deaths among ourselves: the supervisor before this one, and the guardian above it.

Both become incidents like the death of any service, though neither is one: what heals them is
the guardian, and supervisord or systemd. What a dead supervisor left untold is told here too.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from services.supervisor.context import Context
from services.supervisor.incidents import Flip, Step
from services.supervisor.last_health import is_count
from services.supervisor.own_files import (
    GUARDIAN,
    SUPERVISOR,
    is_noted,
    read_pid_file,
    write_pid_file,
)
from services.supervisor.processes import Process, open_process, state_of
from services.supervisor.restart_policy import Park
from shared.clock import utc_text
from shared.models.health import ExitClass, HealthCode, Incident, Status
from shared.telemetry.logs import log_event

CLASS = str(ExitClass.UNCLASSIFIED)
HELD_STILL = "T"
"""The kernel's letter for what SIGSTOP and Ctrl-Z do."""
STILL_LOOKS_MAX = 5
"""A guardian that stands still for so many seconds is woken."""
GUARDIAN_NAME, SUPERVISOR_NAME = "guardian", "supervisor"


def is_other_guardian(former: object, guardian: tuple[int, int]) -> bool:
    """Whether the supervisor that died was guarded by another process than `guardian`.

    `former` is its part of the last health.json, `guardian` a pid and start ticks. By identity,
    not by time: a whole tree that dies at once is back within the hundredth of a second that
    start ticks count in. A file that names no guardian accuses none.
    """
    if not isinstance(former, dict):
        return False
    named = (former.get("guardian_pid"), former.get("guardian_ticks"))
    return all(is_count(part) and part for part in named) and named != guardian


class OwnDeaths:
    """Tells of the death of a supervisor once, and of each guardian's when it happens."""

    def __init__(self, context: Context, earlier: Mapping[str, Any]) -> None:
        self._context = context
        self._earlier = earlier
        self._guardian: Process | None = None
        self._still_looks = 0
        """Looks in a row that found the guardian stopped."""

    def supervisor_before(self, adopted: int) -> None:
        """Record the death of the supervisor before this one, if it died."""
        if not self._crashed_before(adopted):
            return
        context = self._context
        now = utc_text(context.clock.utc_now())
        before = str(self._earlier.get("overall"))
        silent_s = context.clock.boottime_s() - float(self._earlier.get("boottime_s") or 0)
        reason = f"the supervisor died and is back; {adopted} services adopted"
        context.incidents.record(
            Incident(now, SUPERVISOR_NAME, before, "FAILED", CLASS, reason, round(silent_s, 3))
        )
        context.incidents.step(Step.DETECT, SUPERVISOR_NAME, reason, failure_class=CLASS)
        back = f"supervising again after {silent_s:.3f} s"
        context.incidents.step(Step.RECOVER, SUPERVISOR_NAME, back)
        log_event(context.logger, "supervisor_back", reason)
        guarded_now = (context.launch.guardian_pid, context.launch.guardian_ticks)
        was_told = context.incidents.is_open(GUARDIAN_NAME)
        if is_other_guardian(self._earlier.get("supervisor"), guarded_now) and not was_told:
            self._tell()

    def service_before(self, name: str, restarts: int) -> None:
        """Record a death that the supervisor before this one answered, but told nobody any more.

        It restarts first and tells then; its own death may come between the two.
        """
        services = self._earlier.get("services")
        told = services.get(name) if isinstance(services, dict) else None
        if not isinstance(told, dict) or not is_count(told.get("restarts")):
            return
        if restarts <= told["restarts"]:
            return
        deaths = self._context.tally.of(name).deaths
        death_class = str(deaths[-1].exit_class) if deaths else CLASS
        reason = "died just before the supervisor did, and had been started again"
        flip = Flip(name, Status.OK, Status.DEGRADED, death_class, reason, announced=False)
        self._context.incidents.flip(flip)

    def park_before(self, name: str, park: Park) -> None:
        """Tell of a service that the supervisor before this one parked, and died before it told."""
        reason = f"parked: {park.reason}; the supervisor died just then"
        self._context.incidents.step(Step.HALT, name, reason, failure_class=str(park.exit_class))

    def _crashed_before(self, adopted: int) -> bool:
        """Whether a supervisor died; a start that was refused left word, but nobody lived."""
        same_boot = self._earlier.get("boot_id") == self._context.clock.boot_id()
        former = self._earlier.get("supervisor")
        had_lived = adopted > 0 or (isinstance(former, dict) and former.get("pid") is not None)
        had_end = self._earlier.get("code") in (None, str(HealthCode.STOPPED))
        return same_boot and had_lived and not had_end

    def watch_guardian(self) -> None:
        """Begin to watch the guardian that started us; it may be dead already."""
        launch = self._context.launch
        guardian = open_process(launch.guardian_pid, launch.guardian_ticks)
        if guardian is None:
            self._tell()
        else:
            self._watch(guardian)

    def look(self) -> None:
        """Find the guardian that took us over, if the one before it died."""
        run_folder = self._context.launch.state.run
        if not is_noted(run_folder, SUPERVISOR, os.getpid()):
            # A full disk may have kept it from being written, and no guardian would find us.
            write_pid_file(run_folder, SUPERVISOR, os.getpid())
        if self._guardian is None:
            guardian = read_pid_file(run_folder, GUARDIAN)
            if guardian is not None:
                self._watch(guardian)
        else:
            self._wake(self._guardian)

    def _wake(self, guardian: Process) -> None:
        """Let a guardian go on that stands still: it could not bring us back."""
        was_still, self._still_looks = self._still_looks, self._still_looks + 1
        if state_of(guardian.pid) != HELD_STILL:
            self._still_looks = 0
            if was_still >= STILL_LOOKS_MAX:
                self._flip(Status.FAILED, Status.OK, "the guardian goes on")
        elif self._still_looks == STILL_LOOKS_MAX:
            self._flip(Status.OK, Status.FAILED, "the guardian stood still; it is woken")
        if self._still_looks >= STILL_LOOKS_MAX:
            guardian.send(signal.SIGCONT)

    def _watch(self, guardian: Process) -> None:
        self._guardian = guardian
        self._context.guardian = (guardian.pid, guardian.start_ticks)
        self._context.loop.add_reader(guardian.pidfd, self._died, guardian)
        self._flip(Status.FAILED, Status.OK, f"guarded by pid {guardian.pid}")

    def _died(self, guardian: Process) -> None:
        self._context.loop.remove_reader(guardian.pidfd)
        guardian.close()
        self._guardian = None
        self._tell()

    def _tell(self) -> None:
        if not self._context.stopping:
            self._flip(Status.OK, Status.FAILED, "the guardian died; everything else goes on")

    def _flip(self, before: Status, after: Status, reason: str) -> None:
        flip = Flip(GUARDIAN_NAME, before, after, CLASS, reason, announced=False)
        self._context.incidents.flip(flip)
        self._context.changed()
