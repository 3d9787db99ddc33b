"""What a token may ask for in a minute and in a day, and the headers that say so. Pure.

The day begins at 20:00 in New York. Source: the vendor's documents, and live headers: the reset is
milliseconds until the minute ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.exchange_sim.market.calendar import NEW_YORK
from services.exchange_sim.unusual_whales.wire import StampForm

_MINUTE_S = 60
_DAY_SHIFT = timedelta(hours=4)
"""Four hours later it is midnight where it was 20:00."""


@dataclass(frozen=True, slots=True)
class WhalePlan:
    """Limits of a token's tier."""

    per_minute: int = 1_000_000
    per_day: int = 1_000_000
    socket: bool = True
    form: StampForm = StampForm.LIVE


WHALE_PLANS = {
    "unlimited": WhalePlan(),
    "basic": WhalePlan(per_minute=120, per_day=20_000, socket=False),
    "advanced": WhalePlan(per_minute=500, per_day=80_000),
}


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of one token's budget is used."""

    minute: int = 0
    """Which minute the count belongs to, in real minutes since boot."""
    minute_count: int = 0
    day: str = ""
    day_count: int = 0
    minute_left_s: float = 0.0

    def at(self, elapsed_s: float, now: datetime) -> Budget:
        """Return the budget at that moment, counts of past minutes and days gone."""
        minute, passed_s = divmod(elapsed_s, _MINUTE_S)
        day = (now.astimezone(NEW_YORK) + _DAY_SHIFT).date().isoformat()
        return Budget(
            minute=int(minute),
            minute_count=self.minute_count if int(minute) == self.minute else 0,
            day=day,
            day_count=self.day_count if day == self.day else 0,
            minute_left_s=_MINUTE_S - passed_s,
        )

    def counted(self) -> Budget:
        """Return the budget with one request more."""
        return Budget(
            self.minute, self.minute_count + 1, self.day, self.day_count + 1, self.minute_left_s
        )

    def is_spent(self, plan: WhalePlan) -> bool:
        """Whether the request that was counted last was one too many."""
        return self.minute_count > plan.per_minute or self.day_count > plan.per_day

    def headers(self, plan: WhalePlan) -> dict[str, str]:
        """Return the vendor's headers."""
        return {
            "x-uw-daily-req-count": str(self.day_count),
            "x-uw-token-req-limit": str(plan.per_day),
            "x-uw-minute-req-counter": str(self.minute_count),
            "x-uw-req-per-minute-remaining": str(max(0, plan.per_minute - self.minute_count)),
            "x-uw-req-per-minute-reset": str(int(self.minute_left_s * 1_000)),
        }
