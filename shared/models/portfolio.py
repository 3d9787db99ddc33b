"""What the account holds: positions and the account's own numbers, as the broker says them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from shared.models.numbers import require_not_negative, require_positive, require_utc


@dataclass(frozen=True, slots=True)
class Position:
    """Shares held. `qty` is signed (negative is short) and never zero: flat is no position.

    A trailed stop may lie above the entry, so stop and target carry no side rule here.
    """

    symbol: str
    qty: Decimal
    entry_price: Decimal
    """Average price paid per share, in dollars."""
    opened_at: datetime | None = None
    strategy: str = ""
    """The strategy that owns the symbol; empty for an external position."""
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    current_price: Decimal | None = None
    """Last price the broker showed, or None when it showed none."""
    position_key: str = ""
    """client_order_id of the entry that opened it; empty for an external position."""

    def __post_init__(self) -> None:
        if not self.symbol:
            raise ValueError("symbol must not be empty")
        if not self.qty.is_finite() or self.qty == 0:
            raise ValueError(f"qty must be finite and not 0, not {self.qty}")
        require_not_negative(self.entry_price, "entry_price")
        if self.opened_at is not None:
            require_utc(self.opened_at, "opened_at")
        for name in ("stop_price", "target_price", "current_price"):
            price: Decimal | None = getattr(self, name)
            if price is not None:
                require_positive(price, name)

    @property
    def is_external(self) -> bool:
        """Whether nobody of ours opened it."""
        return not self.strategy

    @property
    def market_value(self) -> Decimal:
        """Signed value at the current price; falls back to entry for display, never for an
        order.
        """
        return self.qty * (self.current_price or self.entry_price)

    @property
    def unrealized_pnl(self) -> Decimal:
        """Signed profit at the current price, in dollars."""
        return self.qty * ((self.current_price or self.entry_price) - self.entry_price)

    def __repr__(self) -> str:
        return (
            f"Position({self.symbol} {self.qty} at {self.entry_price} stop {self.stop_price} "
            f"owner {self.strategy or 'external'})"
        )


@dataclass(frozen=True, slots=True, repr=False)
class BrokerPosition(Position):
    """A position as the broker's own list shows it."""

    available_qty: Decimal | None = field(default=None, compare=False)
    """Shares that no order at the broker holds, signed as `qty`; None when it does not say so. It
    says something of the orders, and a position is the same whatever they are.
    """


@dataclass(frozen=True, slots=True)
class Account:
    """The broker's account, as far as decisions need it. All money in dollars."""

    account_id: str
    status: str
    equity: Decimal
    last_equity: Decimal
    """Equity at the previous close: the base of the daily loss limit."""
    cash: Decimal
    buying_power: Decimal
    trading_blocked: bool
    account_blocked: bool
    trade_suspended: bool
    """`trade_suspended_by_user` at the broker."""

    @property
    def may_trade(self) -> bool:
        """Whether the broker accepts orders of this account."""
        blocked = self.trading_blocked or self.account_blocked or self.trade_suspended
        return self.status == "ACTIVE" and not blocked
