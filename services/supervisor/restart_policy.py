"""What follows a death: restart, after how long, or park. Pure.

Counted are unasked ends, whatever the uptime, in a sliding window of M seconds: with N deaths
in it the service is parked, so there are never more than N restarts in any window. The first
death after a stable life is followed by a restart at once; deaths in a row wait twice as long
each time, with jitter, up to a cap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import failure_class_of_exit_code
from shared.models.health import ExitClass

HOPELESS = frozenset({ExitClass.CONFIG, ExitClass.SCHEMA, ExitClass.RISK})
"""Classes that no restart can cure."""


@dataclass(frozen=True, slots=True)
class RestartRule:
    """N, M and the backoff of one service; times in seconds, jitter a fraction."""

    max_failures: int
    window_s: float
    base_s: float
    cap_s: float
    jitter: float
    stable_s: float


@dataclass(frozen=True, slots=True)
class Death:
    """One unasked end: when (seconds since boot), after how long a life, and of what class."""

    at_s: float
    uptime_s: float
    exit_class: ExitClass


@dataclass(frozen=True, slots=True)
class Restart:
    """Start it again after the delay."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Park:
    """Hold it down until a human releases it."""

    exit_class: ExitClass
    reason: str


Decision = Restart | Park


def class_of_exit(code: int | None, *, asked: bool) -> ExitClass:
    """Return the class of an end; what was asked decides before the code does."""
    if asked:
        return ExitClass.ASKED
    failure_class = failure_class_of_exit_code(code)
    return ExitClass.UNCLASSIFIED if failure_class is None else ExitClass(str(failure_class))


def in_window(deaths: Sequence[Death], window_s: float, now_s: float) -> tuple[Death, ...]:
    """Return the deaths that still count at that moment."""
    return tuple(death for death in deaths if now_s - death.at_s < window_s)


def deaths_in_a_row(deaths: Sequence[Death], stable_s: float) -> int:
    """Return how many of the last deaths came without a stable life between them."""
    count = 0
    for death in reversed(deaths):
        count += 1
        if death.uptime_s >= stable_s:
            break
    return count


def backoff_s(rule: RestartRule, row: int, chance: float) -> float:
    """Return the wait after the `row`-th death in a row; `chance` in [0, 1) spreads it.

    The first is answered at once. Jitter lengthens or shortens the wait by at most its
    fraction, and the cap binds after it.
    """
    if row <= 1:
        return 0.0
    doubled: float = rule.base_s * 2.0 ** min(row - 2, 40)
    spread = 1.0 + rule.jitter * (2.0 * chance - 1.0)
    return min(rule.cap_s, doubled * spread)


def decide(deaths: Sequence[Death], rule: RestartRule, now_s: float, chance: float) -> Decision:
    """Decide what follows the last of the deaths, which is already in the list."""
    last = deaths[-1]
    if last.exit_class in HOPELESS:
        return Park(last.exit_class, f"ended with {last.exit_class}; a restart cannot cure it")
    counted = len(in_window(deaths, rule.window_s, now_s))
    if counted >= rule.max_failures:
        minutes = rule.window_s / 60
        return Park(last.exit_class, f"died {counted} times within {minutes:g} minutes")
    return Restart(backoff_s(rule, deaths_in_a_row(deaths, rule.stable_s), chance))
