"""The supervisor's own process: `python -m services.supervisor`, started by the guardian."""

from __future__ import annotations

import asyncio
import os
import sys

from services.supervisor.launch import LATER_SUPERVISOR, LAUNCH_VARIABLE, REPOSITORY, Launch
from services.supervisor.locks import LockHeld, ProcessLock
from services.supervisor.own_files import write_own_exit
from services.supervisor.supervisor import Supervisor, open_context
from services.supervisor.terminal import say
from shared.clock import SystemClock
from shared.errors import EXIT_ALREADY_RUNNING, EXIT_CANNOT_WRITE, SystemFault
from shared.telemetry.logs import configure_logging, log_event


async def _supervise(launch: Launch) -> int:
    logger = configure_logging("supervisor", launch.logs.root)
    try:
        context = open_context(launch, SystemClock(), logger, asyncio.get_running_loop())
        log_event(logger, "supervisor_started", f"supervisor of mode {launch.mode} started")
        supervisor = Supervisor(context)
        await supervisor.open()
    except OSError as fault:
        return _unusable(fault)
    code = await supervisor.run()
    log_event(logger, "supervisor_ended", f"ended with exit code {code}")
    return code


def _unusable(fault: OSError) -> int:
    """Say what cannot be used at a first start; a later one is tried again by its guardian.

    The services of a dead supervisor still run: they must not be left alone for one full disk.
    """
    if os.environ.get(LATER_SUPERVISOR):
        raise fault
    place = fault.filename or "a file of ours"
    say(f"STATE_DIR: {place} cannot be used: {fault.strerror or fault}.", sys.stderr)
    return EXIT_CANNOT_WRITE


def main() -> int:
    """Take the lock, supervise, and leave word of an end that was meant."""
    launch = Launch.from_text(os.environ[LAUNCH_VARIABLE])
    os.chdir(REPOSITORY)
    lock = ProcessLock(launch.state.supervisor_lock)
    try:
        lock.take("the supervisor")
    except LockHeld as held:
        say(f"Another supervisor holds this state folder: {held.holder}.", sys.stderr)
        write_own_exit(launch.state.run, os.getpid(), EXIT_ALREADY_RUNNING)
        return EXIT_ALREADY_RUNNING
    except OSError as fault:
        code = _unusable(fault)
        write_own_exit(launch.state.run, os.getpid(), code)
        return code
    try:
        code = asyncio.run(_supervise(launch))
    except SystemFault as fault:
        say(f"The supervisor cannot go on: {fault}", sys.stderr)
        code = fault.exit_code
    write_own_exit(launch.state.run, os.getpid(), code)
    lock.release()
    return code


if __name__ == "__main__":
    sys.exit(main())
