"""The page's hands: the one command core, and the supervisor's control socket.

Both block, so each command runs in a thread of its own beside the event loop. Nobody waits for
those threads at the end of the process: a command that has reached the spool is carried out
whether or not somebody still listens for its answer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from shared.commands.audit import AuditLine, AuditLog
from shared.commands.control_client import ControlClient, ControlRefused
from shared.commands.core import CommandCore
from shared.errors import SystemFault
from shared.models.commands import Answer

RUNNING_MAX = 8
STOPS_RUNNING_MAX = 32
"""Emergency stops never queue behind slower commands, and are bounded all the same."""
BAD_NAME = 10
"""supervisord's fault code for a service that it does not know."""

Result = TypeVar("Result")


class ServiceAction(Enum):
    """What may be asked of one service."""

    RESTART = "restart"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """What the supervisor said."""

    done: bool
    known: bool
    """False when it knows no such service."""
    reached: bool
    """False when no supervisor answered."""
    detail: str


class Commands:
    """One awaited method per kind of command."""

    def __init__(self, core: CommandCore, control: ControlClient, audit: AuditLog) -> None:
        self._core = core
        self._control = control
        self._audit = audit
        self._others = asyncio.Semaphore(RUNNING_MAX)
        self._stops = asyncio.Semaphore(STOPS_RUNNING_MAX)

    async def emergency_stop(
        self, reason: str, by: str, flatten: bool, include_external: bool = False
    ) -> Answer:
        """Stop; the stop file is made before anything else."""
        async with self._stops:
            return await beside(
                lambda: self._core.emergency_stop(reason, by, flatten, include_external)
            )

    async def run(self, command: Callable[[CommandCore], Answer]) -> Answer:
        """Run any other command of the core."""
        async with self._others:
            return await beside(lambda: command(self._core))

    async def service(
        self, action: ServiceAction, name: str, reason: str, by: str
    ) -> ServiceAnswer:
        """Ask the supervisor to restart or release a service; audited."""
        async with self._others:
            return await beside(lambda: self._ask_supervisor(action, name, reason, by))

    def note_asked(self, action: ServiceAction, name: str, reason: str, by: str) -> None:
        """Write the audit line before the deed, for one that we shall not live to see."""
        line = AuditLine(by, action.value, reason, "asked", args={"service": name})
        self._audit.append(line)

    def _ask_supervisor(
        self, action: ServiceAction, name: str, reason: str, by: str
    ) -> ServiceAnswer:
        methods = {
            ServiceAction.RESTART: self._control.restart,
            ServiceAction.RELEASE: self._control.release,
        }
        answer = ServiceAnswer(True, True, True, f"{action.value} of {name}: done.")
        try:
            methods[action](name)
        except ControlRefused as fault:
            known = fault.code != BAD_NAME
            answer = ServiceAnswer(False, known, True, f"The supervisor says no: {fault}.")
        except SystemFault as fault:
            answer = ServiceAnswer(False, True, False, f"{fault}.")
        outcome = "done" if answer.done else "refused" if answer.reached else "failed"
        args = {"service": name}
        self._audit.append(AuditLine(by, action.value, reason, outcome, answer.detail, args=args))
        return answer


async def beside(work: Callable[[], Result]) -> Result:
    """Await blocking work in a daemon thread; its exception is raised here."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, failure: BaseException | None) -> None:
        if done.cancelled():
            return
        if failure is not None:
            done.set_exception(failure)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # None only beside a failure

    def carry() -> None:
        result: Result | None = None
        failure: BaseException | None = None
        try:
            result = work()
        except Exception as raised:
            failure = raised
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            return  # the loop has ended meanwhile; the command itself is done

    threading.Thread(target=carry, name="dashboard-command", daemon=True).start()
    return await done
