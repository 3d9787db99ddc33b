"""Profit and loss: closed trades, running totals, and the trading day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from shared.models.orders import Side

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Trade:
    """One round trip, from the fills of our orders. Money in dollars, `pnl` in whole cents."""

    trade_key: str
    """client_order_id of the entry; a late fill rebooks the trade under the same key."""
    symbol: str
    side: Side
    """Side of the entry."""
    qty: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entered_at: datetime
    exited_at: datetime
    pnl: Decimal
    strategy: str
    exit_reason: str


@dataclass(frozen=True, slots=True)
class Pnl:
    """Totals since the state began. A trade of exactly zero is neither won nor lost."""

    realized: Decimal = ZERO
    trades: int = 0
    wins: int = 0
    losses: int = 0
    breakeven: int = 0
    equity: Decimal | None = None
    """Last equity that the broker showed, with its time."""
    equity_at: datetime | None = None
    peak_equity: Decimal | None = None
    """Highest equity seen, moved along by transfers: a deposit is no profit."""
    max_drawdown_pct: Decimal = ZERO
    """Deepest fall from the peak so far, as a fraction (0.01 is one percent)."""
    drawdown_readings: int = 0
    """Readings in a row that were beyond the drawdown limit."""

    @property
    def win_rate(self) -> Decimal | None:
        """Won share of the trades that were won or lost; None before the first."""
        decided = self.wins + self.losses
        return Decimal(self.wins) / decided if decided else None

    @property
    def drawdown_pct(self) -> Decimal | None:
        """Fall of the last equity from the peak, as a fraction; None while unknown."""
        if self.equity is None or self.peak_equity is None or self.peak_equity <= 0:
            return None
        return max(ZERO, (self.peak_equity - self.equity) / self.peak_equity)


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """What the account was worth, by the broker's own history."""

    at: datetime
    equity: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """Our books held against the broker's activities, cent for cent, up to one moment."""

    day: date
    at: datetime
    cash: Decimal
    """The broker's cash then: the next statement counts from it."""
    is_final: bool = False
    """Whether the day's session was over."""
    differences: tuple[str, ...] = ()
    """What did not agree, each in one sentence; entries wait until it does."""


@dataclass(frozen=True, slots=True)
class Day:
    """The New York trading day that is being counted."""

    date: date
    base_equity: Decimal
    """Equity at the previous close: the base of the daily loss limit."""
    transfers: Decimal = ZERO
    """Deposits less withdrawals of the day: no profit or loss."""
    transfer_ids: tuple[str, ...] = ()
    """Transfers that were counted, those of earlier days too."""
    realized: Decimal = ZERO
    """P&L of the trades closed on this day."""
    loss_readings: int = 0
    """Readings in a row that were beyond the daily loss limit."""

    def pnl(self, equity: Decimal) -> Decimal:
        """Profit or loss of the day at this equity, transfers taken out."""
        return equity - self.base_equity - self.transfers
