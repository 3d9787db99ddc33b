"""`python -m services.heartbeat`."""

from __future__ import annotations

import logging
import sys
import threading

from services.heartbeat.loop import Loop, beat_s_of_environment, turn_s
from shared.clock import SystemClock
from shared.config.settings import Settings
from shared.telemetry.notify import Notifier
from shared.telemetry.service import run_configured_service

NAME = "heartbeat"


def watch(settings: Settings, stop: threading.Event) -> None:
    """Judge and alert until stopped."""
    loop = Loop(settings, SystemClock(), logging.getLogger(NAME))
    loop.run(stop, Notifier.from_environment(), turn_s(beat_s_of_environment()))


def main() -> int:
    """Run until stopped; the exit code of CONTRACTS.md section 2."""
    return run_configured_service(NAME, watch)


if __name__ == "__main__":
    sys.exit(main())
