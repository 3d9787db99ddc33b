"""`stop`: by the control socket, by signal when that is silent, by pid files when none lives."""

from __future__ import annotations

import argparse
import signal
import sys

from services.supervisor.folders import state_folder
from services.supervisor.launch import cookie_of
from services.supervisor.leftovers import stop_by_records
from services.supervisor.own_files import GUARDIAN, SUPERVISOR, read_pid_file
from services.supervisor.processes import Process, ended_within
from services.supervisor.strangers import GUARDIAN_MODULE, SUPERVISOR_MODULE, living_owners
from services.supervisor.terminal import say
from shared.commands.control_client import ControlClient
from shared.config.paths import StatePaths
from shared.errors import SystemFault

WHOLE_S = 120.0


def stop(arguments: argparse.Namespace) -> int:
    """Stop everything and wait for the end; 0 when nothing runs any more."""
    state = StatePaths(state_folder(arguments))
    owners = _owners(state)
    if owners:
        _ask(state, owners)
        if not all(ended_within(process, WHOLE_S) for process in owners):
            say("the supervisor does not end; look at logs/supervisor.jsonl", sys.stderr)
            return 1
    left = stop_by_records(state.run)
    if owners or left:
        say("stopped")
    else:
        say("nothing runs here")
    return 0


def _owners(state: StatePaths) -> list[Process]:
    """Return supervisor and guardian, the guardian last; also those whose folder was removed."""
    named = [
        process
        for name in (SUPERVISOR, GUARDIAN)
        if (process := read_pid_file(state.run, name)) is not None
    ]
    if named:
        return named
    cookie = cookie_of(str(state.root))
    supervisors = list(living_owners(cookie, SUPERVISOR_MODULE))
    return [*supervisors, *living_owners(cookie, GUARDIAN_MODULE)]


def _ask(state: StatePaths, owners: list[Process]) -> None:
    """Ask the supervisor; a silent one through its guardian, which else would bring it back."""
    try:
        ControlClient(state, timeout_s=5.0).shutdown()
    except SystemFault:
        owners[-1].send(signal.SIGTERM)
