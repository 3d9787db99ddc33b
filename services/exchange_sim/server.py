"""Runs the exchange: one loop that owns the books, answers clients and beats."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from services.exchange_sim.application import Admission, make_application
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.faults.board import FaultBoard
from services.exchange_sim.faults.bookings import Bookings
from services.exchange_sim.faults.door import Door
from services.exchange_sim.faults.lines import Lines
from services.exchange_sim.faults.middleware import FaultParts
from services.exchange_sim.faults.sessions import StreamSessions
from services.exchange_sim.pacer import Pacer
from services.exchange_sim.streams.session import FRAME_BYTES_MAX
from shared.clock import Clock
from shared.errors import ConfigFault, TransientFault
from shared.telemetry.logs import log_event
from shared.telemetry.notify import Beat, Notifier

logger = logging.getLogger("exchange-sim")
PULSE_S = 0.05
BACKLOG = 256
KEEP_ALIVE_S = 120
"""Longer than any client's pause: a reused connection must not meet our closing it."""
SHUTDOWN_S = 2


@dataclass(frozen=True, slots=True)
class Voice:
    """How the service tells its supervisor that it works."""

    notifier: Notifier
    beat_s: float
    clock: Clock


class _Server(uvicorn.Server):
    """uvicorn, with the stop signal left to run_service."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def listen_on(host: str, port: int) -> socket.socket:
    """Return a listening socket; ConfigFault when the port is taken or not allowed."""
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG)
        # asyncio does it only for sockets made with IPPROTO_TCP; accepted ones inherit it. With
        # Nagle every reply would wait 40 ms for the client's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as failure:
        raise ConfigFault(
            f"cannot listen on {host}:{port}: {failure.strerror}; "
            "end what uses it, or choose another port"
        ) from failure


class Service:
    """The exchange's process: loop, beats and clean end."""

    def __init__(
        self, exchange: Exchange, admission: Admission, voice: Voice, board: FaultBoard
    ) -> None:
        self._exchange = exchange
        self._admission = admission
        self._voice = voice
        bookings = Bookings(board, exchange)
        self._faults = FaultParts(board, Lines(), StreamSessions(), bookings, self._symbol_of_order)
        self._pacer = Pacer(exchange, voice.clock)
        self._port = 0
        self._turns = 0
        self._trouble = ""

    def _symbol_of_order(self, order_id: str) -> str | None:
        order = self._exchange.books.find(order_id)
        return None if order is None else order.symbol

    def run(self, listener: socket.socket, stop: threading.Event) -> None:
        """Serve on the socket until `stop` is set, then close the books."""
        self._port = int(listener.getsockname()[1])
        try:
            asyncio.run(self._serve(listener, stop))
        finally:
            listener.close()
            self._exchange.close()

    async def _serve(self, listener: socket.socket, stop: threading.Event) -> None:
        faults = self._faults
        application = make_application(
            self._exchange, self._pacer, self._admission, self._voice.clock, faults
        )
        server = _Server(
            uvicorn.Config(
                application,
                http=faults.lines.protocol(),
                ws="websockets-sansio",
                ws_max_size=FRAME_BYTES_MAX,
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                # A client's own words must not decide who it is.
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=SHUTDOWN_S,
            )
        )
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        door = Door(faults.board, faults.lines, listener)
        try:
            await self._loop(server, serving, door, stop)
        finally:
            self._voice.notifier.stopping()
            server.should_exit = True
            await asyncio.wait({serving}, timeout=SHUTDOWN_S + 1)
            door.close()

    async def _loop(
        self,
        server: uvicorn.Server,
        serving: asyncio.Future[None],
        door: Door,
        stop: threading.Event,
    ) -> None:
        next_beat_s = 0.0
        told = False
        while not stop.is_set():
            if serving.done():
                raise TransientFault("the HTTP server ended by itself")
            self._turn()
            if server.started:
                await self._tend_faults(server, door)
            if server.started and not told:
                self._voice.notifier.ready("serving")
                told = True
            now_s = self._voice.clock.monotonic_s()
            if told and now_s >= next_beat_s:
                self._beat()
                next_beat_s = now_s + self._voice.beat_s
            await asyncio.sleep(PULSE_S)

    async def _tend_faults(self, server: uvicorn.Server, door: Door) -> None:
        self._faults.tick()
        await door.tick(server)

    def _turn(self) -> None:
        """Move the market on; a disk that refuses is told and tried again."""
        try:
            self._pacer.pulse()
            self._trouble = ""
        except TransientFault as fault:
            if not self._trouble:
                log_event(logger, "database_refused", str(fault), level=logging.ERROR)
            self._trouble = str(fault)
        self._turns += 1

    def _beat(self) -> None:
        exchange = self._exchange
        self._voice.notifier.beat(
            Beat(
                progress=self._turns,
                health="FAILED" if self._trouble else "OK",
                reason=self._trouble,
                port=self._port,
                metrics={
                    "replay_finished": 1.0 if exchange.ended else 0.0,
                    "orders": float(exchange.books.account.order_count),
                    "fills": float(exchange.books.account.fill_count),
                    "dropped_rows": float(sum(exchange.market.dropped_rows.values())),
                },
            )
        )
