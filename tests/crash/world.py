"""Everything outside the bot's process: time, exchange, wire, operator, and who looks on."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.crash.hint_line import HintLine
from tests.crash.history import History, Kill, KillKind, WireKind
from tests.crash.http_line import Connection
from tests.crash.on_disk import OnDisk
from tests.crash.operator_words import Operator
from tests.crash.person import PERSONAL, Person
from tests.crash.request_kinds import kind_of
from tests.crash.shared_time import SharedClock, SharedPage
from tests.crash.table import OPERATOR, ORDER, REQUEST, WIRE
from tests.crash.venue import IDLE_STEP_S, STEP_S, Reply, Request, Venue
from tests.crash.watch import Own, Watch
from tests.crash.wire_faults import CANNED, SILENCE_S, TOO_MANY, UNTOUCHED, WireDice

_TINY_S = 1e-6
PULSE_S = 0.1
"""Market seconds after which the waiting exchange carries out what it accepted."""


@dataclass(slots=True)
class Living:
    """The process that lives now, and how it is to end."""

    pid: int
    born_s: float
    kill: Kill
    requests: int = 0
    is_killed: bool = False


class World:
    """One history's world. The bot's process comes and goes; see `lives`."""

    def __init__(self, history: History, folder: Path, page: SharedPage, says: bool) -> None:
        self.history = history
        self.page = page
        self._folder = folder
        (folder / "state").mkdir(mode=0o700)
        (folder / "logs").mkdir()
        self._now_s = self._pulsed_s = 0.0
        self.tally: Counter[str] = Counter()
        self.hints = HintLine(history, page, self.tally)
        self.venue = Venue(history, folder, SharedClock(page))
        self.clock = SharedClock(page, self.venue.market.begins_at)
        self.venue.tell_events(self._told)
        self.person = Person(self.venue)
        own = Own(OnDisk(folder), self.person)
        self.watch = Watch(history, self.venue.exchange, self.tally, own)
        self.operator = Operator(folder, self.clock)
        self._orders = list(history.orders)
        self._late: list[tuple[float, Request]] = []
        self._dice = WireDice(history)
        self.bot: Living | None = None
        self.died_as_planned = True
        """Whether the last death was the one that its life was to have."""
        self.is_calm = False
        self._transcript = (folder / "transcript").open("a") if says else None

    # --- transcript

    def say(self, who: str, words: str) -> None:
        """Write a line of the transcript, when there is one."""
        if self._transcript is not None:
            self._transcript.write(f"[{self._now_s:8.3f}] {who:>5} {words}\n")
            self._transcript.flush()

    # --- time

    @property
    def now_s(self) -> float:
        """Market seconds since the beginning."""
        return self._now_s

    def pass_time(self, seconds: float) -> None:
        """Let market time go on, and everything that happens in it."""
        end_s = self._now_s + seconds
        while self._now_s < end_s - _TINY_S:
            books = self.venue.exchange.books
            is_busy = books.positions or books.live_orders()
            step_s = min(STEP_S if is_busy else IDLE_STEP_S, end_s - self._now_s)
            # Short waits share a pulse: it is what costs, and the exchange's own comes no sooner.
            is_due = self._now_s + step_s - self._pulsed_s >= PULSE_S - _TINY_S
            self._step(step_s, pulse=is_due)
            if self.bot is not None and self.bot.is_killed:
                return

    def _step(self, step_s: float, *, pulse: bool) -> None:
        self._now_s += step_s
        self.hints.show(self._now_s)
        if pulse:
            self._pulsed_s = self._now_s
            self.venue.pulse()
        self._happen()
        counts = self.bot is not None and not self._is_out
        self.watch.passed(step_s, counts=counts)

    def _happen(self) -> None:
        """What is due: the operator, late requests, the stream's gaps, a kill."""
        while self._orders and self._orders[0].at_s <= self._now_s and not self.is_calm:
            order = self._orders.pop(0)
            self.say("human", f"{order.word} {order.symbol}")
            giver = self.person if order.word in PERSONAL else self.operator
            giver.give(order)
            self.tally[f"{OPERATOR}: {order.word}"] += 1
        for item in [item for item in self._late if item[0] <= self._now_s]:
            self._late.remove(item)
            reply = self.venue.answer(item[1])
            self.say("venue", f"late: {item[1].words} → {reply.status}")
            self.watch.orders_changed()
        self.hints.stand(self._now_s, is_calm=self.is_calm)
        bot = self.bot
        if bot is None or bot.kill.kind is not KillKind.MOMENT:
            return
        if self._now_s - bot.born_s >= bot.kill.at:
            self.kill("at a moment")

    def _told(self, document: dict[str, object]) -> None:
        data = document.get("data")
        if isinstance(data, dict):
            self.tally[f"{ORDER}: {data.get('event')}"] += 1
            self.person.hear(data)
        self.hints.tell(data, self._now_s)

    @property
    def _is_out(self) -> bool:
        """Whether nothing can be reached now."""
        return not self.is_calm and any(
            start_s <= self._now_s < start_s + length_s
            for start_s, length_s in self.history.wire.outages
        )

    # --- death

    def kill(self, words: str, *, planned: bool = True) -> None:
        """End the bot's process by SIGKILL; `planned` says that its life was to end so."""
        bot = self.bot
        if bot is not None and not bot.is_killed:
            bot.is_killed, self.died_as_planned = True, planned
            self.say("death", words)
            os.kill(bot.pid, signal.SIGKILL)

    def _is_doomed(self, request: Request, what: str) -> bool:
        """Whether this is the request at which the bot dies."""
        bot = self.bot
        kinds = (KillKind.REQUEST_LOST, KillKind.REQUEST_LATE, KillKind.REQUEST_BOOKED)
        if bot is None or bot.kill.kind not in kinds:
            return False
        kill = bot.kill
        if what != kill.landmark and (kill.landmark or (kill.writes_only and not request.is_write)):
            return False
        bot.requests += 1
        return bot.requests == kill.at

    # --- requests

    def serve(self, request: Request, connection: Connection) -> None:
        """Answer one request of the bot, or do to it what the history wants."""
        latency_s, pulse = self._dice.latency_s()
        # What was set while the bytes were under way, the sender could not know.
        is_stopped, is_paused = self.operator.is_stopped, self.operator.is_paused
        self._step(latency_s, pulse=pulse)
        if self.bot is None or self.bot.is_killed:
            return
        what = kind_of(request)
        self.tally[f"{REQUEST}: {what}"] += 1
        self.watch.arrives(request, what, is_stopped=is_stopped, is_paused=is_paused)
        if self._is_doomed(request, what):
            self._doom(request)
            return
        kind = None if self.is_calm else self._dice.kind(request, what, self._now_s)
        if self._is_out:
            kind = WireKind.LOST_BEFORE
        if kind is None:
            reply = self._carry_out(request)
            self.watch.reply_seen(request, reply)
            connection.send(reply)
            return
        self.tally[f"{WIRE}: {kind.value}"] += 1
        self.tally[f"{WIRE}: {kind.value} at {what}"] += 1
        self.watch.excused()
        self._trouble(kind, request, connection)
        self.watch.excused()

    def _carry_out(self, request: Request, why: str = "") -> Reply:
        reply = self.venue.answer(request)
        if request.is_write or reply.status >= 400 or why:
            ending = f" {why}" if why else ""
            shown = reply.body.decode(errors="replace")[:160] if reply.status >= 400 else ""
            self.say("venue", f"{request.words} → {reply.status}{ending} {shown}")
        self.watch.passed(0.0, counts=False)
        if request.is_write:
            self.watch.orders_changed()
        return reply

    def _doom(self, request: Request) -> None:
        bot = self.bot
        assert bot is not None
        self.watch.reply_broken(request)
        if bot.kill.kind is KillKind.REQUEST_BOOKED:
            self._carry_out(request, "and the sender dies")
        elif bot.kill.kind is KillKind.REQUEST_LATE and request.is_write:
            late_s = self._dice.late_s()
            self._late.append((self._now_s + late_s, request))
            self.say("venue", f"{request.words} is under way for {late_s} s")
        else:
            self.say("venue", f"{request.words} is lost")
        self.kill(f"at {request.method}, {bot.kill.kind.value}")

    def _trouble(self, kind: WireKind, request: Request, connection: Connection) -> None:
        if kind is WireKind.SLOW:
            reply = self._carry_out(request, "slow")
            self.pass_time(self._dice.slow_s())
            self.watch.reply_seen(request, reply)
            connection.send(reply)
            return
        if kind is WireKind.TOO_MANY:
            self.say("venue", f"{request.words} refused: {kind.value}")
            connection.send(TOO_MANY)
            return
        if kind is WireKind.DOUBLED:
            first = self._carry_out(request, "first of two")
            second = self._carry_out(request, "2nd")
            self.say("venue", f"doubled: {first.status} then {second.status}")
            self.watch.reply_seen(request, second)
            connection.send(second)
            return
        self.watch.reply_broken(request)
        self._break(kind, request, connection)

    def _break(self, kind: WireKind, request: Request, connection: Connection) -> None:
        """The bot cannot know what became of this one."""
        if kind is WireKind.LATE and request.is_write:
            late_s = self._dice.late_s()
            self._late.append((self._now_s + late_s, request))
            self.say("venue", f"{request.words} is under way for {late_s} s")
            connection.reset()
            return
        if kind in UNTOUCHED or kind is WireKind.LATE:
            self.say("venue", f"{request.words} not carried out: {kind.value}")
            reply = Reply(200, (), b"")
        else:
            reply = self._carry_out(request, kind.value)
        if kind is WireKind.SILENT_AFTER:
            self.pass_time(SILENCE_S)
        canned = CANNED.get(kind)
        if canned is not None:
            connection.send(canned)
        elif kind is WireKind.TRUNCATED and len(reply.body) > 1:
            connection.send(reply, cut=len(reply.body) // 2)
        else:
            connection.reset()

    def drained(self) -> bytes:
        """Return what the bot drains of the trade stream, as JSON; what it tells is in doubt no
        more.
        """
        data = json.dumps(self.hints.take(self._now_s)).encode()
        self.watch.told(data)
        return data

    # --- the end

    def become_calm(self) -> None:
        """End every fault, and let the operator take back what still holds the bot."""
        self.is_calm = True
        self.say("human", "--- calm from here on ---")
        for switch in ("partial_fill_rate", "cancel_lag_s", "replace_lag_s", "lookup_lag_s"):
            self.venue.exchange.switch((f"{switch}=0",))
        self.venue.exchange.switch(("positions_lag_s=0", "activities_lag_s=0"))
        self.venue.market.rest(self.venue.exchange.now)
        self.hints.stand(self._now_s, is_calm=True)
        self.watch.excused()

    @property
    def is_settled_outside(self) -> bool:
        """Whether nothing is under way any more."""
        return not self._late

    @property
    def still_s(self) -> float:
        """Market seconds since the exchange's books last changed."""
        exchange = self.venue.exchange
        last = exchange.books.account.last_stamp
        return 1e9 if last is None else (exchange.now - last).total_seconds()

    def close(self) -> None:
        """Let everything go."""
        self.venue.close()
        if self._transcript is not None:
            self._transcript.close()
