"""`emergency-stop`, `clear-stop`, `close-position`, `pause`, `resume`: through the command core.

They work with everything else dead: with no supervisor alive the one-shot is started here.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import sys
from collections.abc import Callable

from services.supervisor.folders import log_folder, state_folder
from services.supervisor.replacement import Replacement
from services.supervisor.terminal import say
from shared.clock import SystemClock, utc_text
from shared.commands.core import CommandCore
from shared.config.paths import LogPaths, StatePaths
from shared.models.commands import Answer, CommandOutcome

SCHEMA_VERSION = 1
EXIT_OF_OUTCOME = {
    CommandOutcome.DONE: 0,
    CommandOutcome.REFUSED: 1,
    CommandOutcome.EXPIRED: 1,
    CommandOutcome.FAILED: os.EX_TEMPFAIL,
}


def order(arguments: argparse.Namespace) -> int:
    """Carry out one operator command; 0 done, 1 refused, 75 not verified at the broker."""
    state, logs = StatePaths(state_folder(arguments)), LogPaths(log_folder(arguments))
    replacement = Replacement(state, logs, arguments.env_file)
    core = CommandCore(state, logs, SystemClock(), hand_over=replacement.hand_over)
    answer = _asked(core, arguments)
    if arguments.json:
        say(json.dumps(_as_document(arguments.command, answer), indent=2, default=str))
        return EXIT_OF_OUTCOME[answer.outcome]
    stream = sys.stdout if answer.outcome is CommandOutcome.DONE else sys.stderr
    say(f"{arguments.command}: {answer.outcome.value}. {answer.detail}", stream)
    if answer.result:
        say(json.dumps(dict(answer.result), default=str))
    return EXIT_OF_OUTCOME[answer.outcome]


def _as_document(command: str, answer: Answer) -> dict[str, object]:
    return {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "id": answer.id,
        "outcome": answer.outcome.value,
        "detail": answer.detail,
        "result": dict(answer.result),
        "at": utc_text(answer.at),
    }


def _asked(core: CommandCore, arguments: argparse.Namespace) -> Answer:
    by = f"{_user()} (command line)"
    calls: dict[str, Callable[[], Answer]] = {
        "emergency-stop": lambda: core.emergency_stop(
            arguments.reason, by, arguments.flatten, arguments.include_external
        ),
        "clear-stop": lambda: core.clear_stop(arguments.approver, arguments.what, by),
        "close-position": lambda: core.close_position(arguments.symbol, arguments.reason, by),
        "pause": lambda: core.pause(by, arguments.reason),
        "resume": lambda: core.resume(by, arguments.reason),
    }
    return calls[arguments.command]()


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
