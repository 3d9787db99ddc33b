"""What must be done when no bot lives: `secure`, `spool`, `summary`. Each holds the trading lock.

secure   cancel working entries, protect positions            0 done, 75 not verified in time
spool    carry out the operators' commands that wait          0 done, 75 not verified in time
summary  reconcile a last time, print the report; for a       0 only if our state equals the
         replay also logs/replay_report.{txt,json}            exchange and every stop is live

A one-shot enters nothing and waits for nothing for ever.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from services.trading_bot.loop import Loop
from services.trading_bot.parts import Parts
from services.trading_bot.standing import is_secure
from services.trading_bot.startup import Ignition, Stopped, Waiting, hold_lock, start
from services.trading_bot.summary import print_summary
from shared.clock import Clock, SystemClock
from shared.config.settings import Settings, load_settings
from shared.errors import ConfigFault, SystemFault
from shared.ports import Turn
from shared.telemetry.logs import configure_logging
from shared.telemetry.notify import Notifier
from shared.telemetry.service import run_service

NAME = "one_shot"
REACH_WITHIN_S = 10.0
"""Real seconds for the lock and the broker together."""
WORK_WITHIN_S = 30.0
PAUSE_S = 0.25
SETTLED_TURNS = 2
"""Turns in a row that must find everything in order: a broker's books may lag."""


def _is_secure(parts: Parts) -> bool:
    return parts.eye.fault is None and is_secure(parts.memory.state)


def work_until(
    parts: Parts, loop: Loop, stop: threading.Event, is_done: Callable[[], bool]
) -> bool:
    """Do turns until `is_done` held for some in a row; False when the time is over.

    The market clock is only read: a one-shot never takes part in a lock-step.
    """
    clock, calm = parts.clock, 0
    deadline_s = clock.monotonic_s() + WORK_WITHIN_S
    while clock.monotonic_s() < deadline_s and not stop.is_set():
        try:
            loop.turn(Turn(parts.market_clock.reading(), None))
            calm = calm + 1 if is_done() else 0
        except ConfigFault:
            raise
        except SystemFault as fault:
            loop.idle(fault)
        if calm >= SETTLED_TURNS:
            return True
        clock.wait(stop, PAUSE_S)
    return False


def secure(parts: Parts, stop: threading.Event) -> int:
    """Cancel working entries and protect positions."""
    loop = Loop(parts, may_enter=False)
    done = work_until(parts, loop, stop, lambda: _is_secure(parts))
    loop.finish()
    return os.EX_OK if done else os.EX_TEMPFAIL


def spool(parts: Parts, stop: threading.Event) -> int:
    """Carry out what waits in the spool."""
    loop = Loop(parts, may_enter=False)
    done = work_until(parts, loop, stop, lambda: parts.desk.is_idle)
    loop.finish()
    return os.EX_OK if done else os.EX_TEMPFAIL


def summary(parts: Parts, stop: threading.Event) -> int:
    """Secure what the stopped bot left behind, then compare and report."""
    loop = Loop(parts, may_enter=False)
    if parts.settings.is_lock_step:
        # Market time stands still: nothing that is asked could still happen.
        loop.turn(Turn(parts.market_clock.reading(), None))
    else:
        work_until(parts, loop, stop, lambda: _is_secure(parts))
    code = print_summary(parts, stop)
    loop.finish()
    return code


ERRANDS: dict[str, Callable[[Parts, threading.Event], int]] = {
    "secure": secure,
    "spool": spool,
    "summary": summary,
}


def run_errand(name: str, settings: Settings, stop: threading.Event, clock: Clock) -> int:
    """Do one errand under the trading lock and return its exit code. Raises SystemFault."""
    waiting = Waiting(clock, Notifier(None), stop, give_up_after_s=REACH_WITHIN_S)
    ignition = Ignition(settings, clock, waiting, open_stream=None)
    lock = hold_lock(ignition)
    try:
        parts = start(ignition, lock)
        waiting.until(parts.market.warmed, "market.db cannot be read")
        return ERRANDS[name](parts, stop)
    finally:
        lock.release()


def main(arguments: list[str]) -> int:
    """Run the errand that the one argument names."""
    if len(arguments) != 1 or arguments[0] not in ERRANDS:
        sys.stderr.write(f"usage: python -m services.trading_bot.one_shot {'|'.join(ERRANDS)}\n")
        return os.EX_USAGE
    settings = load_settings()
    configure_logging(NAME, settings.log_dir, settings.secret_values(), to_stderr=True)
    codes: list[int] = []

    def errand(stop: threading.Event) -> None:
        try:
            codes.append(run_errand(arguments[0], settings, stop, SystemClock()))
        except Stopped:
            codes.append(os.EX_TEMPFAIL)

    failed = run_service(NAME, settings.log_dir, errand)
    return failed or codes[0]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ConfigFault as fault:
        sys.stderr.write(f"{fault}\n")
        sys.exit(fault.exit_code)
