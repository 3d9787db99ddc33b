"""One life of the bot, in a fork: the real start, the real loop, the real files.

Only what stands for the world is the harness's: time (asked of the venue), the trade stream
(drained from the venue), the strategy (scripted), and the file port (which may die or refuse).
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from services.trading_bot.exits import exit_rules_of
from services.trading_bot.loop import Loop
from services.trading_bot.parts import Parts
from services.trading_bot.startup import Ignition, Waiting, hold_lock, start
from shared.config.settings import Settings
from shared.contracts.alpaca_orders import read_trade_update
from shared.errors import SystemFault
from shared.models.broker import TradeUpdate
from shared.telemetry.notify import Notifier
from shared.vendors.websocket_link import DOWN, LIVE, LinkState
from tests.crash.deaths import TroubledFiles, arm
from tests.crash.history import Life, Wish
from tests.crash.shared_time import SharedClock, SharedPage
from tests.crash.strategy import ScriptedStrategy, TrailingStrategy
from tests.support.settings import make_settings

LISTEN_WITHIN_S = 5.0
CRASHED = 70
_PORT = re.compile(r"127\.0\.0\.1:\d+")
_SECONDS = struct.Struct("<d")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Birth:
    """What a fork is told."""

    folder: Path
    begins_at: datetime
    wishes: tuple[Wish, ...]
    life: Life
    has_transcript: bool
    mutant: str = ""
    """Name of a broken bot, for the proof that the harness notices."""
    trails: bool = False
    is_metered: bool = True
    adopts: bool = False


def house_settings(folder: Path, *, is_metered: bool = True, adopts: bool = False) -> Settings:
    """Return the settings of every bot in the histories."""
    return make_settings(
        folder,
        SYMBOLS="AAPL,MSFT",
        SIM_SPEED="1",
        MIN_COOLDOWN_MINUTES="0",
        SIM_RATE_LIMIT=str(is_metered).lower(),
        ADOPT_EXTERNAL=str(adopts).lower(),
    )


class Line:
    """The bot's end of the line to the venue: waits and stream events go over it."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.stop = threading.Event()

    def wait(self, seconds: float) -> None:
        """Let market time pass; the answer may say that the end is asked for."""
        self._end.sendall(b"W" + _SECONDS.pack(seconds))
        if self._read(1) == b"S":
            self.stop.set()

    def drain(self) -> list[object]:
        """Return the stream's events since the last call."""
        self._end.sendall(b"D")
        length = _LENGTH.unpack(self._read(_LENGTH.size))[0]
        found: list[object] = json.loads(self._read(length))
        return found

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._end.recv(size - len(data))
            if not part:
                os._exit(CRASHED)  # the venue is gone: nothing is left to live for
            data += part
        return data


class HintStream:
    """The trade stream as the venue tells it."""

    def __init__(self, line: Line, page: SharedPage) -> None:
        self._line = line
        self._page = page

    @property
    def listening(self) -> bool:
        return self._page.read()[1]

    @property
    def gaps(self) -> int:
        return self._page.read()[2]

    @property
    def failed_tries(self) -> int:
        return 0

    @property
    def state(self) -> LinkState:
        return LinkState(LIVE, "") if self.listening else LinkState(DOWN, "a gap of the history")

    @property
    def has_news(self) -> bool:
        return self._page.read()[3] > 0

    def drain(self) -> tuple[TradeUpdate, ...]:
        if not self.has_news:
            return ()
        return tuple(read_trade_update(document) for document in self._line.drain())


class _Transcript(logging.Handler):
    def __init__(self, path: Path, clock: SharedClock) -> None:
        super().__init__()
        self._file = path.open("a", encoding="utf-8")
        self._clock = clock

    def emit(self, record: logging.LogRecord) -> None:
        text = f"[{self._clock.elapsed_s:8.3f}]   bot {record.name}: {record.getMessage()}"
        if record.exc_info:
            text += f"\n{logging.Formatter().formatException(record.exc_info)}"
        # The port is the machine's choice: the same history must read the same.
        self._file.write(_PORT.sub("venue", text) + "\n")
        self._file.flush()


def live(birth: Birth, end: socket.socket, page: SharedPage) -> int:
    """Live one life and return the exit code; SIGKILL comes from within or from the venue."""
    line = Line(end)
    clock = SharedClock(page, birth.begins_at, line.wait)
    _begin_logging(birth, clock)
    files = TroubledFiles(birth.life.kill, birth.life.disk, page.note_refusal)
    settings = house_settings(birth.folder, is_metered=birth.is_metered, adopts=birth.adopts)
    waiting = Waiting(clock, Notifier(None), line.stop)
    stream = HintStream(line, page)
    ignition = Ignition(settings, clock, waiting, lambda _endpoints: stream, files)
    arm(birth.life.kill)
    try:
        lock = hold_lock(ignition)
        parts = _scripted(start(ignition, lock), birth)
        _listen(stream, waiting)
        waiting.until(parts.market.warmed, "market.db cannot be read")
        Loop(parts).run(line.stop)
        lock.release()
    except SystemFault as fault:
        sys.setprofile(None)
        logging.getLogger("life").exception("ended by %s", type(fault).__name__)
        return fault.exit_code
    except Exception:
        sys.setprofile(None)
        logging.getLogger("life").exception("ended by a defect")
        return CRASHED
    return 0


def _begin_logging(birth: Birth, clock: SharedClock) -> None:
    root = logging.getLogger()
    root.handlers = []
    logging.disable(logging.NOTSET if birth.has_transcript else logging.CRITICAL)
    if birth.has_transcript:
        root.addHandler(_Transcript(birth.folder / "transcript", clock))
        root.setLevel(logging.INFO)


def _listen(stream: HintStream, waiting: Waiting) -> None:
    deadline_s = waiting.clock.monotonic_s() + LISTEN_WITHIN_S
    waiting.until(
        lambda: True if stream.listening or waiting.clock.monotonic_s() > deadline_s else None,
        "the trade stream does not listen yet",
    )


def _scripted(parts: Parts, birth: Birth) -> Parts:
    kind = TrailingStrategy if birth.trails else ScriptedStrategy
    strategy = kind(birth.wishes, birth.begins_at)
    strategies = {strategy.name: strategy}
    policy = replace(parts.policy, strategies=strategies, exit_rules=exit_rules_of((strategy,)))
    parts = replace(parts, policy=policy)
    if birth.mutant:
        from tests.crash.mutants import MUTANTS

        change: Callable[[Parts], Parts] = MUTANTS[birth.mutant]
        return change(parts)
    return parts
