"""When to reconcile and what to do with the report: the shell around the pure `reconcile`.

At start, after every gap of the trade stream, once a market minute (never more often than every
5 s of real time), soon again while an item is unresolved, and at once when the broker shows an
order that we do not know on a symbol that we hold.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from services.trading_bot.gather import Picture
from services.trading_bot.orders_log import OrdersLog, OrderStep
from services.trading_bot.parts import Parts
from services.trading_bot.reconcile import BrokerSnapshot, ReconciliationReport, reconcile
from services.trading_bot.reconcile_report import Item, Outcome
from shared.clock import utc_text
from shared.errors import SystemFault
from shared.models.broker import BrokerFill
from shared.models.portfolio import Position
from shared.models.trading_state import BotState
from shared.telemetry.logs import log_event

EVERY = timedelta(minutes=1)
FLOOR_S = 5.0
FILLS_OVERLAP = timedelta(minutes=5)
FIRST_FILLS = timedelta(days=7)
"""How far back the activities are read when this account was never reconciled."""

_ROUTINE = frozenset({Outcome.MATCHED})


class Reconciler:
    """Runs the reconciliation. `unresolved` counts the last report's bad items."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._logger = logging.getLogger("reconcile")
        self._orders_log = OrdersLog(parts.settings.logs.orders, parts.clock)
        self._at: datetime | None = None
        self._at_s = float("-inf")
        self._gaps = parts.stream.gaps if parts.stream is not None else 0
        self._said: frozenset[tuple[str, str, str]] = frozenset()
        self.unresolved = 0
        self.was_clean = False
        """Whether any reconciliation of this process left nothing unresolved."""
        self._unresolved_since_s: float | None = None
        self.worst = ""
        """The first bad item of the last report, in words."""
        self.summary: Mapping[str, object] = {"at": None, "outcome": "not yet", "items": {}}

    def age_s(self, now: datetime) -> float | None:
        """Return how old the last reconciliation is, None before the first of this process.

        The shorter of market and real seconds: at a high speed of the simulated market the floor
        of real time alone would make every reconciliation look old.
        """
        if self._at is None:
            return None
        market_s = (now - self._at).total_seconds()
        return min(market_s, self._parts.clock.monotonic_s() - self._at_s)

    def lasting(self, patience_s: float) -> str | None:
        """Return the first bad item when some were there for that many real seconds, else None.

        An outcome that is still being settled has looks and a health word of its own.
        """
        since_s = self._unresolved_since_s
        if since_s is None or self._parts.memory.state.unknown_outcomes:
            return None
        return self.worst if self._parts.clock.monotonic_s() - since_s >= patience_s else None

    def run(self, picture: Picture) -> bool:
        """Reconcile when it is due; False when that needed a read that failed."""
        if picture.positions is None:
            return False
        gaps = self._parts.stream.gaps if self._parts.stream is not None else 0
        reconnected = gaps != self._gaps
        # Legs of a parent whose first reply was lost look foreign: adopt them before anybody
        # sees a position without a stop.
        strangers = has_strangers(self._parts.memory.state, picture)
        if not strangers and not self._is_due(picture.at, reconnected):
            return True
        fills = self._fills(picture.at, must=reconnected or self._at is None)
        if fills is None:
            return False
        self._gaps = gaps
        self._apply(picture, tuple(picture.positions.values()), fills)
        return True

    def _is_due(self, now: datetime, reconnected: bool) -> bool:
        if self._at is None or reconnected or now < self._at:
            # A clock that went back: what was compared in a future that never came says nothing.
            return True
        if self._parts.settings.is_lock_step:
            return now != self._at
        real_s = self._parts.clock.monotonic_s() - self._at_s
        if self.unresolved:
            return real_s >= 1.0
        return now - self._at >= EVERY and real_s >= FLOOR_S

    def _fills(self, now: datetime, *, must: bool) -> tuple[BrokerFill, ...] | None:
        """Read the activities; in lock-step only when asked for, since orders show every fill."""
        if self._parts.settings.is_lock_step and not must:
            return ()
        until = self._parts.memory.state.fills_seen_until
        after = until - FILLS_OVERLAP if until is not None else now - FIRST_FILLS
        try:
            return self._parts.eye.fills(after)
        except SystemFault as fault:
            log_event(self._logger, "activities_not_read", str(fault), level=logging.WARNING)
            return None

    def _apply(
        self, picture: Picture, positions: tuple[Position, ...], fills: tuple[BrokerFill, ...]
    ) -> None:
        memory = self._parts.memory
        snapshot = BrokerSnapshot(
            account=picture.account,
            orders=picture.orders,
            positions=positions,
            fills=fills,
            at=picture.at,
        )
        report = reconcile(memory.state, snapshot)
        memory.book(report.events)
        self._at, self._at_s = picture.at, self._parts.clock.monotonic_s()
        bad = report.bad_items
        self.unresolved = len(bad)
        if not bad:
            self._unresolved_since_s = None
        elif self._unresolved_since_s is None or memory.state.unknown_outcomes:
            # What is still being settled may resolve itself once that is done.
            self._unresolved_since_s = self._at_s
        self.was_clean = self.was_clean or not bad
        self.worst = f"{bad[0].outcome.value} {bad[0].symbol}: {bad[0].detail}" if bad else ""
        self.summary = {
            "at": utc_text(picture.at),
            "outcome": "clean" if report.is_clean else "unresolved",
            "items": dict(report.counts),
        }
        self._say(report)

    def _say(self, report: ReconciliationReport) -> None:
        """Log every item that is not routine, once while it stays the same."""
        news = [item for item in report.items if item.outcome not in _ROUTINE]
        for item in news:
            if _key(item) not in self._said:
                self._log(item)
        self._said = frozenset(_key(item) for item in news)

    def _log(self, item: Item) -> None:
        bad = item.outcome in (Outcome.UNRESOLVED, Outcome.LOST, Outcome.SECOND_WRITER)
        log_event(
            self._logger,
            f"reconciled_{item.outcome.value}",
            f"{item.symbol} {item.client_order_id}: {item.detail}",
            level=logging.WARNING if bad else logging.INFO,
            symbol=item.symbol,
            client_order_id=item.client_order_id,
        )
        order = self._parts.memory.state.orders.get(item.client_order_id)
        if order is not None:
            self._orders_log.write(
                OrderStep.RECONCILED,
                item.client_order_id,
                item.symbol,
                order.side.value,
                qty=order.qty,
                outcome=item.outcome.value,
                detail=item.detail,
            )


def has_strangers(state: BotState, picture: Picture) -> bool:
    """Whether the broker shows an order that we do not know on a symbol that we hold."""
    return any(
        order.symbol in state.positions and state.orders.by_broker_id(order.broker_order_id) is None
        for order in picture.orders
    )


def _key(item: Item) -> tuple[str, str, str]:
    return (item.outcome.value, item.symbol, item.client_order_id)
