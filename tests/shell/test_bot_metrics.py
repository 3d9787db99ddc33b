"""What the beat carries as numbers: stop coverage among them, falling and repaired in a turn."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.trading_bot.loop import Loop
from shared.errors import TransientFault
from shared.models.orders import OrderRole
from shared.telemetry.notify import Notifier
from tests.support.bot_house import BEFORE, BotHouse, enter, seeing_a_breakout

pytestmark = pytest.mark.integration


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    """A supervisor's notify socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "n"))
        bound.setblocking(False)
        yield bound


def coverage_heard(ear: socket.socket) -> list[float]:
    """Every coverage that the beats since the last call carried."""
    found: list[float] = []
    while True:
        try:
            words = ear.recv(65_536).decode().splitlines()
        except BlockingIOError:
            return found
        for word in words:
            if word.startswith("X_METRICS="):
                found.append(json.loads(word.removeprefix("X_METRICS="))["coverage_pct"])


def test_coverage_when_a_stop_vanishes_then_the_metric_says_so_until_it_is_repaired(
    tmp_path: Path, ear: socket.socket
) -> None:
    """100 with every stop in place, 0 while the broker takes none, 100 within a turn after."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    enter(house)
    house.turn()
    house.parts = replace(house.parts, notifier=Notifier(str(tmp_path / "n")))
    house.loop = Loop(house.parts)
    house.turn()
    assert coverage_heard(ear)[-1] == 100.0
    stop = next(
        each for each in house.parts.memory.state.orders.live() if each.role is OrderRole.STOP
    )
    house.broker.cancel(stop.broker_order_id or "")
    house.broker.submit_fault = TransientFault("connection reset")

    house.turn()
    assert coverage_heard(ear)[-1] == 0.0

    house.broker.submit_fault = None
    house.turn()
    assert coverage_heard(ear)[-1] == 100.0
    house.loop.finish()
