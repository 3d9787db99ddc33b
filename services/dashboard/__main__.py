"""`python -m services.dashboard`."""

from __future__ import annotations

import sys

from services.dashboard.service import run
from shared.clock import SystemClock
from shared.telemetry.service import run_configured_service

NAME = "dashboard"


def main() -> int:
    """Run until stopped; the exit code of CONTRACTS.md section 2."""
    return run_configured_service(NAME, lambda settings, stop: run(settings, SystemClock(), stop))


if __name__ == "__main__":
    sys.exit(main())
