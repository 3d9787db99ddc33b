"""One whole history: life after life of the bot, a calm ending, the comparison."""

from __future__ import annotations

import os
import selectors
import shutil
import socket
import struct
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from shared.config.endpoints import exchange_endpoints, write_endpoints
from tests.crash.aging import age
from tests.crash.bot import CRASHED, Birth, house_settings
from tests.crash.history import History, Kill, KillKind, Life, Order
from tests.crash.http_line import Connection, listen
from tests.crash.rest import read_status, why_restless
from tests.crash.shared_time import SharedPage
from tests.crash.table import COUNT, death, refusal
from tests.crash.verdict import differences, trips_of
from tests.crash.world import Living, World
from tests.crash.zygote import Zygote

CALM_S_MIN, CALM_S_MAX = 8.0, 420.0
"""Market seconds for coming to rest; an unknown outcome alone takes 120 of them."""
SPEAK_AGAIN_S = 15.0
LIVES_MORE = 6
"""Births beyond the planned ones: a fault may end a process by itself."""
UNREACHED = 75
"""What only a fresh process may cure: never a broker that cannot be reached (rule 24)."""
DEADLINE_S = 60.0
"""Real seconds without a word from a living bot."""
_SECONDS = struct.Struct("<d")
_LENGTH = struct.Struct("<I")
_LAST = Life(Kill(KillKind.NONE), 0.01)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a history."""

    seed: int
    violations: tuple[str, ...]
    tally: Counter[str]
    worst_naked_s: float
    transcript: str = ""


@dataclass(slots=True)
class Asked:
    """What a run is asked for beside the history."""

    transcript: bool = False
    mutant: str = ""


class Stage:
    """Plays histories, one after the other. Holds the zygote and the listening socket."""

    def __init__(self) -> None:
        self._page = SharedPage()
        self._zygote = Zygote(self._page)
        self._listener = listen()
        self._root = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None

    def close(self) -> None:
        """End the zygote."""
        self._zygote.close()
        self._listener.close()

    def play(self, history: History, asked: Asked | None = None) -> Outcome:
        """Play one history and judge it."""
        folder = Path(tempfile.mkdtemp(prefix="crash-", dir=self._root))
        try:
            return _Play(history, folder, asked or Asked(), self).outcome()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def parts(self) -> tuple[SharedPage, Zygote, socket.socket]:
        """What a play needs."""
        return self._page, self._zygote, self._listener


class _Play:
    def __init__(self, history: History, folder: Path, asked: Asked, stage: Stage) -> None:
        self._page, self._zygote, self._listener = stage.parts
        self._history, self._folder, self._asked = history, folder, asked
        self._world = World(history, folder, self._page, asked.transcript)
        self._status = house_settings(folder).state.bot_status
        port = self._listener.getsockname()[1]
        endpoints = exchange_endpoints(port, "crash-key", "crash-secret")
        path = house_settings(folder).state.endpoints
        write_endpoints(path, exchange=endpoints, dashboard_url=None)
        if history.aged_records:
            account = self._world.venue.exchange.books.account
            age(folder, account, self._world.clock, history.aged_records)
        self._ending = False
        self._calm_since_s = 0.0
        self._spoken_s = 0.0

    def outcome(self) -> Outcome:
        world = self._world
        try:
            self._live_all()
            self._compare()
        finally:
            world.close()
        transcript = ""
        if self._asked.transcript:
            transcript = (self._folder / "transcript").read_text()
        violations = tuple(world.watch.violations)
        return Outcome(
            self._history.seed, violations, world.tally, world.watch.worst_naked_s, transcript
        )

    def _live_all(self) -> None:
        world, planned = self._world, list(self._history.lives)
        for _ in range(len(planned) + LIVES_MORE):
            life = planned.pop(0) if planned and not world.is_calm else _LAST
            code = self._live(life)
            if code == 0 and self._ending:
                return
            self._note_end(life, code)
            world.pass_time(life.dead_s)
            if world.now_s >= self._history.active_s and not world.is_calm:
                self._calm_down()
        world.watch.violated("the bot does not stay up")

    def _note_end(self, life: Life, code: int) -> None:
        world = self._world
        world.say("death", f"ended with {code}")
        if code != -9:
            world.tally[f"{COUNT}: ended by itself with {code}"] += 1
        else:
            world.tally[death(life.kill if world.died_as_planned else _LAST.kill)] += 1
        refusals = self._page.take_refusals()
        if life.disk is not None and refusals:
            world.tally[refusal(life.disk)] += 1
        elif code == UNREACHED:
            world.watch.violated("the bot ended by itself though its disk refused nothing")
        if code in (CRASHED, 76, 77, 78) or (code < 0 and code != -9):
            world.watch.violated(f"the bot ended by itself with {code}")

    def _calm_down(self) -> None:
        world = self._world
        world.become_calm()
        self._calm_since_s = world.now_s
        self._speak()

    def _speak(self) -> None:
        self._spoken_s = self._world.now_s
        for word in ("clear-stop", "resume"):
            self._world.operator.give(Order(self._spoken_s, word))

    # --- one life

    def _live(self, life: Life) -> int:
        world, history = self._world, self._history
        birth = Birth(
            self._folder,
            world.venue.market.begins_at,
            history.wishes,
            life,
            self._asked.transcript,
            self._asked.mutant,
            history.trails,
            history.is_metered,
            history.adopts,
        )
        world.say("birth", f"{life.kill} {life.disk or ''}")
        pid, line = self._zygote.bear(birth)
        world.bot = Living(pid, world.now_s, life.kill)
        world.died_as_planned = True
        world.watch.born()
        world.tally[f"{COUNT}: lives"] += 1
        try:
            self._attend(line)
        finally:
            line.close()
        code = self._zygote.exit_code()
        world.bot = None
        return code

    def _attend(self, line: socket.socket) -> None:
        """Serve the bot until it is dead."""
        with selectors.DefaultSelector() as selector:
            selector.register(line, selectors.EVENT_READ, "line")
            selector.register(self._listener, selectors.EVENT_READ, "listener")
            while True:
                ready = selector.select(DEADLINE_S)
                if not ready:
                    self._world.watch.violated("the bot hangs")
                    self._world.kill("it hangs", planned=False)
                    break
                # Requests before the line: a death is seen only after what was sent before it.
                for key, _ in sorted(ready, key=lambda one: one[0].data == "line"):
                    if key.data == "listener":
                        self._accept(selector)
                    elif key.data == "line":
                        if not self._hear(line):
                            self._hang_up(selector)
                            return
                    else:
                        self._read(key.data, selector)
        _drain(line)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sock, selectors.EVENT_READ, Connection(sock))

    def _read(self, connection: Connection, selector: selectors.BaseSelector) -> None:
        sock = connection.sock
        request = connection.read()
        if request is not None:
            self._world.serve(request, connection)
        if not connection.is_open:
            selector.unregister(sock)

    def _hang_up(self, selector: selectors.BaseSelector) -> None:
        for key in list(selector.get_map().values()):
            if isinstance(key.data, Connection):
                key.data.close()

    def _hear(self, line: socket.socket) -> bool:
        """Answer one word of the bot; False when it is dead."""
        world = self._world
        try:
            word = line.recv(1)
        except ConnectionResetError:
            word = b""
        if word == b"W":
            world.pass_time(_SECONDS.unpack(line.recv(_SECONDS.size, socket.MSG_WAITALL))[0])
            self._proceed()
            _tell(line, b"S" if self._ending else b"K")
        elif word == b"D":
            data = world.drained()
            _tell(line, _LENGTH.pack(len(data)) + data)
        return bool(word)

    def _proceed(self) -> None:
        """Between two breaths of the bot: begin the calm, end it when all is settled."""
        world = self._world
        if world.bot is None or world.bot.is_killed:
            return
        if not world.is_calm:
            if world.now_s >= self._history.active_s and world.is_settled_outside:
                self._calm_down()
                if self._history.seed % 2 or self._history.lives[-1] is not _LAST:
                    world.kill("before the calm", planned=False)
            return
        calm_s = world.now_s - max(self._calm_since_s, world.bot.born_s)
        if calm_s >= CALM_S_MAX:
            world.watch.violated(f"it does not come to rest: {why_restless(world, self._status)}")
            self._ending = True
        elif calm_s >= CALM_S_MIN and not why_restless(world, self._status):
            self._ending = True
        elif world.now_s - self._spoken_s > SPEAK_AGAIN_S and self._is_held():
            self._speak()

    def _is_held(self) -> bool:
        return self._world.operator.is_stopped or bool(read_status(self._status).get("paused"))

    def _compare(self) -> None:
        world = self._world
        exchange, watch = world.venue.exchange, world.watch
        for words in differences(exchange, self._folder, world.person):
            watch.violated(words)
        for words in world.operator.unanswered():
            watch.violated(f"a command was never answered: {words}")
        world.tally[f"{COUNT}: fills"] += exchange.books.account.fill_count
        world.tally[f"{COUNT}: orders"] += exchange.books.account.order_count
        world.tally[f"{COUNT}: round trips"] += sum(
            1 for trip in trips_of(exchange) if trip.is_closed
        )
        for words in watch.violations:
            world.say("JUDGE", words)


def _tell(line: socket.socket, data: bytes) -> None:
    try:
        line.sendall(data)
    except OSError:
        return  # it died while it waited


def _drain(line: socket.socket) -> None:
    """Wait until the other end is gone."""
    while True:
        try:
            if not line.recv(4096):
                return
        except OSError:
            return
