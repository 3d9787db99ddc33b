"""When a turn of clock B goes without a look at the broker: while our share of his calls is short.

At sixty times real speed a turn comes four times a second, and a whole look costs three calls of
the 67 that such a minute has. Between two looks the trade stream's hints say whether anything
moved. Where anything of ours may be naked, works, waits or is unknown, nothing is ever spared;
nor in real time, whose twelve turns a minute fit into the share.
"""

from __future__ import annotations

from services.trading_bot.haste import exposed_symbols, market_speed
from services.trading_bot.parts import Parts
from services.trading_bot.reconciling import Reconciler

KEPT_PART = 4
"""A quarter of the minute's reads, most of what may go at once, is kept for what is urgent: what
comes back all the time is enough for the rest."""
LOOK_AT_LEAST_S = 10.0
"""Real seconds after which the broker is asked however short the calls are."""
DOOR = "broker"


class Thrift:
    """Says whether a turn may do without a look."""

    def __init__(self, parts: Parts, reconciler: Reconciler) -> None:
        self._parts = parts
        self._reconciler = reconciler
        self._is_fast = market_speed(parts.settings) > 1 and not parts.settings.is_lock_step
        self._looked_at_s = float("-inf")
        self._gaps = -1

    def looked(self) -> None:
        """Note that the broker has just been asked for everything."""
        self._looked_at_s = self._parts.clock.monotonic_s()
        self._gaps = self._parts.stream.gaps if self._parts.stream is not None else -1

    def may_skip(self) -> bool:
        """Whether this turn may go without a look. Never where a look decides over protection, a
        running plan, an unknown outcome, a command, a difference, or after a gap of the stream.
        """
        parts, state = self._parts, self._parts.memory.state
        young = parts.clock.monotonic_s() - self._looked_at_s < LOOK_AT_LEAST_S
        if not self._is_fast or not young or not self._is_short():
            return False
        is_calm = not (state.plans or state.unknown_outcomes or exposed_symbols(state))
        is_known = self._reconciler.was_clean and not self._reconciler.unresolved
        is_asked = parts.stop_file.is_set() or not parts.desk.is_idle
        return is_calm and is_known and not is_asked and self._stream_is_quiet()

    def _stream_is_quiet(self) -> bool:
        stream = self._parts.stream
        if stream is None or not stream.listening or stream.gaps != self._gaps:
            return False
        return not stream.has_news and self._parts.eye.fault is None

    def _is_short(self) -> bool:
        standing = self._parts.host.standings.get(DOOR)
        reads = standing().reads if standing is not None else None
        return reads is not None and reads.left < reads.per_minute / KEPT_PART
