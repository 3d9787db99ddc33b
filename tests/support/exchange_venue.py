"""A simulated broker without market, disk or network: books, desk and matching, driven by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.exchange_sim import groups
from services.exchange_sim.amending import Amending
from services.exchange_sim.books import Books
from services.exchange_sim.desk import Desk
from services.exchange_sim.drafting import Moment
from services.exchange_sim.execution import Execution
from services.exchange_sim.market.port import (
    BarQuery,
    DroppedRow,
    MarketEvent,
    MinuteStep,
    Session,
    SessionClosed,
    SessionOpened,
    TickQuery,
    TradedBar,
    TradeTick,
)
from services.exchange_sim.matching import Point, Span
from services.exchange_sim.playing import Player
from services.exchange_sim.records import AccountRecord, Configuration, SimOrder
from services.exchange_sim.settling import Settling
from services.exchange_sim.switches import Switches, switched
from services.exchange_sim.tape import Tape
from services.exchange_sim.ticket import read_amendment, read_ticket
from shared.models.broker import ClockReading
from shared.models.market import Candle, Quote

NOON = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
CLOSE = datetime(2026, 1, 5, 21, 0, tzinfo=UTC)
CASH = Decimal(100_000)
SESSION = Session(
    date(2026, 1, 5), datetime(2026, 1, 5, 14, 30, tzinfo=UTC), CLOSE, "09:30", "16:00"
)


class SilentMarket:
    """A market in which nothing ever happens by itself."""

    source = "seeded"
    symbols: tuple[str, ...] = ("AAA", "BBB")
    begins_at = NOON
    ends_at: datetime | None = None
    identity = "silent"
    dropped_rows: Mapping[str, int] = {}
    dropped_samples: tuple[DroppedRow, ...] = ()

    def session(self, day: date) -> Session | None:
        return SESSION

    def sessions(self, first: date, last: date) -> tuple[Session, ...]:
        return (SESSION,)

    def clock(self, now: datetime) -> ClockReading:
        return ClockReading(now, now < CLOSE, CLOSE + timedelta(hours=17, minutes=30), CLOSE)

    def history_begins(self, symbol: str) -> datetime | None:
        return None

    def bars(self, query: BarQuery) -> tuple[Candle, ...]:
        return ()

    def traded_bars(self, query: BarQuery) -> tuple[TradedBar, ...]:
        return ()

    def trades(self, query: TickQuery) -> tuple[TradeTick, ...]:
        return ()

    def quotes(self, query: TickQuery) -> tuple[Quote, ...]:
        return ()

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        return None

    def last_trade(self, symbol: str, now: datetime) -> TradeTick | None:
        return None

    def prior_close(self, symbol: str, now: datetime) -> Decimal | None:
        return None

    def events(self, after: datetime, until: datetime) -> tuple[MarketEvent, ...]:
        return ()

    def first_events(self) -> tuple[MarketEvent, ...]:
        return ()

    def next_event_at(self, after: datetime) -> datetime | None:
        return None

    def skip_closed(self, now: datetime) -> datetime:
        return now

    def has_ended(self, now: datetime) -> bool:
        return False

    def minute_after(self, minute: datetime | None) -> MinuteStep | None:
        return None


def new_account(**fields: Any) -> AccountRecord:
    """Return an account with 100,000 dollars at noon of an open session."""
    values: dict[str, Any] = {
        "account_id": "00000000-0000-4000-8000-000000000001",
        "number": 0,
        "epoch": "00000000",
        "identity": "silent",
        "seed": 1,
        "created_at": NOON,
        "now": NOON,
        "start_cash": CASH,
        "cash": CASH,
        "last_equity": CASH,
        "session_open": True,
    }
    return AccountRecord(**(values | fields))


class Venue:
    """Books and desk with time and prices in the test's hand."""

    def __init__(self, *, partial_rate: float = 0.0, **account: Any) -> None:
        self.now = NOON
        self.is_open = True
        self.is_extended = False
        self.books = Books(new_account(**account))
        self.tape = Tape(SilentMarket())
        self.desk = Desk(self.books, self.tape, frozenset(SilentMarket.symbols))
        self._amending = Amending(self.books, self.desk)
        self.books.switches = Switches(partial_fill_rate=partial_rate)
        self._settling = Settling(self.books, self.desk)
        self._execution = Execution(self.books)
        self._player = Player(self.books, self.desk, self.tape, self._execution)
        self.quote("AAA", 100)
        self.quote("BBB", 50)

    def moment(self) -> Moment:
        return Moment(self.now, self.is_open, CLOSE, self.is_extended)

    def quote(self, symbol: str, price: object, spread: object = "0.02") -> Point:
        """Set quote and last trade around a price, without matching."""
        middle, half = Decimal(str(price)), Decimal(str(spread)) / 2
        self.tape.note_quote(Quote(symbol, self.now, middle - half, middle + half, 100, 100))
        self.tape.note_trade(symbol, middle, self.now)
        return Point(middle - half, middle + half, middle)

    def trade(self, symbol: str, price: object, spread: object = "0.02") -> None:
        """Let the market move to a price and match."""
        self.now += timedelta(seconds=1)
        self._execution.at_point(symbol, self.quote(symbol, price, spread), self.now)

    def bar(self, prices: tuple[object, object, object, object], half_spread: object = 0) -> None:
        """Let a minute of AAA with open, high, low, close pass: open point, range, close."""
        numbers = [Decimal(str(price)) for price in prices]
        first, highest, lowest, last = numbers
        candle = Candle("AAA", self.now, first, highest, lowest, last, 1000)
        half = Decimal(str(half_spread))
        point = self.quote("AAA", numbers[0], half * 2)
        self._execution.at_point("AAA", point, self.now)
        self.now += timedelta(minutes=1)
        self._execution.in_span(Span(candle, half), self.now)
        point = self.quote("AAA", numbers[3], half * 2)
        self._execution.at_point("AAA", point, self.now)

    def span(self, span: Span, at: datetime) -> None:
        """Match a minute of which only the range is known."""
        self._execution.in_span(span, at)

    def fill(self, order: SimOrder, qty: object, price: object) -> None:
        """Book a fill of a given size, group rules included."""
        self.now += timedelta(seconds=1)
        filled = self.books.fill(order.id, Decimal(str(qty)), Decimal(str(price)), self.now)
        groups.after_fill(self.books, filled, self.now)

    def send(self, *, settle: bool = True, **body: Any) -> SimOrder:
        """Send an order for ten AAA unless told otherwise."""
        values: dict[str, Any] = {
            "symbol": "AAA",
            "side": "buy",
            "qty": "10",
            "type": "market",
            "time_in_force": "gtc",
        }
        order = self.desk.submit(read_ticket(values | body), self.moment())
        if settle:
            self.settle()
        return order

    def bracket(self, **body: Any) -> tuple[SimOrder, SimOrder, SimOrder]:
        """Send a bracket around 100 and return entry, target and stop."""
        values: dict[str, Any] = {
            "type": "limit",
            "limit_price": "100.5",
            "order_class": "bracket",
            "take_profit": {"limit_price": "110"},
            "stop_loss": {"stop_price": "95"},
        }
        entry = self.send(**(values | body))
        legs = [one for one in self.books.group(entry) if one.parent_id == entry.id]
        return entry, legs[0], legs[1]

    def replace(self, order: SimOrder, *, settle: bool = True, **body: Any) -> SimOrder:
        """PATCH an order."""
        new = self._amending.replace(order.id, read_amendment(body), self.moment())
        if settle:
            self.settle()
        return new

    def cancel(self, order: SimOrder, *, settle: bool = True) -> None:
        """DELETE an order."""
        self.desk.cancel(order.id, self.now)
        if settle:
            self.settle()

    def settle(self) -> None:
        """Carry out what was accepted."""
        self._settling.settle(self.now, self.is_open)

    def switch(self, *settings: str) -> None:
        """Set switches of the exchange."""
        self.books.switches = switched(self.books.switches, settings)

    def configure(self, **fields: Any) -> None:
        """Change account configurations."""
        self.books.update_account(configuration=Configuration(**fields))

    def end_session(self) -> None:
        """Close the session."""
        self.now, self.is_open = CLOSE, False
        self._player.play(SessionClosed(CLOSE, SESSION))

    def begin_session(self) -> None:
        """Open the next session."""
        self.now, self.is_open = CLOSE + timedelta(hours=17, minutes=30), True
        self._player.play(SessionOpened(self.now, SESSION))

    def status(self, order: SimOrder) -> str:
        """Return an order's status now."""
        return self.books.orders[order.id].status.value

    def again(self, order: SimOrder) -> SimOrder:
        """Return an order as it is now."""
        return self.books.orders[order.id]

    def held(self, symbol: str = "AAA") -> Decimal:
        """Return the signed quantity held."""
        position = self.books.positions.get(symbol)
        return position.qty if position else Decimal(0)

    def events(self) -> list[str]:
        """Return the names of the events so far."""
        return [event.event for event in self.books.changes.events]
