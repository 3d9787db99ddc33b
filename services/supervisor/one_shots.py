"""Short-lived children: a duty done under the trading lock, a check, the summary of a run."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from services.supervisor.adoption import SERVICE_VARIABLE
from services.supervisor.context import Context
from services.supervisor.processes import (
    COOKIE,
    UNKNOWN_EXIT,
    Exit,
    Process,
    collect_exit,
    kill_group,
    spawn,
    spawn_on_terminal,
)
from services.supervisor.starter import OUTPUT_BYTES_MAX, rotate
from shared.telemetry.logs import log_event

OUTPUT_NAME = "one_shot"
LOOK_EVERY_S = 0.02
KILLED_S = 3.0
"""Time for SIGKILL to work."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What to run: a module with arguments, at most so many seconds."""

    module: str
    arguments: tuple[str, ...]
    timeout_s: float
    on_terminal: bool = False
    grace_s: float = 0.0
    """How long it may go on once everything is stopped."""

    @property
    def name(self) -> str:
        """The errand in words."""
        return " ".join((self.module, *self.arguments))


class OneShots:
    """Runs errands and tells their end."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._running: dict[str, tuple[Errand, Process]] = {}

    def cookies(self) -> set[str]:
        """Cookies of the errands that still run."""
        return set(self._running)

    def pids(self) -> set[int]:
        """Processes of the errands that still run."""
        return {process.pid for _, process in self._running.values()}

    def run(self, errand: Errand, done: Callable[[Exit], None]) -> bool:
        """Start an errand; `done` is called with its exit. False when it cannot be started."""
        context = self._context
        cookie = f"{context.launch.cookie}.one-shot.{os.urandom(4).hex()}"
        environment = {**context.environment, SERVICE_VARIABLE: "", COOKIE: cookie}
        command = (sys.executable, "-m", errand.module, *errand.arguments)
        output = context.launch.logs.output(OUTPUT_NAME)
        try:
            if errand.on_terminal:
                process = spawn_on_terminal(command, environment)
            else:
                rotate(output, OUTPUT_BYTES_MAX)
                process = spawn(command, environment, output)
        except OSError as fault:
            log_event(context.logger, "errand_not_started", f"{errand.name}: {fault}")
            return False
        log_event(context.logger, "errand_started", f"{errand.name}, pid {process.pid}")
        self._running[cookie] = errand, process
        timer = context.loop.call_later(errand.timeout_s, self._kill, process)

        def ended() -> None:
            context.loop.remove_reader(process.pidfd)
            timer.cancel()
            kill_group(process.pid)
            exit_ = collect_exit(process) or UNKNOWN_EXIT
            process.close()
            del self._running[cookie]
            told = f"{errand.name} ended with {exit_.code}, signal {exit_.signal}"
            log_event(context.logger, "errand_ended", told)
            done(exit_)

        context.loop.add_reader(process.pidfd, ended)
        return True

    async def finish(self) -> None:
        """Give what still runs its grace, then kill it: nobody would wait for its end."""
        began_s = now_s = self._context.now_s()
        longest_s = max((errand.grace_s for errand, _ in self._running.values()), default=0.0)
        while self._running and now_s - began_s < longest_s + KILLED_S:
            for errand, process in self._running.values():
                if now_s - began_s >= errand.grace_s:
                    self._kill(process)
            await asyncio.sleep(LOOK_EVERY_S)
            now_s = self._context.now_s()

    def kill_all(self) -> None:
        """End what still runs at once."""
        for _, process in self._running.values():
            self._kill(process)

    def _kill(self, process: Process) -> None:
        process.send(signal.SIGKILL)
        kill_group(process.pid)

    async def run_and_wait(self, errand: Errand) -> Exit:
        """Run an errand to its end; UNKNOWN_EXIT when it cannot be started."""
        future: asyncio.Future[Exit] = self._context.loop.create_future()
        if not self.run(errand, future.set_result):
            return UNKNOWN_EXIT
        return await future
