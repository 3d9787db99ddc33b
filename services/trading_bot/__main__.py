"""trading-bot: holds the trading lock, decides, sends orders, writes trading_state.json."""

from __future__ import annotations

import sys
import threading

from services.trading_bot.brain.black_box import close_black_box
from services.trading_bot.loop import Loop
from services.trading_bot.parts import TradeHints
from services.trading_bot.startup import SERVICE, Ignition, Stopped, Waiting, hold_lock, start
from shared.clock import SystemClock
from shared.config.endpoints import Endpoints
from shared.config.settings import Settings
from shared.telemetry.logs import configure_logging
from shared.telemetry.notify import Notifier
from shared.telemetry.service import run_configured_service
from shared.vendors.alpaca_stream import TradeStream
from shared.vendors.connect import open_trade_stream

LISTEN_WITHIN_S = 5.0
"""Real seconds to wait for the stream before going on without; the guard then lets no entry."""
STREAM_STOP_S = 3.0


def serve(settings: Settings, stop: threading.Event) -> None:
    """Start, work, save. Returns when stopped."""
    clock = SystemClock()
    waiting = Waiting(clock, Notifier.from_environment(), stop)
    streams: list[TradeStream] = []

    def open_stream(endpoints: Endpoints) -> TradeHints:
        hidden = (*settings.secret_values(), endpoints.key_id, endpoints.secret_key)
        configure_logging(SERVICE, settings.log_dir, hidden)
        stream = open_trade_stream(settings, endpoints, clock)
        streams.append(stream)
        stream.start()
        return stream

    ignition = Ignition(settings, clock, waiting, open_stream)
    lock = None
    try:
        lock = hold_lock(ignition)
        parts = start(ignition, lock)
        deadline_s = clock.monotonic_s() + LISTEN_WITHIN_S
        waiting.until(
            lambda: True if streams[0].listening or clock.monotonic_s() > deadline_s else None,
            "the trade stream does not listen yet",
        )
        waiting.until(parts.market.warmed, "market.db cannot be read")
        Loop(parts).run(stop)
        close_black_box(settings.state.black_box)
    except Stopped:
        return
    finally:
        for stream in streams:
            stream.stop(STREAM_STOP_S)
        if lock is not None:
            lock.release()


def main() -> int:
    """Return the exit code of CONTRACTS.md section 2."""
    return run_configured_service(SERVICE, serve)


if __name__ == "__main__":
    sys.exit(main())
