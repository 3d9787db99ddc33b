"""`check`: settings, service table, then the interfaces of the brokers; every fault at once."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from services.supervisor.compatibility import CHECK
from services.supervisor.ignition import examine
from services.supervisor.launch import REPOSITORY, Launch
from services.supervisor.terminal import say
from shared.commands.control_client import ControlClient
from shared.config.settings import Settings
from shared.errors import ConfigFault


def check(arguments: argparse.Namespace) -> int:
    """Print every fault, then ask the brokers' interfaces; 0 or the exit code of the fault.

    With `--drift` nobody is asked: the record of what was answered is compared by day.
    """
    try:
        examined = examine(arguments)
    except ConfigFault as fault:
        say(str(fault), sys.stderr)
        return fault.exit_code
    settings, launch = examined.settings, examined.launch
    say(f"settings: good, mode {settings.trading_mode}")
    say(f"service table: good, {len(examined.services)} services")
    if arguments.drift is not None:
        return _asked(launch, ("--drift", *arguments.drift))
    if not _can_ask(settings):
        say("interfaces: not asked, because the embedded exchange does not run")
        return os.EX_OK
    code = _asked(launch, ())
    say(f"interfaces: {'good' if code == os.EX_OK else 'not good'}")
    return code


def _asked(launch: Launch, words: Sequence[str]) -> int:
    """Run the one-shot in front of the person; return its exit code."""
    command = [sys.executable, "-m", CHECK.module, *words]
    environment = launch.child_environment(os.environ)
    try:
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment, timeout=CHECK.timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        say(f"interfaces: no answer within {CHECK.timeout_s:g} s", sys.stderr)
        return os.EX_TEMPFAIL
    return done.returncode


def _can_ask(settings: Settings) -> bool:
    if str(settings.trading_mode) != "sim":
        return True
    return ControlClient(settings.state, timeout_s=5.0).is_alive()
