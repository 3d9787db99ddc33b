"""What the guard denied, while it matters: nobody asks for the same again at every turn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from services.trading_bot.coverage import coverage
from services.trading_bot.decision import DeniedRaise
from shared.models.externals import EXTERNAL
from shared.models.orders import Purpose
from shared.models.trading_state import BotState
from shared.risk.trade_guard import Denied

DENIED_KEPT = timedelta(minutes=10)
"""Market time; a signal is long dead by then, and a raise is asked for again at the latest."""


class Denials:
    """Remembers denied entry decisions, which are made once, and denied raises of stops, which are
    asked for again when what is wanted has changed or their time has come (`exits`). Protection is
    asked for again in each turn, and told as long as it is missing.
    """

    def __init__(self) -> None:
        self._entries: dict[str, datetime] = {}
        self._raises: dict[str, DeniedRaise] = {}
        self._protection: dict[str, str] = {}

    @property
    def entries(self) -> frozenset[str]:
        """Ids of entry decisions."""
        return frozenset(self._entries)

    @property
    def raises(self) -> Mapping[str, DeniedRaise]:
        """Raises by the broker's id of the stop leg that stays."""
        return dict(self._raises)

    def unprotected(self, state: BotState) -> str:
        """Return which protection of ours the guard denied, in words, while its shares still have
        no full stop; empty for none.
        """
        if self._protection:
            bare = {symbol for symbol, row in coverage(state).items() if not row.is_covered}
            self._protection = {key: one for key, one in self._protection.items() if key in bare}
        return "; ".join(self._protection.values())

    def note(self, denied: Denied, now: datetime) -> None:
        """Remember a denial at market time `now`, and forget the old ones."""
        request = denied.request
        since = now - DENIED_KEPT
        self._entries = {key: at for key, at in self._entries.items() if at > since}
        self._raises = {key: one for key, one in self._raises.items() if one.at > since}
        if request.purpose is Purpose.ENTRY:
            self._entries[request.client_order_id] = now
        elif request.replaces is not None and request.stop_price is not None:
            self._raises[request.replaces] = DeniedRaise(request.stop_price, now)
        elif request.purpose is Purpose.PROTECT and request.strategy != EXTERNAL:
            words = f"{request.symbol} gets no stop, the guard denied it: {denied.code}"
            self._protection[request.symbol] = words
