"""What `run` tells a person at the beginning: the verdict, the page, how to stop."""

from __future__ import annotations

import os
import sys

from services.supervisor.context import Context, Roster
from services.supervisor.health_file import HealthFile
from services.supervisor.launch import LATER_SUPERVISOR
from services.supervisor.run_end import RunEnd
from services.supervisor.terminal import (
    colours_wanted,
    painted,
    say,
    stock_client_line,
    verdict_table,
)
from shared.models.health import Status

PATIENCE_S = 30.0
"""After so long without OK the table is shown as it is."""


class Opening:
    """Prints once when the whole is OK, then only when the verdict changes."""

    def __init__(
        self, context: Context, roster: Roster, health: HealthFile, run_end: RunEnd
    ) -> None:
        self._context = context
        self._roster = roster
        self._health = health
        self._run_end = run_end
        self._began_s = context.now_s()
        self._told: Status | None = None
        self.dashboard_url: str | None = None

    def began(self) -> None:
        """Say what is being started."""
        if os.environ.get(LATER_SUPERVISOR):
            say("The supervisor was restarted by its guardian; services were adopted.")
            self._told = Status.OK
            return
        names = ", ".join(member.name for member in self._roster)
        say(f"Starting in mode {self._context.launch.mode}: {names}")

    def look(self) -> None:
        """Tell the verdict when it is first OK, when patience ends, and when it changes."""
        verdict = self._health.verdict
        waited_s = self._context.now_s() - self._began_s
        if self._told is None:
            if verdict.overall is Status.OK or waited_s > PATIENCE_S:
                self._told = verdict.overall
                self._open()
        elif verdict.overall is not self._told:
            self._told = verdict.overall
            colour = colours_wanted(sys.stdout)
            stamp = self._context.now_text()
            say(f"{stamp} {painted(verdict.overall, 8, colour)} {verdict.reason}")

    def _open(self) -> None:
        verdict, colour = self._health.verdict, colours_wanted(sys.stdout)
        after = self._run_end.ok_after_s
        took = "" if after is None else f" after {after:.1f} s"
        say(f"{painted(verdict.overall, 2, colour)}{took}: {verdict.reason}")
        say(verdict_table({"services": self._health.service_documents()}, colour=colour))
        if self.dashboard_url is not None:
            say(f"Dashboard: {self.dashboard_url}")
        line = stock_client_line(self._context.launch.state.supervisor_socket)
        if line is not None:
            say(line)
        say("Ctrl-C stops everything.")
