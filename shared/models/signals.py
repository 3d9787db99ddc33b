"""A strategy's wish: enter this symbol, with a stop and a target on the right sides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.models.numbers import require_positive, require_utc
from shared.models.orders import Side


@dataclass(frozen=True, slots=True)
class Signal:
    """An entry that a strategy proposes. The stop is required; stop and target lie on the
    right sides of the entry, so risk and reward are above zero. These are rules for signals
    only: the trailed stop of a position may lie above its entry.
    """

    strategy: str
    symbol: str
    side: Side
    at: datetime
    """Market time of the decision."""
    entry_price: Decimal
    stop_price: Decimal
    target_price: Decimal
    strength: float
    """How sure the strategy is, 0 to 1; only compares signals with each other."""
    reason: str

    def __post_init__(self) -> None:
        for field in ("strategy", "symbol", "reason"):
            if not getattr(self, field):
                raise ValueError(f"{field} must not be empty")
        require_utc(self.at, "at")
        for field in ("entry_price", "stop_price", "target_price"):
            require_positive(getattr(self, field), field)
        if not 0.0 <= self.strength <= 1.0:
            raise ValueError(f"strength must lie in 0..1, not {self.strength}")
        if self.risk_per_share <= 0:
            raise ValueError(f"stop {self.stop_price} is on the wrong side: {self._sides()}")
        if self.reward_per_share <= 0:
            raise ValueError(f"target {self.target_price} is on the wrong side: {self._sides()}")

    def _sides(self) -> str:
        return f"{self.side.value} at {self.entry_price} stop {self.stop_price}"

    @property
    def risk_per_share(self) -> Decimal:
        """Dollars lost per share when the stop fills at its price."""
        distance = self.entry_price - self.stop_price
        return distance if self.side is Side.BUY else -distance

    @property
    def reward_per_share(self) -> Decimal:
        """Dollars won per share when the target fills."""
        distance = self.target_price - self.entry_price
        return distance if self.side is Side.BUY else -distance

    @property
    def reward_risk(self) -> Decimal:
        """Reward divided by risk."""
        return self.reward_per_share / self.risk_per_share

    def __repr__(self) -> str:
        return (
            f"Signal({self.strategy} {self.side.value} {self.symbol} at {self.entry_price} "
            f"stop {self.stop_price} target {self.target_price} R:R {self.reward_risk:.2f})"
        )
