"""The frame around every service's main: stack dumps, stop signal, exit code, last words."""

from __future__ import annotations

import faulthandler
import logging
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from shared.clock import SystemClock, utc_text
from shared.config.settings import Settings, load_settings
from shared.errors import ConfigFault, SystemFault
from shared.telemetry.last_words import words_of_now, write_last_words
from shared.telemetry.logs import configure_logging, log_event

CRASH_EXIT_CODE = 1


def run_configured_service(service: str, work: Callable[[Settings, threading.Event], None]) -> int:
    """Load the settings, open the log, run `work(settings, stop)`; the whole main of a service.

    Returns the exit code of CONTRACTS.md section 2. Settings that are wrong are told on stderr:
    no log exists before the settings do.
    """
    try:
        settings = load_settings()
        configure_logging(service, settings.log_dir, settings.secret_values())
        return run_service(service, settings.log_dir, lambda stop: work(settings, stop))
    except ConfigFault as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.exit_code


def run_service(service: str, log_dir: Path, main: Callable[[threading.Event], None]) -> int:
    """Run `main(stop)` and return the exit code of CONTRACTS.md section 2.

    `stop` is set by SIGTERM and SIGINT. A SystemFault ends the process with its family's code,
    any other exception with 1; both leave last words. SIGABRT (the watchdog) dumps all stacks.
    """
    faulthandler.enable(all_threads=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clock = SystemClock()
    started_at = utc_text(clock.utc_now())
    logger = logging.getLogger(service)
    try:
        main(stop)
    except SystemFault as fault:
        log_event(
            logger,
            "service_ended",
            str(fault),
            level=logging.ERROR,
            failure_class=str(fault.failure_class),
            exit_code=fault.exit_code,
        )
        words = words_of_now(clock, started_at, fault, fault.exit_code)
        write_last_words(log_dir, service, words)
        return fault.exit_code
    except Exception as failure:
        logger.exception("crashed", extra={"event": "service_crashed"})
        words = words_of_now(clock, started_at, failure, CRASH_EXIT_CODE)
        write_last_words(log_dir, service, words)
        return CRASH_EXIT_CODE
    log_event(logger, "service_stopped", f"{service} stopped as asked")
    return 0
