"""The exchange: market time, books and market brought together; every request ends in a commit.

One loop owns it. A request changes the books in memory, is written durably, and only then are
its events let out. Free running, `advance` moves market time; in lock-step `report` does, one
minute at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from services.exchange_sim.amending import Amending
from services.exchange_sim.books import Books
from services.exchange_sim.corporate_actions import Splitting
from services.exchange_sim.desk import Desk
from services.exchange_sim.drafting import Moment
from services.exchange_sim.execution import Execution
from services.exchange_sim.hours import is_extended
from services.exchange_sim.lagging import LaggingPositions
from services.exchange_sim.lockstep import Gate, Participant
from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.market.port import Market, MarketEvent, SessionOpened
from services.exchange_sim.market.rebased import rebased
from services.exchange_sim.playing import Player, events_of_minute
from services.exchange_sim.records import Refusal, SimOrder, SimPosition, TradeEvent
from services.exchange_sim.settling import Settling
from services.exchange_sim.store import Store
from services.exchange_sim.store_activities import ActivityReader
from services.exchange_sim.switches import Switches, switched
from services.exchange_sim.tape import Tape
from services.exchange_sim.ticket import read_amendment, read_ticket
from shared.errors import TransientFault
from shared.models.broker import ClockReading

Done = TypeVar("Done")
STRETCH_S_MAX = 1.0
"""Real seconds that one advance may cover: market time stands still while the process does."""

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """How market time moves: `speed` times real time, or in lock-step when it is None."""

    speed: float | None
    switches: Switches = field(default_factory=Switches)
    """Those of the start; `switch` changes them."""

    @property
    def is_lock_step(self) -> bool:
        """Whether the participants set the pace."""
        return self.speed is None


@dataclass(slots=True)
class Listeners:
    """Who is told after a commit; set by the streams."""

    trades: Callable[[Sequence[TradeEvent]], None] | None = None
    market: Callable[[Sequence[MarketEvent]], None] | None = None
    minute: Callable[[], None] | None = None
    """A gate moved: lock-step waiters look again."""


class Exchange:
    """One account on one market."""

    def __init__(self, market: Market, store: Store, books: Books, pace: Pace) -> None:
        self.market = rebased(market)
        self.pace = pace
        self.switches = pace.switches
        self.listeners = Listeners()
        self.row_refusal: Callable[[str], Refusal | None] = lambda _symbol: None
        """Refuses a row of a 207, by symbol; the faults put theirs here."""
        self._store = store
        self._seen: list[MarketEvent] = []
        self._symbols = frozenset(market.symbols)
        self.tape = Tape(self.market)
        self._wire(books)
        self._begin()

    def _wire(self, books: Books) -> None:
        self.books = books
        books.switches = self.switches
        self.desk = Desk(books, self.tape, self._symbols)
        self._amending = Amending(books, self.desk)
        self._settling = Settling(books, self.desk)
        execution = Execution(books)
        self.splitting = Splitting(books, self.market, self.tape)
        self._lagging = LaggingPositions(self.now, books.positions)
        self._player = Player(books, self.desk, self.tape, execution)

    def _begin(self) -> None:
        with self._deed(settles=False):
            if not self.books.account.begun:
                self.books.update_account(begun=True)
                if not self.pace.is_lock_step:
                    self._play(self.market.first_events())
            if self.pace.is_lock_step and self.books.account.minute is None:
                self._next_minute()

    @contextmanager
    def _deed(self, *, settles: bool = True) -> Iterator[None]:
        """Do something to the books, then write it, then tell. What cannot be written did not
        happen: the books are read again from disk. At the start nobody knows the faults yet.
        """
        try:
            yield
            if settles and self.pace.is_lock_step:
                self._settle()
            changes = self.books.take_changes()
            self._store.save(self.books, changes)
            self.books.forget_ended()
            if changes.symbols:
                lag_s = self.switches.positions_lag_s
                self._lagging.note(self.now, self.books.positions, lag_s)
        except Refusal:
            raise
        except sqlite3.Error as failure:
            self._reload()
            raise TransientFault(f"the exchange's database refuses: {failure}") from failure
        except Exception:
            self._reload()
            raise
        seen, self._seen = self._seen, []
        if changes.events and self.listeners.trades:
            self.listeners.trades(changes.events)
        if seen and self.listeners.market:
            self.listeners.market(seen)

    def _reload(self) -> None:
        self._seen = []
        account = self._store.account(self.books.account.identity)
        if account is not None:
            self._wire(self._store.load(account))

    # --- time

    @property
    def now(self) -> datetime:
        """Market time."""
        return self.books.account.now

    @property
    def ended(self) -> bool:
        """Whether the replay is over and, in lock-step, everybody has finished it."""
        return self.books.account.ended

    def clock(self) -> ClockReading:
        """Return what the broker's clock says."""
        return self.market.clock(self.now)

    def moment(self) -> Moment:
        """Return when a request is handled."""
        reading = self.clock()
        session = self.market.session(new_york_day(self.now))
        return Moment(
            at=self.now,
            is_open=reading.is_open,
            session_close=reading.next_close,
            is_extended=is_extended(session, self.now),
        )

    def advance(self, real_s: float, *, carry_out: bool = True) -> None:
        """Free running: move market time by that much real time and let it happen; without
        `carry_out` accepted requests stay pending.
        """
        if self.pace.speed is None or self.ended:
            return
        with self._deed():
            if carry_out:
                self._settle()
            stretch = timedelta(seconds=min(real_s, STRETCH_S_MAX) * self.pace.speed)
            self._move_to(self.now + stretch)
            opening = self.market.skip_closed(self.now)
            if opening > self.now:
                self._move_to(opening)
            if self.market.has_ended(self.now):
                self.books.update_account(ended=True)

    def _move_to(self, until: datetime) -> None:
        end = self.market.ends_at
        until = until if end is None else min(until, end)
        self._play(self.market.events(self.now, until))
        if until > self.now:
            self.books.update_account(now=until)

    def _play(self, events: Sequence[MarketEvent]) -> None:
        for event in events:
            if event.at > self.now:
                self.books.update_account(now=event.at)
            if isinstance(event, SessionOpened):
                self.splitting.begin_session(event)
            self._player.play(event)
        self._seen.extend(events)

    def _settle(self) -> None:
        begun = self._settling.settle(self.now, self.clock().is_open)
        if not self.pace.is_lock_step:
            self._player.match_begun(begun, self.now)

    # --- lock-step

    @property
    def gate(self) -> Gate:
        """Where the current minute stands."""
        account = self.books.account
        return Gate(account.minute, account.daemon_done, account.bot_done)

    def report(self, participant: Participant, minute: datetime) -> None:
        """Take a participant's word that it finished a minute; play the next when all have."""
        before = self.gate
        after = before.finished(participant, minute.astimezone(UTC))
        if after == before:
            return
        with self._deed():
            self.books.update_account(daemon_done=after.daemon_done, bot_done=after.bot_done)
            if after.is_through:
                self._next_minute()
        if self.listeners.minute:
            self.listeners.minute()

    def _next_minute(self) -> None:
        account = self.books.account
        last = account.minute
        if self.now > self.market.begins_at:
            # The account may have run at another pace in between: never play a minute twice.
            last = max(last or self.now - _MINUTE, self.now - _MINUTE)
        step = self.market.minute_after(last)
        if step is None:
            self.books.update_account(ended=True)
            return
        self._play(events_of_minute(step))
        self.books.update_account(minute=step.minute, now=max(self.now, step.end))

    # --- requests

    def submit(self, body: dict[str, Any]) -> SimOrder:
        """Accept an order; the reply is the order as accepted, before it works."""
        with self._deed():
            return self.desk.submit(read_ticket(body), self.moment())

    def replace(self, order_id: str, body: dict[str, Any]) -> SimOrder:
        """Accept a replacement and return the new order."""
        with self._deed():
            return self._amending.replace(order_id, read_amendment(body), self.moment())

    def cancel(self, order_id: str) -> SimOrder:
        """Accept a cancellation."""
        with self._deed():
            return self.desk.cancel(order_id, self.now)

    def close_position(self, symbol: str, qty: Decimal | None) -> SimOrder:
        """Send the order that closes a position."""
        with self._deed():
            return self.desk.close_position(symbol, qty, self.moment())

    def book(self, action: Callable[[], Done]) -> Done:
        """Let an action change the books, as one deed; raises what it raises."""
        with self._deed():
            return action()

    @property
    def activities(self) -> ActivityReader:
        """What happened to the account, as committed."""
        return self._store.activities(self.books.account)

    def positions_seen(self) -> Mapping[str, SimPosition]:
        """Return the positions as clients see them now."""
        return self._lagging.seen(self.now, self.switches.positions_lag_s)

    def settle_now(self) -> None:
        """Carry out what is accepted without waiting for the next advance."""
        with self._deed():
            self._settle()

    def configure(self, **fields: object) -> None:
        """Change account configurations."""
        with self._deed():
            changed = replace(self.books.account.configuration, **fields)  # type: ignore[arg-type]
            self.books.update_account(configuration=changed)

    def switch(self, settings: Iterable[str]) -> Switches:
        """Change switches, each `NAME=VALUE`, and return all; raises ValueError."""
        self.switches = switched(self.switches, settings)
        self.books.switches = self.switches
        return self.switches

    def close(self) -> None:
        """Close for good: an ended replay is not taken up again."""
        with self._deed():
            self.books.update_account(closed_cleanly=self.ended)
        self._store.close()
