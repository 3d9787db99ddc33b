"""The listening socket, as a fault closes and reopens it."""

from __future__ import annotations

import asyncio
import logging
import socket

import uvicorn

from services.exchange_sim.faults.board import FaultBoard
from services.exchange_sim.faults.fault import Fault
from services.exchange_sim.faults.kinds import Stage
from services.exchange_sim.faults.lines import Lines
from shared.telemetry.logs import log_event

logger = logging.getLogger("exchange-sim")


class Door:
    """Refuses connections while such a fault runs; the port stays ours meanwhile."""

    def __init__(self, board: FaultBoard, lines: Lines, listener: socket.socket) -> None:
        self._board = board
        self._lines = lines
        self._listener = listener
        self._address = listener.getsockname()
        self._family = listener.family
        self._closed_by: Fault | None = None

    async def tick(self, server: uvicorn.Server) -> None:
        """Close or open the port as the faults of now say."""
        if self._closed_by is None:
            for fault in self._board.live(Stage.LISTEN):
                self._close(server)
                self._closed_by = fault
                self._board.acted(fault)
                return
        elif self._board.left_s(self._closed_by) <= 0:
            for fault in self._board.live(Stage.LISTEN):
                self._closed_by = fault  # its lease runs too: no gap between the two
                self._board.acted(fault)
                return
            try:
                await self._open(server)
            except OSError as failure:
                # Tried again at the next tick: a port that stays shut is a lease without end.
                log_event(logger, "port_not_opened", str(failure), level=logging.ERROR)
                return
            self._closed_by = None

    def close(self) -> None:
        """Give the port back."""
        self._listener.close()

    def _close(self, server: uvicorn.Server) -> None:
        for one in server.servers:
            one.close()
        server.servers.clear()
        self._listener.close()
        self._listener = self._bound()
        self._lines.reset_all()
        log_event(logger, "port_closed", "connections are refused by a fault")

    def _bound(self) -> socket.socket:
        """Bind without listening: the kernel answers RST, and nobody else gets the port."""
        keeper = socket.socket(self._family, socket.SOCK_STREAM)
        keeper.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            keeper.bind(self._address)
        except OSError:
            # Connections of before still end. Left on, the option would let others in beside us.
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            keeper.bind(self._address)
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        return keeper

    async def _open(self, server: uvicorn.Server) -> None:
        config, state = server.config, server.server_state

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=state, app_state={}
            )
            return made

        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        loop = asyncio.get_running_loop()
        reopened = await loop.create_server(protocol, sock=self._listener, backlog=config.backlog)
        server.servers.append(reopened)
        log_event(logger, "port_opened", "connections are taken again")
