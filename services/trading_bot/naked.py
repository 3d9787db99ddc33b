"""How long shares of ours stand without a full stop, by the broker's own stamps.

CONTRACTS.md section 9 allows five seconds while the broker can be reached. A broker that takes
longer than a quarter of that for an answer makes it impossible: then it is at least said.
"""

from __future__ import annotations

import logging
from datetime import datetime

from services.trading_bot.coverage import row_of
from services.trading_bot.partial_entry import NAKED_S_MAX
from shared.events.handlers import Change
from shared.events.types import FillSeen, OrderAdopted, OrderSeen
from shared.models.externals import serves_externals
from shared.models.trading_state import BotState
from shared.telemetry.logs import log_event


class NakedWatch:
    """Hears every change of the state and measures the gaps in protection."""

    def __init__(self) -> None:
        self._since: dict[str, datetime] = {}
        self._logger = logging.getLogger("coverage")
        self._late = ""
        self.worst_s = 0.0
        """Market seconds of the longest gap that this process has seen closed."""

    def hear(self, change: Change) -> None:
        """Note whether the symbol of this event is covered now, and since when it was not."""
        symbol = _symbol_of(change)
        if symbol is None:
            return
        position = change.after.positions.get(symbol)
        moment = _newest_stamp(change.after, symbol)
        if moment is None:
            return
        if position is not None and not row_of(change.after, position).is_covered:
            self._since.setdefault(symbol, moment)
            return
        since = self._since.pop(symbol, None)
        if since is not None:
            self._close(symbol, (moment - since).total_seconds())

    def _close(self, symbol: str, naked_s: float) -> None:
        self.worst_s = max(self.worst_s, naked_s)
        if naked_s <= NAKED_S_MAX:
            return
        self._late = f"{symbol} stood without a full stop for {naked_s:.1f} s"
        log_event(self._logger, "stood_naked", self._late, level=logging.WARNING, symbol=symbol)

    def lasting(self, now: datetime | None) -> str:
        """Return what has taken longer than allowed at market time `now`, or did since the last
        question; empty for nothing.
        """
        late, self._late = self._late, ""
        for symbol, since in self._since.items():
            naked_s = (now - since).total_seconds() if now is not None else 0.0
            if naked_s > NAKED_S_MAX:
                return f"{symbol} stands without a full stop for {naked_s:.0f} s"
        return late


def _symbol_of(change: Change) -> str | None:
    match change.event:
        case OrderSeen() | OrderAdopted() as seen:
            return seen.seen.symbol if isinstance(seen, OrderAdopted) else seen.order.symbol
        case FillSeen(fill):
            return fill.symbol
    return None


def _newest_stamp(state: BotState, symbol: str) -> datetime | None:
    """Return when the broker last changed an order of ours in the symbol, by its own clock."""
    stamps = [
        stamp
        for order in state.orders.of_symbol(symbol)
        if not serves_externals(order.position_key)
        for stamp in (order.updated_at, order.filled_at)
        if stamp is not None
    ]
    return max(stamps, default=None)
