"""Plays the market's events into the books: quotes and trades match, sessions open and close."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.exchange_sim.books import Books
from services.exchange_sim.desk import Desk
from services.exchange_sim.execution import Execution
from services.exchange_sim.market.port import (
    BarClosed,
    BarOpened,
    EarlyOpened,
    LateClosed,
    MarketEvent,
    MinuteStep,
    QuoteTick,
    SessionClosed,
    SessionOpened,
    TradeTick,
)
from services.exchange_sim.matching import Span
from services.exchange_sim.records import ZERO, SimOrder
from services.exchange_sim.sessions import close_late, close_session, open_early, open_session
from services.exchange_sim.tape import Tape


class Player:
    """Takes events one by one, in order."""

    def __init__(self, books: Books, desk: Desk, tape: Tape, execution: Execution) -> None:
        self._books = books
        self._desk = desk
        self._tape = tape
        self._execution = execution
        self._ticked: set[str] = set()
        """Symbols whose running minute came as ticks: its range holds nothing new."""

    def play(self, event: MarketEvent) -> None:
        """Let one event happen."""
        if isinstance(event, QuoteTick):
            self._tape.note_quote(event.quote)
            self._match(event.quote.symbol, event.at)
        elif isinstance(event, TradeTick):
            self._tape.note_trade(event.symbol, event.price, event.at)
            self._ticked.add(event.symbol)
            self._match(event.symbol, event.at)
        elif isinstance(event, BarOpened):
            # Its quote follows at the same moment: a gap fills there, not at the old quote.
            self._tape.note_trade(event.symbol, event.price, event.at)
            self._ticked.discard(event.symbol)
        elif isinstance(event, BarClosed):
            self._close_bar(event)
        elif isinstance(event, SessionOpened):
            open_session(self._books, self._desk, event.at)
        elif isinstance(event, SessionClosed):
            self._hold_closing_auction(event.at)
            close_session(self._books, event.session, self._desk.worth(event.at))
        elif isinstance(event, EarlyOpened):
            open_early(self._books, self._desk, event.at)
        elif isinstance(event, LateClosed):
            close_late(self._books, event.at)

    def _close_bar(self, event: BarClosed) -> None:
        candle = event.candle
        if candle.symbol not in self._ticked and self._books.open.has(candle.symbol):
            quote = self._tape.quote(candle.symbol, candle.start)
            half = (quote.ask - quote.bid) / 2 if quote and quote.is_tradable else ZERO
            self._execution.in_span(Span(candle, half), event.at)
        self._tape.note_trade(candle.symbol, candle.close, event.at)

    def _hold_closing_auction(self, at: datetime) -> None:
        for symbol in self._books.open.symbols():
            price = self._tape.last(symbol, at)
            if price is not None:
                self._execution.at_close(symbol, price, at)

    def _match(self, symbol: str, at: datetime) -> None:
        if not self._books.open.has(symbol):
            return
        point = self._tape.point(symbol, at)
        if point is not None:
            self._execution.at_point(symbol, point, at)

    def match_begun(self, begun: Iterable[SimOrder], at: datetime) -> None:
        """Match orders that began to work between two events at the quote that stands."""
        for order in begun:
            point = self._tape.point(order.symbol, at)
            if point is not None:
                self._execution.one_at_point(order.id, point, at)


def events_of_minute(step: MinuteStep) -> list[MarketEvent]:
    """Return a lock-step minute as events: open, the quote around it, the finished bar, the
    quote around its close; sessions where they begin and end.
    """
    return list(step.events)
