"""The floor: one set of books on one market, and what becomes of them as market time passes.

Nothing is written and nobody is told here: exchange.py makes a deed of what happens. Books that
are read again from disk get a new floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.exchange_sim.amending import Amending
from services.exchange_sim.books import Books
from services.exchange_sim.corporate_actions import Splitting
from services.exchange_sim.desk import Desk
from services.exchange_sim.drafting import Moment
from services.exchange_sim.execution import Execution
from services.exchange_sim.hours import is_extended
from services.exchange_sim.lagging import LaggingPositions
from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.market.port import EarlyOpened, MarketEvent, SessionOpened
from services.exchange_sim.market.rebased import RebasedMarket
from services.exchange_sim.playing import Player, events_of_minute
from services.exchange_sim.settling import Settling
from services.exchange_sim.tape import Tape
from shared.models.broker import ClockReading

_MINUTE = timedelta(minutes=1)


class Floor:
    """Everything that works on the books."""

    def __init__(self, books: Books, market: RebasedMarket, tape: Tape) -> None:
        self.books = books
        self.desk = Desk(books, tape, frozenset(market.symbols))
        self.amending = Amending(books, self.desk)
        self.splitting = Splitting(books, market, tape)
        self.lagging = LaggingPositions(books.account.now, books.positions)
        self._market = market
        self._settling = Settling(books, self.desk)
        self._player = Player(books, self.desk, tape, Execution(books))
        self._seen: list[MarketEvent] = []

    @property
    def now(self) -> datetime:
        """Market time."""
        return self.books.account.now

    def clock(self) -> ClockReading:
        """Return what the broker's clock says."""
        return self._market.clock(self.now)

    def moment(self) -> Moment:
        """Return when a request is handled."""
        reading = self.clock()
        session = self._market.session(new_york_day(self.now))
        return Moment(
            at=self.now,
            is_open=reading.is_open,
            session_close=reading.next_close,
            is_extended=is_extended(session, self.now),
        )

    def settle(self, *, matches: bool) -> None:
        """Carry out what was accepted; when it `matches`, orders that begin to work are matched
        at the quote that stands, without waiting for the next event.
        """
        begun = self._settling.settle(self.now, self.clock().is_open)
        if matches:
            self._player.match_begun(begun, self.now)

    def pass_time(self, stretch: timedelta) -> None:
        """Let so much market time pass, hours in which nothing trades besides."""
        self._move_to(self.now + stretch)
        opening = self._market.skip_closed(self.now)
        if opening > self.now:
            self._move_to(opening)
        if self._market.has_ended(self.now):
            self.books.update_account(ended=True)

    def _move_to(self, until: datetime) -> None:
        end = self._market.ends_at
        until = until if end is None else min(until, end)
        self.play(self._market.events(self.now, until))
        if until > self.now:
            self.books.update_account(now=until)

    def play_minute(self) -> None:
        """Lock-step: let the next minute happen and release it; without one the replay is over."""
        step = self._market.minute_after(self._last_minute())
        if step is None:
            self.books.update_account(ended=True)
            return
        self.play(events_of_minute(step))
        self.books.update_account(minute=step.minute, now=max(self.now, step.end))

    def foresee(self) -> None:
        """Let the market look up the minute that `play_minute` will ask for."""
        self._market.foresee(self._last_minute())

    def _last_minute(self) -> datetime | None:
        """Return the minute behind which to go on, None for the beginning."""
        last = self.books.account.minute
        if self.now > self._market.begins_at:
            # The account may have run at another pace in between: never play a minute twice.
            last = max(last or self.now - _MINUTE, self.now - _MINUTE)
        return last

    def play(self, events: Sequence[MarketEvent]) -> None:
        """Let events happen, each at its moment."""
        for event in events:
            if event.at > self.now:
                self.books.update_account(now=event.at)
            if isinstance(event, EarlyOpened | SessionOpened):
                self.splitting.begin_session(event)
            self._player.play(event)
        self._seen.extend(events)

    def take_seen(self) -> list[MarketEvent]:
        """Return what happened since the last call."""
        seen, self._seen = self._seen, []
        return seen
