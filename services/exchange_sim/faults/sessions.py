"""Faults of open streams: messages lost, doubled, late or bent; streams mute or half open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from services.exchange_sim.faults.board import FaultBoard
from services.exchange_sim.faults.fault import Fault, Occasion
from services.exchange_sim.faults.frames import Frame, is_event, read_frame, symbol_of
from services.exchange_sim.faults.kinds import Stage
from services.exchange_sim.faults.lines import Line
from services.exchange_sim.faults.plan import concerns
from services.exchange_sim.faults.shapes import bend

Send = Callable[[Any], Awaitable[None]]
_LATE = "events_reordered"


class StreamSession:
    """One open stream; `send` stands between the exchange and the client."""

    def __init__(
        self, board: FaultBoard, occasion: Occasion, line: Line | None, send: Send
    ) -> None:
        self._board = board
        self.occasion = occasion
        self.line = line
        self._send = send
        self._held: tuple[Fault, Frame, Any] | None = None
        self._holder: Fault | None = None

    async def send(self, message: Any) -> None:
        """Pass a message on as the faults of now let it."""
        is_frame = message["type"] == "websocket.send"
        if not is_frame or not (self._board.active or self._held):
            await self._send(message)
            return
        frame = read_frame(message)
        if frame is None:
            await self._send(message)
            return
        messages = [late for one in frame.messages for late in self._passed(frame, one)]
        for written in frame.written(messages):
            await self._send(written)

    def _passed(self, frame: Frame, message: Any) -> list[Any]:
        symbol = symbol_of(message)
        occasion = replace(self.occasion, symbols=frozenset({symbol} if symbol else ()))
        if not is_event(message):
            return [self._bent(message, occasion)]
        if self._is_mute(occasion):
            return []
        kinds = self._board.choose(Stage.EVENTS, occasion)
        copies = [self._bent(message, occasion)]
        for fault in kinds:
            if fault.kind == "events_lost":
                copies = []
                self._board.acted(fault)
            elif fault.kind == "events_doubled":
                copies = copies * 2
                self._board.acted(fault)
        return self._in_order(frame, copies, kinds)

    def _in_order(self, frame: Frame, copies: list[Any], kinds: tuple[Fault, ...]) -> list[Any]:
        if not copies:
            return []
        if self._held is not None:
            fault, _, late = self._held
            self._held = None
            self._board.acted(fault)
            return [*copies, late]
        for fault in kinds:
            if fault.kind == _LATE:
                self._held = (fault, frame, copies[-1])
                return copies[:-1]
        return copies

    def _is_mute(self, occasion: Occasion) -> bool:
        mute = [one for one in self._board.live(Stage.SESSION) if one.kind == "stream_mute"]
        for fault in mute:
            if concerns(fault.scope, occasion):
                self._board.acted(fault)
                return True
        return False

    def _bent(self, message: Any, occasion: Occasion) -> Any:
        for fault in self._board.choose(Stage.SHAPE, occasion):
            message, changed = bend(fault, message)
            if changed:
                self._board.acted(fault)
        return message

    async def release(self) -> None:
        """Send a held message whose fault has ended without a successor."""
        if self._held is None or self._board.runs(self._held[0]):
            return
        _, frame, late = self._held
        self._held = None
        # The stream may have ended meanwhile: then the message is lost with it.
        with suppress(RuntimeError, OSError):
            for written in frame.written([late]):
                await self._send(written)

    def hold_if_asked(self) -> None:
        """Become half open while such a fault runs; be reset when it has ended."""
        if self.line is None:
            return
        if self._holder is not None:
            if self._board.left_s(self._holder) <= 0:
                self.line.reset()
            return
        for fault in self._board.live(Stage.SESSION):
            if fault.kind == "half_open" and concerns(fault.scope, self.occasion):
                self._holder = fault
                self.line.hold()
                self._board.acted(fault)
                return


class StreamSessions:
    """Every open stream, looked at a few times a second."""

    def __init__(self) -> None:
        self._open: set[StreamSession] = set()
        self._releasing: set[asyncio.Future[None]] = set()

    def add(self, session: StreamSession) -> None:
        """Note a stream."""
        self._open.add(session)

    def discard(self, session: StreamSession) -> None:
        """Forget a stream."""
        self._open.discard(session)

    def tick(self) -> None:
        """Begin and end what concerns whole streams; called within the event loop."""
        for session in list(self._open):
            session.hold_if_asked()
            releasing = asyncio.ensure_future(session.release())
            self._releasing.add(releasing)
            releasing.add_done_callback(self._releasing.discard)
