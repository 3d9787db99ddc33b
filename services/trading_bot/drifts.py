"""What breaks its contract, seen from the bot: its own doors to the broker, and the feeds.

Broken answers about orders, fills and the account are HALTED, broken market data is REDUCING
(ORDER_PATH.md rule 21); a door that failed once is forgiven by its next whole answer.
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.clock import Clock
from shared.models.market import FEED_DRIFT
from shared.persistence.market_rows import FeedStatus

REMEMBERED_S = 120.0
"""Real seconds after which a fault of a door that is no longer asked says nothing any more."""
DATA_DOORS = frozenset({"asset", "portfolio_history"})
"""They tell about the market or the past, nothing about a working order."""


class Drifts:
    """The last contract fault of each door, until it answers well or is not asked any more."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._faults: dict[str, tuple[float, str]] = {}

    def note(self, door: str, fault: str) -> None:
        """Keep what broke at a door."""
        self._faults[door] = self._clock.monotonic_s(), fault

    def well(self, door: str) -> None:
        """Forget it: the door has answered as promised."""
        self._faults.pop(door, None)

    @property
    def orders(self) -> str:
        """What broke in answers about orders, fills or the account; empty when nothing did."""
        return self._first(is_data=False)

    @property
    def data(self) -> str:
        """The same for everything else."""
        return self._first(is_data=True)

    def _first(self, *, is_data: bool) -> str:
        oldest_s = self._clock.monotonic_s() - REMEMBERED_S
        for door in sorted(self._faults):
            at_s, fault = self._faults[door]
            if at_s >= oldest_s and (door in DATA_DOORS) is is_data:
                return fault
        return ""


def feed_drift(feeds: Iterable[FeedStatus]) -> str:
    """Return which feed says that what it brings breaks its contract; empty when none does."""
    broken = (feed for feed in feeds if feed.state == FEED_DRIFT)
    return "; ".join(f"{feed.feed}: {feed.reason}" for feed in broken)
