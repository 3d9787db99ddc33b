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

from services.exchange_sim.books import Books
from services.exchange_sim.corporate_actions import Splitting
from services.exchange_sim.desk import Desk
from services.exchange_sim.floor import Floor
from services.exchange_sim.lockstep import Gate, Participant
from services.exchange_sim.market.port import Market, MarketEvent
from services.exchange_sim.market.rebased import rebased
from services.exchange_sim.records import Refusal, SimOrder, SimPosition, TradeEvent
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
        self._is_behind = False
        """Whether the books in memory hold what is not on disk."""
        self._deeds = 0
        """Those that may have changed an answer to a read; a gate that moves changes none."""
        self.tape = Tape(self.market)
        self._enter(books)
        self._begin()

    def _enter(self, books: Books) -> None:
        books.switches = self.switches
        self._floor = Floor(books, self.market, self.tape)

    def _begin(self) -> None:
        with self._deed(settles=False):
            if not self.books.account.begun:
                self.books.update_account(begun=True)
                if not self.pace.is_lock_step:
                    self._floor.play(self.market.first_events())
            if self.pace.is_lock_step and self.books.account.minute is None:
                self._floor.play_minute()

    @property
    def books(self) -> Books:
        """The account's books, as committed between two deeds."""
        return self._floor.books

    @property
    def desk(self) -> Desk:
        """Where orders are looked up, and what the account is worth."""
        return self._floor.desk

    @property
    def splitting(self) -> Splitting:
        """Where splits are declared."""
        return self._floor.splitting

    @contextmanager
    def _deed(self, *, settles: bool = True, is_gate: bool = False) -> Iterator[None]:
        """Do something to the books, then write it, then tell. What cannot be written did not
        happen: the books are read again from disk. At the start nobody knows the faults yet.
        """
        if self._is_behind:
            self._reload()
        try:
            yield
            if settles and self.pace.is_lock_step:
                self._settle()
            changes = self.books.take_changes()
            self._deeds += not (is_gate and changes.is_account_alone)
            self._store.save(self.books, changes)
            self.books.forget_ended()
            if changes.symbols:
                lag_s = self.switches.positions_lag_s
                self._floor.lagging.note(self.now, self.books.positions, lag_s)
        except Refusal:
            raise
        except sqlite3.Error as failure:
            self._reload()
            raise TransientFault(f"the exchange's database refuses: {failure}") from failure
        except Exception:
            self._reload()
            raise
        seen = self._floor.take_seen()
        if changes.events and self.listeners.trades:
            self.listeners.trades(changes.events)
        if seen and self.listeners.market:
            self.listeners.market(seen)

    def _reload(self) -> None:
        # A disk that cannot be read either is asked again before the next deed.
        self._is_behind = True
        self._deeds += 1
        account = self._store.account(self.books.account.identity)
        if account is not None:
            self._enter(self._store.load(account))
        self._is_behind = False

    @property
    def edition(self) -> tuple[int, Switches]:
        """What all answers to reads follow from, the market's and the account's: while it stays the
        same, so do they.
        """
        return self._deeds, self.books.switches

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
        return self._floor.clock()

    def advance(self, real_s: float, *, carry_out: bool = True) -> None:
        """Free running: move market time by that much real time and let it happen; without
        `carry_out` accepted requests stay pending.
        """
        if self.pace.speed is None or self.ended:
            return
        with self._deed():
            if carry_out:
                self._settle()
            real_s = min(real_s, STRETCH_S_MAX)
            self._floor.pass_time(timedelta(seconds=real_s * self.pace.speed))

    def _settle(self) -> None:
        self._floor.settle(matches=not self.pace.is_lock_step)

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
        with self._deed(is_gate=not after.is_through):
            self.books.update_account(daemon_done=after.daemon_done, bot_done=after.bot_done)
            if after.is_through:
                self._floor.play_minute()
        if self.listeners.minute:
            self.listeners.minute()

    def foresee(self) -> None:
        """Let the market look up the minute that comes next, so that playing it takes less."""
        self._floor.foresee()

    # --- requests

    def submit(self, body: dict[str, Any]) -> SimOrder:
        """Accept an order; the reply is the order as accepted, before it works."""
        with self._deed():
            return self.desk.submit(read_ticket(body), self._floor.moment())

    def replace(self, order_id: str, body: dict[str, Any]) -> SimOrder:
        """Accept a replacement and return the new order."""
        with self._deed():
            amendment = read_amendment(body)
            return self._floor.amending.replace(order_id, amendment, self._floor.moment())

    def cancel(self, order_id: str) -> SimOrder:
        """Accept a cancellation."""
        with self._deed():
            return self.desk.cancel(order_id, self.now)

    def close_position(self, symbol: str, qty: Decimal | None) -> SimOrder:
        """Send the order that closes a position."""
        with self._deed():
            return self.desk.close_position(symbol, qty, self._floor.moment())

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
        return self._floor.lagging.seen(self.now, self.switches.positions_lag_s)

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
