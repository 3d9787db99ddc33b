"""What a turn is decided from, and what it decides: two frozen values.

`Decision` lists, in the order of execution, everything that the loop must now do. A reader who
knows it knows what a turn can cause.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.trading_bot.brain.port import ExitingStrategy
from services.trading_bot.gates import GateResult
from services.trading_bot.sends import Send
from shared.events.types import Event
from shared.models.broker import BrokerOrder, ClockReading
from shared.models.exits import ExitRules
from shared.models.ids import STRATEGY_CHARACTERS
from shared.models.limits import Limits
from shared.models.portfolio import Account, Position
from shared.models.trading_state import BotState, TradingState
from shared.ports import MarketSnapshot


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that a decision needs, beside the limits."""

    symbols: frozenset[str]
    limits: Limits
    strategies: Mapping[str, ExitingStrategy]
    exit_rules: Mapping[str, ExitRules] = field(default_factory=dict)
    """By strategy: how its positions are left beside its own reasons; none moves nothing."""
    exit_at_close: bool = False
    allow_short: bool = False
    adopt_external: bool = False
    """Whether external shares get a stop of ours (ADOPT_EXTERNAL)."""

    def owner(self, name: str) -> str:
        """Return the whole name of the strategy that a position names: one that was adopted by
        its order's id alone carries only the beginning.
        """
        if name in self.strategies:
            return name
        begins = (each for each in self.strategies if each[:STRATEGY_CHARACTERS] == name)
        return next(begins, name)


@dataclass(frozen=True, slots=True)
class DeniedRaise:
    """A higher stop that the guard denied, and when (market time)."""

    stop: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """One moment, as the loop gathered it. None means that it could not be read."""

    reading: ClockReading
    state: BotState
    trading_state: TradingState
    account: Account | None
    broker_positions: Mapping[str, Position] | None
    market: MarketSnapshot
    policy: Policy
    reconcile_age_s: float | None = None
    """Age of the last whole reconciliation, None before the first."""
    decided: frozenset[str] = frozenset()
    """Ids of entry decisions that were denied: a decision is made once."""
    denied_raises: Mapping[str, DeniedRaise] = field(default_factory=dict)
    """By the broker's id of the stop leg: raises that the guard denied."""
    may_enter: bool = True
    """Whether this is a moment at which the strategies are asked."""
    flatten: str | None = None
    """Why every position of ours must be closed now, or None."""
    flatten_externals: bool = False
    """Whether `flatten` closes what is not ours, too."""
    foreign_orders: tuple[BrokerOrder, ...] = ()
    """Working orders at the broker that are none of ours, as far as they were looked for."""
    answer_s: float = 0.0
    """Market seconds that the broker took for the slowest of its last answers."""

    @property
    def now(self) -> datetime:
        """Market time."""
        return self.reading.now

    def with_events(self, state: BotState) -> Facts:
        """Return the same moment with a later state."""
        return replace(self, state=state)

    def price_of(self, symbol: str) -> Decimal | None:
        """Return the price at which a sale would be judged: bid, else last close, else None."""
        quote = self.market.quotes.get(symbol)
        if quote is not None and quote.is_tradable:
            return quote.bid
        buffer = self.market.buffers.get(symbol)
        if buffer is not None and buffer.last is not None:
            return buffer.last.close
        return None


@dataclass(frozen=True, slots=True)
class Cancel:
    """One cancellation to ask for."""

    broker_order_id: str
    client_order_id: str
    symbol: str
    reason: str


@dataclass(frozen=True, slots=True)
class BrokerClose:
    """One DELETE of a position: the broker computes the quantity (ORDER_PATH.md, matrix)."""

    symbol: str
    position_key: str
    strategy: str
    plan_id: str
    step: str
    attempts: int
    flat_answers: int
    """How often in a row the broker has said already that there is no such position."""
    reason: str
    qty: Decimal | None = None
    """Shares to close where others lie beside ours; None for all that there are."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line for the log: why something was, or was not, done."""

    event: str
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    is_problem: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that this moment demands, in the order of execution."""

    bookings: tuple[Event, ...] = ()
    """Recorded before anything is sent."""
    cancels: tuple[Cancel, ...] = ()
    protective: tuple[Send, ...] = ()
    exits: tuple[Send, ...] = ()
    closes: tuple[BrokerClose, ...] = ()
    entries: tuple[Send, ...] = ()
    gates: tuple[GateResult, ...] = ()
    notes: tuple[Note, ...] = ()

    def __add__(self, other: Decision) -> Decision:
        """Return both, each part one after the other."""
        return Decision(
            bookings=self.bookings + other.bookings,
            cancels=self.cancels + other.cancels,
            protective=self.protective + other.protective,
            exits=self.exits + other.exits,
            closes=self.closes + other.closes,
            entries=self.entries + other.entries,
            gates=self.gates + other.gates,
            notes=self.notes + other.notes,
        )

    @property
    def acts(self) -> bool:
        """Whether anything goes to the broker."""
        parts = (self.cancels, self.protective, self.exits, self.closes, self.entries)
        return any(parts)


NOTHING = Decision()


def safely(step: Callable[[], Decision], subject: str) -> Decision:
    """Return the step's decision; one bad position, order or bar stops nothing but itself.

    Whatever it raises: a step only reckons, and a bot that ends for it would leave all the others.
    """
    try:
        return step()
    except Exception as failure:
        message = f"{subject}: {type(failure).__name__}: {failure}"
        return Decision(notes=(Note("item_failed", message, is_problem=True),))
