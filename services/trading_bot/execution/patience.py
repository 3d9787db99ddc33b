"""The broker, with a word to the supervisor before each call while it answers slowly.

One turn makes many calls, and each may take its whole deadline: a slow broker must never look
like a hung bot. A quick broker costs no word, so that a real hang is still seen at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal

from services.trading_bot.drifts import Drifts
from shared.clock import Clock
from shared.errors import SchemaFault
from shared.models.broker import (
    Asset,
    BrokerFill,
    BrokerOrder,
    CancelOutcome,
    CloseOutcome,
    SubmitOutcome,
)
from shared.models.movements import BrokerMovement
from shared.models.pnl import EquityPoint
from shared.models.portfolio import Account, Position
from shared.ports import Broker
from shared.risk.approved import Approved
from shared.telemetry.notify import Notifier

RECENT_CALLS = 4
SLOW_S = 1.0
"""Real seconds after which a call counts as slow."""
TOO_SLOW_S = 3.0
"""Real seconds after which one answer outlasts a beat that would be late: since more time is asked
for then, the supervisor's watch no longer tells it, and the bot says it itself."""
EXTENSION_S = 15.0
"""Longer than one call can take, shorter than a watchdog: it never adds up."""


class PatientBroker:
    """Hands every call on to a broker; a `shared.ports.Broker` itself."""

    def __init__(self, broker: Broker, notifier: Notifier, clock: Clock) -> None:
        self._broker = broker
        self._notifier = notifier
        self._clock = clock
        self._took_s: deque[float] = deque((0.0,), maxlen=RECENT_CALLS)
        self.drifts = Drifts(clock)
        """Which of the doors broke their contracts."""

    @property
    def answer_s(self) -> float:
        """Real seconds that the slowest of the last calls took."""
        return max(self._took_s)

    @contextmanager
    def _patience(self, door: str) -> Iterator[None]:
        began_s = self._clock.monotonic_s()
        if self.answer_s >= SLOW_S:
            # Each time anew: the next beat ends what was asked for before it.
            self._notifier.extend_timeout(EXTENSION_S)
        try:
            yield
        except SchemaFault as fault:
            self.drifts.note(door, str(fault))
            raise
        else:
            self.drifts.well(door)
        finally:
            self._took_s.append(self._clock.monotonic_s() - began_s)

    def account(self) -> Account:
        with self._patience("account"):
            return self._broker.account()

    def positions(self) -> tuple[Position, ...]:
        with self._patience("positions"):
            return self._broker.positions()

    def position(self, symbol: str) -> Position | None:
        with self._patience("position"):
            return self._broker.position(symbol)

    def orders(
        self, status: str, *, after: datetime | None = None, symbols: Sequence[str] = ()
    ) -> tuple[BrokerOrder, ...]:
        with self._patience("orders"):
            return self._broker.orders(status, after=after, symbols=symbols)

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        with self._patience("order"):
            return self._broker.order(broker_order_id)

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        with self._patience("order_by_client_id"):
            return self._broker.order_by_client_id(client_order_id)

    def fills(self, after: datetime) -> tuple[BrokerFill, ...]:
        with self._patience("fills"):
            return self._broker.fills(after)

    def movements(self, since: date) -> tuple[BrokerMovement, ...]:
        with self._patience("movements"):
            return self._broker.movements(since)

    def portfolio_history(self) -> tuple[EquityPoint, ...]:
        with self._patience("portfolio_history"):
            return self._broker.portfolio_history()

    def asset(self, symbol: str) -> Asset | None:
        with self._patience("asset"):
            return self._broker.asset(symbol)

    def submit(self, approved: Approved) -> SubmitOutcome:
        with self._patience("submit"):
            return self._broker.submit(approved)

    def cancel(self, broker_order_id: str) -> CancelOutcome:
        with self._patience("cancel"):
            return self._broker.cancel(broker_order_id)

    def close_position(self, symbol: str, qty: Decimal | None = None) -> CloseOutcome:
        with self._patience("close_position"):
            return self._broker.close_position(symbol, qty)
