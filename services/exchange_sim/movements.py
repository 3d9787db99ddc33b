"""What changes an account without an order: cash in and out, splits. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.exchange_sim.records import ZERO, SimFill


class MovementKind(StrEnum):
    """What changes the account without an order, in Alpaca's words."""

    DEPOSIT = "CSD"
    WITHDRAWAL = "CSW"
    FEE = "FEE"
    DIVIDEND = "DIV"
    INTEREST = "INT"
    SPLIT = "SPLIT"
    CASH_IN_LIEU = "CIL"
    """Paid for the fraction of a share that a reverse split leaves."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One non-trade activity."""

    seq: int
    """Its place among the account's activities, of every kind."""
    movement_id: str
    kind: MovementKind
    at: datetime
    amount: Decimal
    """Signed change of cash, in dollars."""
    symbol: str = ""
    """Empty: it concerns the account as a whole."""
    qty: Decimal = ZERO
    """Signed change of shares."""
    per_share: Decimal | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class SplitRecord:
    """A split that this account has met, or that was declared for it."""

    seq: int
    symbol: str
    at: datetime
    """From then on prices are those of the new shares."""
    ratio: Decimal
    """New shares for one old one: 7 for 7:1, 0.05 for 1:20."""
    declared: bool = False
    """Declared at this exchange: the market's own prices know nothing of it."""
    done: bool = False
    """Whether positions and orders have been converted."""


Activity = SimFill | Movement
"""Everything that /v2/account/activities lists."""
