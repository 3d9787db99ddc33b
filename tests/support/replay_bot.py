"""A whole bot in this process, in lock-step with a real exchange-sim and data-daemon process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.trading_bot.loop import Loop
from services.trading_bot.parts import Parts, TradeHints
from services.trading_bot.reconciling import Reconciler
from services.trading_bot.standing import judge_standing
from services.trading_bot.startup import Ignition, Waiting, hold_lock, start
from shared.clock import SystemClock
from shared.config.endpoints import Endpoints
from shared.models.trading_state import Cause, TradingState
from shared.ports import Turn
from shared.telemetry.notify import Notifier
from shared.vendors.alpaca_stream import TradeStream
from shared.vendors.connect import open_trade_stream
from tests.support.daemon_process import DaemonProcess
from tests.support.exchange_process import ExchangeProcess
from tests.support.settings import make_settings
from tests.support.waiting import wait_until

KEYS = ("key", "secret")
TURN_S, REPLAY_S = 20.0, 60.0


class ReplayBot:
    """The bot and the exchange that it trades at; the test gives it its turns."""

    def __init__(self, exchange: ExchangeProcess, parts: Parts) -> None:
        self.exchange = exchange
        self.parts = parts
        self.loop = Loop(parts)
        self._stop = threading.Event()
        self._turn: Turn | None = None

    def standing(self) -> tuple[TradingState, Cause]:
        """Trading state and cause after the last turn, with a reconciliation of that very turn."""
        reconciler = Reconciler(self.parts)
        picture = self.parts.eye.look(
            self.parts.memory.state, self.parts.market_clock.reading().now
        )
        assert picture is not None
        reconciler.run(picture)
        verdict = judge_standing(self.parts, self._turn, None, reconciler)
        return verdict.state, verdict.cause

    def play(
        self,
        before: Callable[[Turn], object] = lambda turn: None,
        after: Callable[[], object] = lambda: None,
    ) -> None:
        """Do every turn up to the replay's end, calling those two around each."""
        clock, deadline_s = self.parts.clock, self.parts.clock.monotonic_s() + REPLAY_S
        while clock.monotonic_s() < deadline_s:
            turn = self.parts.market_clock.next_turn(self._stop, 1.0)
            if turn is None:
                continue
            if turn.ended:
                return
            before(turn)
            self.loop.turn(turn)
            self._turn = turn
            after()
        raise AssertionError(f"the replay did not end within {REPLAY_S} s")


@contextmanager
def replay_bot(folder: Path, bars: Path) -> Iterator[ReplayBot]:
    """Run exchange and data-daemon on a folder of bars, and wire a bot beside them."""
    clock = SystemClock()
    options = ("--speed", "max", "--replay", str(bars), "--db", str(folder / "exchange.db"))
    streams: list[TradeStream] = []
    with (
        ExchangeProcess(folder, *options) as exchange,
        DaemonProcess(folder, exchange.port, speed="max", keys=KEYS),
    ):
        settings = make_settings(folder, TRADING_MODE="sim", SIM_SPEED="max", SIM_REPLAY=str(bars))

        def open_stream(endpoints: Endpoints) -> TradeHints:
            streams.append(open_trade_stream(settings, endpoints, clock))
            streams[0].start()
            return streams[0]

        waiting = Waiting(clock, Notifier(None), threading.Event(), give_up_after_s=TURN_S)
        ignition = Ignition(settings, clock, waiting, open_stream)
        lock = hold_lock(ignition)
        try:
            parts = start(ignition, lock)
            wait_until(lambda: streams[0].listening, TURN_S, "the trade stream listens")
            waiting.until(parts.market.warmed, "market.db cannot be read")
            bot = ReplayBot(exchange, parts)
            yield bot
            bot.loop.finish()
        finally:
            for stream in streams:
                stream.stop(3.0)
            lock.release()
