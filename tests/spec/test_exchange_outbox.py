"""A stream client that does not read never holds up anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.websockets import WebSocket

from services.exchange_sim.streams.outbox import (
    BYTES_MAX,
    FRAMES_MAX,
    Finished,
    Outbox,
    SlowClient,
)
from services.exchange_sim.streams.session import run_session

pytestmark = pytest.mark.unit


def test_outbox_when_the_client_reads_then_frames_come_in_order() -> None:
    """What was put comes out once, in order."""
    sent: list[bytes] = []

    async def run() -> None:
        outbox = Outbox()
        for number in range(3):
            outbox.put(str(number).encode())

        async def send(frame: bytes) -> None:
            sent.append(frame)
            if len(sent) == 3:
                raise EOFError

        with pytest.raises(EOFError):
            await outbox.pump(send)

    asyncio.run(run())

    assert sent == [b"0", b"1", b"2"]


def test_outbox_when_the_client_does_not_read_then_it_is_given_up_without_waiting() -> None:
    """Filling is never blocked; past the limit the frames go and the connection ends."""

    async def run() -> None:
        outbox = Outbox()
        for _ in range(FRAMES_MAX + 10):
            outbox.put(b"frame")

        async def send(frame: bytes) -> None:
            raise AssertionError("nothing is left to send")

        with pytest.raises(SlowClient):
            await outbox.pump(send)

    asyncio.run(run())


def test_outbox_when_a_few_frames_are_large_then_it_is_given_up_by_their_size() -> None:
    """Memory is bounded by bytes, not by frames alone; what was read counts no more."""

    async def run() -> None:
        outbox = Outbox()
        large = bytes(BYTES_MAX // 4)
        sent = asyncio.Event()

        async def send(frame: bytes) -> None:
            if len(frame) == 1:
                sent.set()

        pump = asyncio.ensure_future(outbox.pump(send))
        for _ in range(3):
            for frame in (large, large, large, b"."):
                outbox.put(frame)
            await asyncio.wait_for(sent.wait(), 5)
            sent.clear()
        assert not outbox.overflowed.is_set()

        for _ in range(5):
            outbox.put(large)
        assert outbox.overflowed.is_set()
        with pytest.raises(SlowClient):
            await asyncio.wait_for(pump, 5)

    asyncio.run(run())


def test_outbox_when_given_up_then_the_farewell_is_the_last_frame() -> None:
    """A client that reads again finds out why: 407 instead of the backlog."""
    sent: list[bytes] = []

    async def run() -> None:
        outbox = Outbox(farewell=b"407")
        for _ in range(FRAMES_MAX + 10):
            outbox.put(b"frame")

        async def send(frame: bytes) -> None:
            sent.append(frame)

        with pytest.raises(SlowClient):
            await outbox.pump(send)

    asyncio.run(run())

    assert sent == [b"407"]


def test_outbox_when_finished_then_everything_is_said_before_the_end() -> None:
    """The last answer reaches the client, then the connection closes."""
    sent: list[bytes] = []

    async def run() -> None:
        outbox = Outbox()
        outbox.put(b"404")
        outbox.finish()

        async def send(frame: bytes) -> None:
            sent.append(frame)

        with pytest.raises(Finished):
            await outbox.pump(send)

    asyncio.run(run())

    assert sent == [b"404"]


def test_session_when_the_line_takes_nothing_more_then_it_ends_all_the_same() -> None:
    """A send that never returns holds nobody up: the client is given up after a grace."""

    async def run() -> int | None:
        accepted = asyncio.Event()

        async def receive() -> dict[str, str]:
            if not accepted.is_set():
                accepted.set()
                return {"type": "websocket.connect"}
            await asyncio.Event().wait()
            raise AssertionError("nothing comes")

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "websocket.send":
                await asyncio.Event().wait()

        async def handle(frame: bytes) -> None:
            raise AssertionError(f"nobody said {frame!r}")

        socket = WebSocket({"type": "websocket", "headers": []}, receive, send)
        await socket.accept()
        outbox = Outbox(farewell=b"407")
        for _ in range(FRAMES_MAX + 10):
            outbox.put(b"frame")
        return await asyncio.wait_for(run_session(socket, outbox, handle, text=True), 10)

    assert asyncio.run(run()) is None
