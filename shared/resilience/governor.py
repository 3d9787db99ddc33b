"""How often a door may call: static ceilings per second, its share per minute, and the broker's
own word in the headers of every reply.

Several processes share one account and no file: each has a fixed share, all shares together stay
below the account's budget (vendors/shares.py), and what others took shows in the headers.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ratelimit import RateLimitException, limits

from shared.clock import Clock
from shared.resilience.door_rules import DoorRules
from shared.resilience.lanes import Lane

MINUTE_S = 60.0
HOLD_S_MAX = 60.0
"""The longest that a Retry-After is obeyed: the broker's minute is over by then."""
BURST_SHARE = 3
"""A third of a share may go at once; the rest comes back evenly, so that no minute, however it
is laid over the calls, holds more than the share."""
_TOO_MANY = 429
_ROUNDING = 1e-9
"""Of a call: whoever waited as long as he was told may go, though the sums leave a trace."""


@dataclass(frozen=True, slots=True)
class RateReading:
    """What the other side last said of the account's budget per minute."""

    limit: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why a call must wait, and how long, in real seconds."""

    reason: str
    wait_s: float


class MinuteShare:
    """So many calls in any sixty seconds: a bucket whose burst and refill make up the share."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self.per_minute = per_minute
        self.at_once = max(1, per_minute // BURST_SHARE)
        """So many may go at once after a pause."""
        self._refill_s = MINUTE_S / max(1, per_minute - self.at_once)
        self._clock = clock
        self._tokens = float(self.at_once)
        self._at_s = clock.monotonic_s()

    def wait_s(self) -> float:
        """Return how long until a call may go; 0 when one may go now."""
        self._fill()
        missing = 1.0 - self._tokens
        return missing * self._refill_s if missing > _ROUNDING else 0.0

    def take(self) -> None:
        """Count one call, also one that goes although none is left."""
        self._fill()
        # A debt is bounded, so that a long burst of protection never starves what follows it.
        self._tokens = max(self._tokens - 1.0, -float(self.at_once))

    @property
    def left(self) -> int:
        """Calls that may go now."""
        self._fill()
        return max(0, int(self._tokens))

    def _fill(self) -> None:
        now_s = self._clock.monotonic_s()
        grown = self._tokens + (now_s - self._at_s) / self._refill_s
        self._tokens, self._at_s = min(float(self.at_once), grown), now_s


class Governor:
    """Says whether a call may go now. Safe to be called from every thread of a process."""

    def __init__(self, rules: DoorRules, clock: Clock) -> None:
        self._clock = clock
        self._left_to_others = rules.left_to_others
        self._holds = rules.holds
        self._lock = threading.Lock()
        self._held_until_s = self._resets_at_s = float("-inf")
        self.rate: RateReading | None = None
        self.asked_s = 0.0
        """What the newest 429 asked to wait, in seconds; 0 after any other reply."""
        self._shares: dict[Lane, MinuteShare] = {}
        self._ceilings: dict[Lane, Callable[[], None]] = {}
        if rules.reads_per_minute is None:
            return
        per_minute = {
            Lane.READ: rules.reads_per_minute,
            Lane.ENTRY: rules.entries_per_minute,
            Lane.SAFETY: rules.safety_per_minute,
        }
        self._shares = {lane: MinuteShare(share, clock) for lane, share in per_minute.items()}
        reads = _ceiling(rules.reads_per_second, clock)
        # Entries and safety count apart: five entries in a second must not delay a stop.
        self._ceilings = {
            Lane.READ: reads,
            Lane.ENTRY: _ceiling(rules.orders_per_second, clock),
            Lane.SAFETY: _ceiling(rules.orders_per_second, clock),
        }

    def take(self, lane: Lane) -> Withheld | None:
        """Take one call of a lane, or return why it must wait; then nothing is taken.

        Safety waits for nothing but the ceiling per second.
        """
        with self._lock:
            now_s = self._clock.monotonic_s()
            share = self._shares.get(lane)
            if lane is not Lane.SAFETY:
                if now_s < self._held_until_s:
                    asked = "the other side asked to wait (Retry-After)"
                    return Withheld(asked, self._held_until_s - now_s)
                if share is not None and (wait_s := share.wait_s()) > 0:
                    return Withheld(f"own ceiling of {share.per_minute} calls per minute", wait_s)
                if share is not None and self._account_left(lane, now_s) <= 0:
                    spent = "the account's minute is nearly spent"
                    return Withheld(spent, self._resets_at_s - now_s)
            ceiling = self._ceilings.get(lane)
            if ceiling is not None:
                try:
                    ceiling()
                except RateLimitException as full:
                    wait_s = max(0.001, float(full.period_remaining))
                    return Withheld("own ceiling of calls per second", wait_s)
            if share is not None:
                share.take()
            return None

    def _account_left(self, lane: Lane, now_s: float) -> float:
        """Return how many calls the account's minute still has for a lane, by the broker's last
        word; inf while he says nothing, and for safety, which asks nobody.
        """
        if self.rate is None or now_s >= self._resets_at_s or lane is Lane.SAFETY:
            return math.inf
        kept = self._left_to_others if lane is Lane.READ else 0
        # Whoever's share is larger than the account's budget still gets one call at a time.
        return max(0, self.rate.remaining - min(kept, self.rate.limit - 1))

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Take what a reply says of the budget, and how long it asks us to stay away.

        Where no calls are counted there is no budget, whatever number is told: the simulated
        exchange counts on beyond its limit while that binds nobody.
        """
        limit = headers.get("X-RateLimit-Limit", "")
        remaining = headers.get("X-RateLimit-Remaining", "")
        asked_s = retry_after_s(headers, self._clock.utc_now()) if status == _TOO_MANY else None
        with self._lock:
            now_s = self._clock.monotonic_s()
            self.asked_s = asked_s or 0.0
            if asked_s is not None and self._holds:
                self._held_until_s = now_s + min(HOLD_S_MAX, asked_s)
            if self._shares and _is_number(limit) and _is_number(remaining):
                self.rate = RateReading(int(limit), int(remaining))
                self._resets_at_s = now_s + self._resets_in_s(headers)

    def _resets_in_s(self, headers: Mapping[str, str]) -> float:
        """Return the seconds until the budget is whole again; the wall clocks may disagree."""
        reset = headers.get("X-RateLimit-Reset", "")
        if not _is_number(reset):
            return MINUTE_S
        left_s = int(reset) - self._clock.utc_now().timestamp()
        return min(MINUTE_S, max(0.0, left_s))

    def left(self) -> dict[Lane, tuple[int, int]]:
        """Return of each lane its share per minute and how many calls may go now: of its own share,
        and of what others left of the account's minute.
        """
        with self._lock:
            now_s = self._clock.monotonic_s()
            return {
                lane: (share.per_minute, int(min(share.left, self._account_left(lane, now_s))))
                for lane, share in self._shares.items()
            }

    def at_once(self, lane: Lane) -> int:
        """Return how many calls of a counted lane may go at once after a pause."""
        return self._shares[lane].at_once

    @property
    def held_s(self) -> float:
        """Seconds for which a Retry-After still binds; 0 when none does."""
        return max(0.0, self._held_until_s - self._clock.monotonic_s())


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the pause that a reply asks for, said in seconds or as a date; None without one."""
    asked = headers.get("Retry-After", "").strip()
    if _is_number(asked):
        return float(asked)
    try:
        moment = parsedate_to_datetime(asked)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 16


def _ceiling(per_second: int, clock: Clock) -> Callable[[], None]:
    counted: Callable[[], None] = limits(calls=per_second, period=1, clock=clock.monotonic_s)(
        _nothing
    )
    return counted


def _nothing() -> None:
    """What the ceiling counts is the call that follows."""
