"""What plugs in: the six narrow interfaces between our decisions and the world. Read first.

Strategy     decides, pure                      services/trading_bot/strategies
MarketFeed   brings candles and quotes          services/data_daemon/feeds
FlowFeed     brings option flow                 services/data_daemon/feeds
Broker       holds the account and the orders   shared/vendors
MarketClock  says what time the market has      shared/vendors
Alerter      wakes a person                     services/heartbeat

Reads raise a SystemFault of the right family when they fail: an empty answer always means that
the broker said "none".
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from shared.models.broker import (
    Asset,
    BrokerFill,
    BrokerOrder,
    CancelOutcome,
    ClockReading,
    CloseOutcome,
    SubmitOutcome,
)
from shared.models.flow import NO_FLOW, FlowAlert, FlowView
from shared.models.market import Candle, CandleBuffer, Quote
from shared.models.movements import BrokerMovement
from shared.models.pnl import EquityPoint
from shared.models.portfolio import Account, Position
from shared.models.signals import Signal
from shared.risk.approved import Approved


@dataclass(frozen=True, slots=True)
class MarketSnapshot:
    """What a strategy sees: warm buffers and fresh quotes at one market moment."""

    now: datetime
    buffers: Mapping[str, CandleBuffer]
    quotes: Mapping[str, Quote]
    flow: FlowView = NO_FLOW
    """Option flow of the last hour; empty when no strategy in use reads it."""
    universe: frozenset[str] | None = None
    """Symbols that may be entered until clock C chooses anew; None: all."""


@dataclass(frozen=True, slots=True)
class PortfolioView:
    """What a strategy knows of the account."""

    equity: Decimal
    positions: Mapping[str, Position]
    busy_symbols: frozenset[str]
    """Symbols with a position or a working order: nobody may enter them."""


class Strategy(Protocol):
    """A pure decision: the same snapshot and portfolio give the same signals."""

    name: str

    def decide(self, snapshot: MarketSnapshot, portfolio: PortfolioView) -> Sequence[Signal]:
        """Return the entries this strategy wishes now, best first; often none."""


class FeedSink(Protocol):
    """Where a feed delivers; implemented over the market store."""

    def candle(self, feed: str, candle: Candle) -> None:
        """Take one finished bar."""

    def quote(self, feed: str, quote: Quote) -> None:
        """Take one quote."""

    def dropped(self, feed: str, reason: str, raw: str) -> None:
        """Count and log something that broke its contract."""

    def status(self, feed: str, state: str, reason: str) -> None:
        """Note that a feed is `live`, `connecting` or `down`."""


class MarketFeed(Protocol):
    """A source of market data that runs until told to stop."""

    name: str

    def start(self, symbols: Sequence[str], sink: FeedSink) -> None:
        """Begin delivering to the sink from a thread of its own."""

    def stop(self, timeout_s: float) -> None:
        """End within the timeout."""


class FlowFeed(Protocol):
    """A source of option flow."""

    def poll(self, newer_than: datetime) -> Sequence[FlowAlert]:
        """Return the alerts since that moment, oldest first."""


class Broker(Protocol):
    """The account at the broker. Reads raise SystemFault; writes return closed outcomes."""

    def account(self) -> Account:
        """Return the account's own numbers."""

    def positions(self) -> tuple[Position, ...]:
        """Return every open position."""

    def position(self, symbol: str) -> Position | None:
        """Return one position read fresh, None when the broker says there is none."""

    def orders(
        self, status: str, *, after: datetime | None = None, symbols: Sequence[str] = ()
    ) -> tuple[BrokerOrder, ...]:
        """Return orders (`open`, `closed` or `all`), nested, all pages, oldest first."""

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        """Return one order with its legs, None when the broker does not know it."""

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        """Return one order by our id, None when the broker does not know it."""

    def fills(self, after: datetime) -> tuple[BrokerFill, ...]:
        """Return the FILL activities since that moment, all pages, oldest first."""

    def movements(self, since: date) -> tuple[BrokerMovement, ...]:
        """Return what changed the account without an order since that New York day, all pages."""

    def portfolio_history(self) -> tuple[EquityPoint, ...]:
        """Return what the account was worth on each day of the last year, oldest first."""

    def asset(self, symbol: str) -> Asset | None:
        """Return what the broker says of a symbol, None when it does not know it."""

    def submit(self, approved: Approved) -> SubmitOutcome:
        """Send one approved order, once; POST, or PATCH when the request replaces one."""

    def cancel(self, broker_order_id: str) -> CancelOutcome:
        """Ask for the cancellation of one order."""

    def close_position(self, symbol: str, qty: Decimal | None = None) -> CloseOutcome:
        """Ask the broker to close the whole position by its own computation, or `qty` shares of it,
        judged by the status code alone: it works while contracts forbid reading anything.
        """


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a loop, given by the market clock."""

    reading: ClockReading
    minute: datetime | None
    """Lock-step: start of the finished minute that this turn may act on; else None."""
    ended: bool = False
    """The replay is over; no further turn will come."""


class MarketClock(Protocol):
    """Market time and the pace of the loops."""

    def reading(self) -> ClockReading:
        """Return the broker's time now; raises SystemFault when it cannot be known."""

    def next_turn(self, stop: threading.Event, timeout_s: float) -> Turn | None:
        """Wait for the next turn; None when nothing came within the timeout or on stop.

        In lock-step, asking for the next turn reports the one before as finished.
        """


class Alerter(Protocol):
    """Delivers a message to a person."""

    def send(self, title: str, body: str, severity: str) -> bool:
        """Return whether it was delivered."""
