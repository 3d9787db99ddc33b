"""The one line of deploy_supervisor.py: `drill` is ours, and a `run` with CHAOS_MODE is armed.

Everything else goes straight on to the command line. Light: chaos is loaded only when asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from services.supervisor.cli import build_parser, with_command
from services.supervisor.cli import main as command_line
from services.supervisor.folders import named_setting, state_folder
from services.supervisor.terminal import say

DRILL = "drill"
OFF = ("", "off")


def main(words: Sequence[str]) -> int:
    """Carry out one command; return its exit code."""
    if words[:1] == [DRILL]:
        from chaos.cli import drill

        return drill(words[1:])
    if words[:1] in (["-h"], ["--help"]):
        parser = build_parser()
        parser.epilog = "drill [NAME...] [--all] [--list]: prove that it heals (drill --help)"
        parser.print_help()
        return 0
    code = _armed(with_command(words))
    return command_line(words) if code is None else code


def _armed(words: list[str]) -> int | None:
    """Get ready for CHAOS_MODE; the exit code when the start is refused for it."""
    if words[0] != "run":
        return None
    arguments = build_parser().parse_args(words)
    if named_setting("CHAOS_MODE", arguments.env_file) in OFF:
        return None
    from chaos.arming import arm
    from services.supervisor.failed_start import FailedStart, publish_failed_start
    from shared.errors import ConfigFault

    try:
        arm(arguments)
    except ConfigFault as fault:
        failed = FailedStart(fault.exit_code, str(fault))
        say(failed.reason, sys.stderr)
        publish_failed_start(state_folder(arguments), failed)
        return failed.exit_code
    return None
