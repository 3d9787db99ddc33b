"""A stream client that does not read never holds up anybody else."""

from __future__ import annotations

import asyncio

import pytest

from services.exchange_sim.streams.outbox import FRAMES_MAX, Outbox, SlowClient

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
