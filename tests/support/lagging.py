"""A bot's house whose broker takes its time: each call costs market seconds, half on the way there.

What the broker does, it does in the middle of the call; a fill comes at its own moment, even while
a call is on its way. The house counts how long shares stood without a stop that works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

from shared.models.broker import BrokerFill, BrokerOrder, CancelOutcome, SubmitOutcome
from shared.models.movements import BrokerMovement
from shared.models.orders import OrderStatus, OrderType
from shared.models.portfolio import Account, Position
from shared.risk.approved import Approved
from tests.support.bot_house import BotHouse
from tests.support.fake_broker import FakeBroker


@dataclass
class LaggingBroker(FakeBroker):
    """Every call of the loop takes `lag_s`."""

    lag_s: float = 0.0
    spend: Callable[[float], None] = lambda _seconds: None
    calls: list[str] = field(default_factory=list)

    @contextmanager
    def _way(self, name: str) -> Iterator[None]:
        self.calls.append(name)
        self.spend(self.lag_s / 2)
        yield
        self.spend(self.lag_s / 2)

    def account(self) -> Account:
        with self._way("account"):
            return super().account()

    def positions(self) -> tuple[Position, ...]:
        with self._way("positions"):
            return super().positions()

    def orders(
        self, status: str, *, after: datetime | None = None, symbols: Sequence[str] = ()
    ) -> tuple[BrokerOrder, ...]:
        with self._way("orders"):
            return super().orders(status, after=after, symbols=symbols)

    def fills(self, after: datetime) -> tuple[BrokerFill, ...]:
        with self._way("fills"):
            return super().fills(after)

    def movements(self, since: date) -> tuple[BrokerMovement, ...]:
        with self._way("movements"):
            return super().movements(since)

    def submit(self, approved: Approved) -> SubmitOutcome:
        with self._way("submit"):
            return super().submit(approved)

    def cancel(self, broker_order_id: str) -> CancelOutcome:
        with self._way("cancel"):
            return super().cancel(broker_order_id)

    def is_naked(self, symbol: str) -> bool:
        """Whether shares stand without a stop that works."""
        stops = [each for each in self.books.values() if each.type is OrderType.STOP]
        works = any(each.status is OrderStatus.HELD and self._is_active(each) for each in stops)
        return symbol in self.held and not works


@dataclass
class LaggingHouse(BotHouse):
    """Counts every market second in which AAPL stood naked."""

    naked_s: float = 0.0
    happening: Callable[[], None] | None = None
    happens_at_s: float = float("inf")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.slow = self.broker = LaggingBroker(self.now, spend=self.pass_time)
        self.born()

    def pass_time(self, seconds: float) -> None:
        """Let time go on; what is to happen on the way happens at its moment."""
        left_s = self.happens_at_s - self.clock.monotonic_s()
        if self.happening is not None and left_s <= seconds:
            self._count(max(0.0, left_s))
            happening, self.happening = self.happening, None
            happening()
            seconds -= max(0.0, left_s)
        self._count(seconds)

    def _count(self, seconds: float) -> None:
        if isinstance(self.broker, LaggingBroker) and self.broker.is_naked("AAPL"):
            self.naked_s += seconds
        super().pass_time(seconds)

    def happen(self, in_s: float, happening: Callable[[], None]) -> None:
        """Let something happen so many seconds from now."""
        self.happens_at_s, self.happening = self.clock.monotonic_s() + in_s, happening
