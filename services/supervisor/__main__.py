"""The supervisor's own process: `python -m services.supervisor`, started by the guardian."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys

from services.supervisor.failed_start import FailedStart, write_failed_start
from services.supervisor.launch import LAUNCH_VARIABLE, REPOSITORY, Launch
from services.supervisor.locks import LockHeld, ProcessLock
from services.supervisor.own_files import SUPERVISOR, write_own_exit, write_pid_file
from services.supervisor.strangers import SUPERVISOR_MODULE, living_owners
from services.supervisor.supervisor import Supervisor, open_context
from services.supervisor.terminal import say
from shared.clock import Clock, SystemClock
from shared.errors import EXIT_ALREADY_RUNNING, EXIT_CANNOT_WRITE, SystemFault, TransientFault
from shared.telemetry.logs import configure_logging, log_event


async def _supervise(launch: Launch, clock: Clock, lock: ProcessLock) -> int:
    try:
        logger = configure_logging("supervisor", launch.logs.root)
        context = open_context(launch, clock, logger, asyncio.get_running_loop())
        context.owns_folder = lock.is_held
        log_event(logger, "supervisor_started", f"supervisor of mode {launch.mode} started")
        supervisor = Supervisor(context)
        await supervisor.open()
    except (OSError, SystemFault) as fault:
        return _cannot_start(launch, fault)
    code = await supervisor.run()
    log_event(logger, "supervisor_ended", f"ended with exit code {code}")
    return code


def _cannot_start(launch: Launch, fault: OSError | SystemFault) -> int:
    """Say in health.json and on the terminal what is in the way; return the exit code.

    What the disk refuses is a folder that cannot be used, by whichever door it was found.
    """
    if isinstance(fault, OSError):
        place = fault.filename or "a file of ours"
        reason = f"STATE_DIR: {place} cannot be used: {fault.strerror or fault}."
        code = EXIT_CANNOT_WRITE
    else:
        reason = f"The supervisor cannot start: {fault}."
        code = EXIT_CANNOT_WRITE if isinstance(fault, TransientFault) else fault.exit_code
    write_failed_start(launch.state, FailedStart(code, reason, launch.mode))
    say(reason, sys.stderr)
    return code


def _supervise_alone(launch: Launch, clock: Clock, lock: ProcessLock) -> int:
    """Supervise, unless a supervisor lives whose lock was removed together with its folder."""
    for other in living_owners(launch.cookie, SUPERVISOR_MODULE):
        told = f"Another supervisor (pid {other.pid}) still runs for this state folder"
        say(f"{told}, which was removed under it; wait for its end, or stop it.", sys.stderr)
        return EXIT_ALREADY_RUNNING
    write_pid_file(launch.state.run, SUPERVISOR, os.getpid())
    return asyncio.run(_supervise(launch, clock, lock))


def main(clock: Clock) -> int:
    """Take the lock, supervise by that clock, and leave word of an end that was meant."""
    faulthandler.enable()
    launch = Launch.from_text(os.environ[LAUNCH_VARIABLE])
    os.chdir(REPOSITORY)
    lock = ProcessLock(launch.state.supervisor_lock)
    try:
        lock.take("the supervisor")
    except LockHeld as held:
        say(f"Another supervisor holds this state folder: {held.holder}.", sys.stderr)
        code = EXIT_ALREADY_RUNNING
    except OSError as fault:
        code = _cannot_start(launch, fault)
    else:
        code = _supervise_alone(launch, clock, lock)
    write_own_exit(launch.state.run, os.getpid(), code)
    lock.release()
    return code


if __name__ == "__main__":
    sys.exit(main(SystemClock()))
