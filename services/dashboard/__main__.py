"""`python -m services.dashboard`."""

from __future__ import annotations

import sys
import threading

from services.dashboard.service import run
from shared.clock import SystemClock
from shared.config.settings import load_settings
from shared.errors import ConfigFault
from shared.telemetry.logs import configure_logging
from shared.telemetry.service import run_service

NAME = "dashboard"


def main() -> int:
    """Run until stopped; the exit code of CONTRACTS.md section 2."""
    try:
        settings = load_settings()
    except ConfigFault as fault:
        print(fault, file=sys.stderr)  # noqa: T201  no log exists before the settings do
        return fault.exit_code
    configure_logging(NAME, settings.log_dir, settings.secret_values())

    def work(stop: threading.Event) -> None:
        run(settings, SystemClock(), stop)

    return run_service(NAME, settings.log_dir, work)


if __name__ == "__main__":
    sys.exit(main())
