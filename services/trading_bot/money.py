"""Watches the money: the day's base, transfers, splits, equity, and what the limits make of it."""

from __future__ import annotations

import logging

from services.trading_bot.gather import Picture
from services.trading_bot.movements import (
    Purse,
    are_shares_unexplained,
    events_of,
    read_since,
)
from services.trading_bot.parts import Parts
from shared.errors import ConfigFault, SystemFault
from shared.events.types import DayOpened, Event
from shared.models.order_book import OrderBook
from shared.models.trading_day import trading_day
from shared.models.trading_state import BotState
from shared.risk.circuit import MoneyReading, watch_money
from shared.telemetry.logs import log_event

READ_EVERY_S = 5.0
"""Real seconds between two readings of the movements for the same open question."""
READS_MAX = 8
"""Readings for one question; then the broker owes the explanation, and a person sees it."""


class MoneyWatch:
    """Books what a picture says of the money. Order: day, movements, then equity, so that a
    withdrawal is never taken for a loss, and a split never for missing shares.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._logger = logging.getLogger("money")
        self._purse: Purse | None = None
        self._orders: OrderBook | None = None
        self._are_unexplained = False
        self._asked_at_s = float("-inf")
        self._reads_left = 0
        self._cash_is_open = self._must_find = False

    def book(self, picture: Picture) -> None:
        """Book the picture, whose orders are booked already."""
        parts = self._parts
        day = _new_day(parts.memory.state, picture)
        parts.memory.book(day)
        self._ask(picture, is_new_day=bool(day))
        if self._is_due():
            self._read_movements(picture)
        if not self._cash_is_open:
            # Cash that nobody has explained yet may be the owner's own: no loss, and no new peak.
            reading = MoneyReading(picture.account.equity, picture.at)
            parts.memory.book(watch_money(parts.memory.state, reading, parts.policy.limits))
        parts.books.equity(picture.at, picture.account)

    def _ask(self, picture: Picture, *, is_new_day: bool) -> None:
        """Open a question when something shows that our orders do not explain."""
        state = self._parts.memory.state
        before, now = self._purse, self._purse
        if now is None or state.orders is not self._orders or picture.account.cash != now.cash:
            now = Purse.of(picture, state)
        self._purse, self._orders = now, state.orders
        were_unexplained = self._are_unexplained
        self._are_unexplained = are_shares_unexplained(state, picture)
        has_moved = before is not None and now.moved_since(before)
        is_news = has_moved or (self._are_unexplained and not were_unexplained)
        if is_news or before is None or is_new_day:
            self._reads_left = READS_MAX
            self._asked_at_s = float("-inf")
        self._must_find = self._must_find or is_news
        # What happened while nobody looked is as open as what was seen to move.
        self._cash_is_open = self._cash_is_open or has_moved or before is None

    def _is_due(self) -> bool:
        if self._reads_left == 0:
            return False
        if self._parts.settings.is_lock_step:
            return True
        return self._parts.clock.monotonic_s() - self._asked_at_s >= READ_EVERY_S

    def _read_movements(self, picture: Picture) -> None:
        parts = self._parts
        self._asked_at_s = parts.clock.monotonic_s()
        self._reads_left -= 1
        try:
            movements = parts.broker.movements(read_since(picture.at, parts.memory.state))
        except ConfigFault:
            raise
        except SystemFault as fault:
            log_event(self._logger, "movements_not_read", str(fault), level=logging.WARNING)
            self._close_if(self._reads_left == 0)
            return
        found = False
        for event in events_of(movements, parts.memory.state, picture):
            before = parts.memory.state
            parts.memory.book((event,))
            if parts.memory.state is not before:
                found = True
                log_event(self._logger, "account_moved", f"booked: {event}")
        self._close_if(found or not self._must_find or self._reads_left == 0)

    def _close_if(self, is_over: bool) -> None:
        if is_over:
            self._reads_left = 0
            self._cash_is_open = self._must_find = False


def _new_day(state: BotState, picture: Picture) -> tuple[Event, ...]:
    """Open the New York day with the equity of the close before as its base."""
    day = trading_day(picture.at)
    if state.day is not None and state.day.date >= day:
        return ()
    base = picture.account.last_equity
    return (DayOpened(day, base if base > 0 else picture.account.equity, picture.at),)
