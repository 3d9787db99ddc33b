"""The command line: arguments in, exit code out. Data goes to stdout, messages to stderr.

Every command loads only what it needs; `status` stays within the standard library.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence

from services.supervisor.signals import hold
from services.supervisor.terminal import say
from shared.errors import SystemFault

DEFAULT_COMMAND = "run"
UNKNOWN = 4
"""Of `status` alone: nobody knows how the system is."""
CLEARABLE = ("stop", "drawdown", "rebuild", "second-writer")


def _lacks_packages() -> bool:
    """Say in one line which packages are missing, and whether any is."""
    from services.supervisor.dependencies import missing_packages

    missing = missing_packages()
    if missing:
        say(f"not installed here: {', '.join(missing)}; run: make run", sys.stderr)
    return bool(missing)


def _run(arguments: argparse.Namespace) -> int:
    # Ctrl-C and SIGTERM end a start in its tracks; SIGHUP waits for whoever reads the table.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hold(signal.SIGHUP)
    try:
        if _lacks_packages():
            return os.EX_CONFIG
        from services.supervisor.ignition import run

        return run(arguments)
    except KeyboardInterrupt:
        say("Stopped before anything was started.")
        return os.EX_OK


def _check(arguments: argparse.Namespace) -> int:
    if _lacks_packages():
        return os.EX_CONFIG
    from services.supervisor.cli_check import check

    return check(arguments)


def _status(arguments: argparse.Namespace) -> int:
    try:
        from services.supervisor.cli_status import status

        return status(arguments)
    except Exception as failure:  # whatever it was: with 1 a probe would read it as DEGRADED
        say(f"status failed: {type(failure).__name__}: {failure}", sys.stderr)
        return UNKNOWN


def _stop(arguments: argparse.Namespace) -> int:
    from services.supervisor.cli_stop import stop

    return stop(arguments)


def _restart(arguments: argparse.Namespace) -> int:
    from services.supervisor.cli_services import restart

    return restart(arguments)


def _release(arguments: argparse.Namespace) -> int:
    from services.supervisor.cli_services import release

    return release(arguments)


def _tail(arguments: argparse.Namespace) -> int:
    from services.supervisor.cli_services import tail

    return tail(arguments)


def _replay(arguments: argparse.Namespace) -> int:
    from services.supervisor.cli_replay import replay_file

    return replay_file(arguments)


def _order(arguments: argparse.Namespace) -> int:
    from services.supervisor.cli_orders import order

    return order(arguments)


def _doctor(arguments: argparse.Namespace) -> int:
    from services.supervisor.doctor import doctor

    return doctor(arguments)


def _bundle(arguments: argparse.Namespace) -> int:
    if _lacks_packages():
        return os.EX_CONFIG
    from services.supervisor.bundle import bundle

    return bundle(arguments)


def _completion(arguments: argparse.Namespace) -> int:
    from services.supervisor.completion import completion

    return completion(arguments)


def _folders() -> argparse.ArgumentParser:
    folders = argparse.ArgumentParser(add_help=False)
    folders.add_argument("--state-dir", metavar="DIR", help="folder of the state (STATE_DIR)")
    folders.add_argument("--log-dir", metavar="DIR", help="folder of the logs (LOG_DIR)")
    folders.add_argument("--env-file", metavar="FILE", help="settings file instead of .env")
    return folders


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="deploy_supervisor.py",
        description="Starts, stops and asks the trading system. Without a command: run.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    folders = _folders()

    def add(
        name: str, action: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        # A flag that is half typed must not close a position.
        command = commands.add_parser(
            name, parents=[folders], help=text, description=text, allow_abbrev=False
        )
        command.set_defaults(action=action)
        return command

    for name, action, text in (
        ("run", _run, "start everything and stay in the foreground"),
        ("check", _check, "check settings, service table and interfaces, then stop"),
    ):
        command = add(name, action, text)
        command.add_argument("--mode", help="sim, paper, live_limited or live (TRADING_MODE)")
        command.add_argument("--confirm", action="store_true", help="required by live modes")
        command.add_argument("--symbols", "--symbol", help="comma-separated (SYMBOLS)")
        command.add_argument("--services", metavar="FILE", help="service table to use")
        if name == "check":
            drift = "ask nobody: show what changed between two recorded days"
            command.add_argument("--drift", nargs="*", metavar="DAY", help=drift)
    add("status", _status, "the verdict and the services").add_argument(
        "--json", action="store_true", help="print health.json as it was judged"
    )
    add("stop", _stop, "stop everything")
    for name, action, text in (
        ("restart", _restart, "restart one service"),
        ("release", _release, "let a parked service run again"),
        ("tail", _tail, "show a service's log"),
    ):
        command = add(name, action, text)
        command.add_argument("service", metavar="NAME")
        if name == "tail":
            command.add_argument("-f", "--follow", action="store_true", help="go on showing it")
    add("replay", _replay, "replay a day's events to their state").add_argument(
        "file", metavar="FILE"
    )
    _add_orders(add)
    _add_looking(add)
    return parser


_Add = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def _add_looking(add: _Add) -> None:
    doctor = add("doctor", _doctor, "look for the usual faults and say the mend of each")
    doctor.add_argument("--json", action="store_true", help="print what was found as JSON")
    bundle = add("bundle", _bundle, "pack what a developer needs, without any secret")
    bundle.add_argument("--out", metavar="FILE", help="archive to write, which must not exist")
    bundle.add_argument("--at", metavar="UTC", help="moment of the incident (the last one)")
    bundle.add_argument("--minutes", type=float, default=15.0, help="around it (15)")
    bundle.add_argument("--json", action="store_true", help="print what was packed as JSON")
    completion = add("completion", _completion, "print the script that completes our words")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))


def _add_orders(add: _Add) -> None:
    def order(name: str, text: str) -> argparse.ArgumentParser:
        command = add(name, _order, text)
        command.add_argument("--json", action="store_true", help="print the answer as JSON")
        return command

    stop = order("emergency-stop", "take no new risk at all, from now on")
    stop.add_argument("--reason", required=True)
    stop.add_argument("--flatten", action="store_true", help="close all our positions too")
    stop.add_argument(
        "--include-external", action="store_true", help="with --flatten: those not ours, too"
    )
    clear = order("clear-stop", "allow trading again")
    clear.add_argument("--approver", required=True, help="who takes the responsibility")
    clear.add_argument("--what", choices=CLEARABLE, default=CLEARABLE[0])
    close = order("close-position", "close the whole position of a symbol")
    close.add_argument("symbol", metavar="SYMBOL")
    close.add_argument("--reason", required=True)
    order("pause", "open no new positions").add_argument("--reason", default="")
    order("resume", "open positions again").add_argument("--reason", default="")


def with_command(words: Sequence[str]) -> list[str]:
    """Return the arguments with `run` in front when no command was named."""
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        return [DEFAULT_COMMAND, *words]
    return list(words)


def main(words: Sequence[str]) -> int:
    """Carry out one command; return its exit code. Wrong arguments end with 2."""
    arguments = build_parser().parse_args(with_command(words))
    action: Callable[[argparse.Namespace], int] = arguments.action
    try:
        return action(arguments)
    except SystemFault as fault:
        say(str(fault), sys.stderr)
        return fault.exit_code
    except OSError as failure:
        # Somebody else's folder, a broken disk: a sentence says more than a traceback.
        say(f"{arguments.command}: {failure}", sys.stderr)
        return os.EX_TEMPFAIL if action in (_order, _check) else 1
