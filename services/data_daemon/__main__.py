"""data-daemon: the only process with market-data connections; writes market.db."""

from __future__ import annotations

import os
import sys
import threading

from services.data_daemon.lockstep_loop import LockStepLoop
from services.data_daemon.loop import FreeRunningLoop
from services.data_daemon.reporter import Reporter
from services.data_daemon.sink import StoreSink
from services.data_daemon.wiring import SERVICE, Parts, wire
from shared.clock import Clock, SystemClock
from shared.config.endpoints import load_endpoints
from shared.config.settings import Settings
from shared.errors import TransientFault
from shared.resilience.door_rules import DoorHost
from shared.resilience.door_standing import standing_of_all
from shared.telemetry.logs import configure_logging
from shared.telemetry.notify import Notifier
from shared.telemetry.service import run_configured_service

BEAT_S_MAX = 0.5
RETRY_S = 1.0


def serve(settings: Settings, stop: threading.Event) -> None:
    """Work until stopped; READY comes before the exchange is reached, for it may be away."""
    clock = SystemClock()
    notifier = Notifier.from_environment()
    sink = StoreSink(clock)
    beat_s = min(BEAT_S_MAX, float(os.environ.get("SHT_BEAT_S", "1")) / 2)
    host = DoorHost(stop, notifier.extend_timeout)
    reporter = Reporter(notifier, clock, beat_s, sink.counts, lambda: standing_of_all(host).metrics)
    notifier.ready("following the market")
    parts = _wire_patiently(settings, clock, reporter, host)
    if parts is None:
        return
    loop = LockStepLoop if settings.is_lock_step else FreeRunningLoop
    try:
        loop(parts, sink, reporter).run(stop)
    finally:
        notifier.stopping()
        parts.store.close()


def _wire_patiently(
    settings: Settings, clock: Clock, reporter: Reporter, host: DoorHost
) -> Parts | None:
    """Return the parts as soon as the addresses are known and the disk lets the store be opened;
    None when stopped before. A full disk is waited for, as everything that passes by itself.
    """
    while not host.stop.is_set():
        try:
            endpoints = load_endpoints(settings)
            hidden = (*settings.secret_values(), endpoints.key_id, endpoints.secret_key)
            configure_logging(SERVICE, settings.log_dir, hidden)
            return wire(settings, endpoints, clock, host)
        except TransientFault as fault:
            reporter.turn("DEGRADED", str(fault))
            clock.wait(host.stop, RETRY_S)
    return None


def main() -> int:
    """Return the exit code of CONTRACTS.md section 2."""
    return run_configured_service(SERVICE, serve)


if __name__ == "__main__":
    sys.exit(main())
