"""Helpers that outlived their service are found and ended; nobody else's process is touched.

Most carry the cookie of their service in their environment. One that took it out becomes our own
child when its parent dies, for we are a subreaper: a stranger that appears with the death of a
service belonged to it. One that went off on its own while its service lived stays unknown until
everything is stopped.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from services.supervisor.context import Context, Roster
from services.supervisor.processes import (
    COOKIE,
    become_subreaper,
    children_of_ours,
    environment_of,
    open_process,
    processes_with_cookie,
    start_ticks,
)

SWEEP_AFTER_S = 0.05
"""Helpers of the dead are looked for after the restart, which must not wait for it."""


class Sweeper:
    """Looks through the processes after deaths, and once a second among our own children."""

    def __init__(self, context: Context, roster: Roster) -> None:
        self._context = context
        self._roster = roster
        self._is_due = False
        self._died_s = 0.0
        self._strangers: set[int] = set()
        """Living children that are none of ours, seen while nobody had died."""
        self.other_cookies: Callable[[], set[str]] = set
        self.other_pids: Callable[[], set[int]] = set
        """Of children that are no members: one-shots."""
        become_subreaper()

    def died(self) -> None:
        """Note a death; what it left is swept a moment later."""
        self._died_s = self._context.now_s()
        if not self._is_due:
            self._is_due = True
            self._context.loop.call_later(SWEEP_AFTER_S, self._sweep_when_calm)

    def look(self) -> None:
        """Reap strangers that ended, and get to know those that live."""
        living = self._living_strangers()
        if not self._is_due:
            self._strangers = living

    def _sweep_when_calm(self) -> None:
        """Sweep after the last of many deaths: to look at every process takes its time."""
        calm_s = self._context.now_s() - self._died_s
        if calm_s < SWEEP_AFTER_S / 2 and not self._context.stopping:
            self._context.loop.call_later(SWEEP_AFTER_S, self._sweep_when_calm)
        else:
            self.sweep()

    def sweep(self) -> None:
        """SIGKILL whom the dead left: by cookie, and strangers that came with a death."""
        self._is_due = False
        alive = {member.cookie for member in self._roster if member.process is not None}
        alive |= self.other_cookies()
        known = self._members() | self.other_pids()
        for pid, cookie in processes_with_cookie(f"{self._context.launch.cookie}.", known):
            if cookie not in alive:
                _kill(pid)
        living = self._living_strangers()
        if self._context.stopping:
            # Everybody whose they could be has ended.
            self._strangers.clear()
        for pid in living - self._strangers:
            _kill(pid)
        self._strangers &= living

    def _living_strangers(self) -> set[int]:
        """Return our children that nobody of ours started; those that ended are reaped."""
        strangers = set(children_of_ours()) - self._members() - self.other_pids()
        return {pid for pid in strangers if _lives(pid) and not self._has_cookie(pid)}

    def _members(self) -> set[int]:
        return {member.process.pid for member in self._roster if member.process is not None}

    def _has_cookie(self, pid: int) -> bool:
        return environment_of(pid).get(COOKIE, "").startswith(f"{self._context.launch.cookie}.")


def _lives(pid: int) -> bool:
    """Whether a child of ours lives; one that ended is reaped."""
    if start_ticks(pid) is not None:
        return True
    with suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    return False


def _kill(pid: int) -> None:
    ticks = start_ticks(pid)
    stray = None if ticks is None else open_process(pid, ticks)
    if stray is not None:
        stray.send(signal.SIGKILL)
        stray.close()
