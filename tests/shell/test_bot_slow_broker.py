"""A real bot before a real exchange that answers slowly, or whose replies get lost on the way."""

from __future__ import annotations

import itertools
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from shared.config.endpoints import write_endpoints
from shared.models.ids import parse_own_id
from tests.support.bot_process import KEYS, BotProcess, TradingFloor
from tests.support.daemon_process import DaemonProcess
from tests.support.exchange_process import ExchangeProcess
from tests.support.slow_proxy import SlowProxy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

SPEED, SEED = "60", 5
CALL_S = 1.2
"""What one call takes: long enough to count as slow, short enough to be answered in time."""
SILENCE_S_MAX = 2 * CALL_S
"""One turn makes three calls and more: without a word between them the bot looks hung."""
ENOUGH_S = 60.0


class Ear:
    """The supervisor's end of a notify socket: when the bot last spoke, and how."""

    def __init__(self) -> None:
        # Unix sockets have short names; the test's own folder may be deep.
        self._folder = tempfile.TemporaryDirectory(prefix="ear")
        self.path = str(Path(self._folder.name) / "n")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self.words: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while data := self._socket.recv(65536):
            self.words.append((time.monotonic(), data.decode()))

    def close(self) -> None:
        """Hear no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()
        self._folder.cleanup()

    def beats(self) -> list[str]:
        """Every word after a finished turn."""
        return [word for _, word in self.words if "X_PROGRESS=" in word]

    def longest_silence_s(self, since_s: float) -> float:
        """The longest time between two words since then; to be judged by a watchdog."""
        moments = [since_s, *(at for at, _ in self.words if at > since_s)]
        return max((later - sooner for sooner, later in itertools.pairwise(moments)), default=0)


@dataclass(frozen=True, slots=True)
class SlowFloor:
    """A trading floor whose bot reaches the exchange through a proxy."""

    floor: TradingFloor
    proxy: SlowProxy
    ear: Ear

    def own_ids(self) -> list[str]:
        """The ids of all orders of ours that the exchange knows."""
        ids = [str(row["client_order_id"]) for row in self.floor.orders()]
        return [own_id for own_id in ids if parse_own_id(own_id) is not None]

    def status_is(self, **wanted: Any) -> bool:
        """Whether bot_status.json says so."""
        status = self.floor.bot.status()
        return all(status.get(name) == value for name, value in wanted.items())


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[SlowFloor]:
    """Everything running; the proxy is quick until it is told otherwise."""
    with _slow_floor(tmp_path) as running:
        yield running


@contextmanager
def _slow_floor(folder: Path) -> Iterator[SlowFloor]:
    options = ("--speed", SPEED, "--seed", str(SEED), "--db", str(folder / "exchange.db"))
    ear = Ear()
    try:
        with ExchangeProcess(folder, *options) as exchange, SlowProxy(exchange.port) as proxy:
            daemon = DaemonProcess(folder, exchange.port, speed=SPEED, keys=KEYS)
            bot = BotProcess(folder, speed=SPEED, notify_socket=ear.path)
            with daemon:
                write_endpoints(
                    folder / "state/run/endpoints.json",
                    exchange=replace(daemon.endpoints, trading_url=proxy.url),
                    dashboard_url=None,
                )
                with bot:
                    yield SlowFloor(TradingFloor(exchange, daemon, bot), proxy, ear)
    finally:
        ear.close()


def test_bot_when_every_call_takes_long_then_it_speaks_between_them_and_goes_on(
    slow: SlowFloor,
) -> None:
    """A slow broker is no hang: no watchdog may see more than a call or two of silence."""
    bot, ear = slow.floor.bot, slow.ear
    bot.wait_for(slow.floor.positions, ENOUGH_S, "a position")

    slow.proxy.delay_s = CALL_S
    begun_s, turns = time.monotonic(), len(ear.beats())
    bot.wait_for(lambda: len(ear.beats()) >= turns + 3, ENOUGH_S, "three slow turns")
    silence_s = ear.longest_silence_s(begun_s)
    took_s = time.monotonic() - begun_s
    slow.proxy.delay_s = 0.0

    assert took_s > 3 * SILENCE_S_MAX
    assert silence_s <= SILENCE_S_MAX
    assert any("EXTEND_TIMEOUT_USEC" in word for at, word in ear.words if at > begun_s)
    wait_until(slow.floor.is_covered, ENOUGH_S, "every share covered")


def test_bot_when_replies_to_orders_are_lost_then_each_exists_once_and_is_known(
    slow: SlowFloor,
) -> None:
    """The exchange took the order, nobody said so: it is looked up, adopted, never doubled."""
    bot, proxy = slow.floor.bot, slow.proxy
    proxy.loses = lambda head: head.startswith(b"POST /v2/orders ") and len(proxy.lost) < 2

    bot.wait_for(lambda: len(proxy.lost) == 2, ENOUGH_S, "two lost replies")
    bot.wait_for(lambda: _settled(bot) == 2, ENOUGH_S, "both settled")

    ids = slow.own_ids()
    assert len(ids) == len(set(ids))
    ambiguous = {step["client_order_id"] for step in bot.steps() if step["event"] == "ambiguous"}
    assert len(ambiguous) == 2
    assert ambiguous <= set(ids)
    wait_until(slow.floor.is_covered, ENOUGH_S, "every share covered")


def _settled(bot: BotProcess) -> int:
    """How many orders were unknown once and are known by now."""
    known: set[str] = set()
    unknown: set[str] = set()
    for step in bot.steps():
        own_id, event = step["client_order_id"], step["event"]
        if event == "ambiguous":
            unknown.add(own_id)
        elif own_id in unknown and event in ("accepted", "fill", "canceled"):
            known.add(own_id)
    return len(known)
