"""How a door stands: its breakers and its budgets, for bot_status.json and the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from shared.resilience.breaker import CallBreaker
from shared.resilience.classification_tally import TALLY
from shared.resilience.door_rules import DoorHost
from shared.resilience.governor import Governor
from shared.resilience.lanes import Lane

STATE_NUMBERS = {"closed": 0.0, "half-open": 1.0, "open": 2.0}
"""A breaker's state as a metric."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A share of calls: so many in a minute, so many now."""

    per_minute: int
    left: int


@dataclass(frozen=True, slots=True)
class DoorStanding:
    """A moment's picture. Rows are for documents, `metrics` for X_METRICS."""

    breakers: tuple[dict[str, object], ...]
    """`name`, `state` (closed, open, half-open), `failures` in a row, `retry_in_s`."""
    budgets: tuple[dict[str, object], ...]
    """`name`, `per_minute`, `left` now, `at_once` after a pause; the account's as last told."""
    metrics: Mapping[str, float]
    reads: Budget | None = None
    """Of one door's reads; None where nobody counts, and for several doors."""

    def with_metrics(self, more: Mapping[str, float]) -> DoorStanding:
        """Return the picture with these metrics, too."""
        return replace(self, metrics={**self.metrics, **more})


def standing_of(
    name: str, breakers: Mapping[Lane, CallBreaker], governor: Governor
) -> DoorStanding:
    """Return the picture of one door."""
    rows: list[dict[str, object]] = []
    metrics: dict[str, float] = {}
    for breaker in breakers.values():
        state = breaker.state
        rows.append(
            {
                "name": breaker.name,
                "state": state,
                "failures": breaker.failures,
                "retry_in_s": round(breaker.left_s, 1),
            }
        )
        metrics[f"breaker_{metric_word(breaker.name)}"] = STATE_NUMBERS[state]
    shares = {lane: Budget(*share) for lane, share in governor.left().items()}
    budgets: list[dict[str, object]] = [
        {
            "name": f"{name} {lane}",
            "per_minute": share.per_minute,
            "at_once": governor.at_once(lane),
            "left": share.left,
        }
        for lane, share in shares.items()
    ]
    rate = governor.rate
    if rate is not None:
        account = f"{name} account"
        budgets.append({"name": account, "per_minute": rate.limit, "left": rate.remaining})
        metrics[f"rate_left_{metric_word(name)}"] = float(rate.remaining)
    return DoorStanding(tuple(rows), tuple(budgets), metrics, shares.get(Lane.READ))


def standing_of_all(host: DoorHost) -> DoorStanding:
    """Return the doors of a process as one: all rows, and as metrics also how well the process
    could judge what failed.
    """
    standings = [standing() for standing in tuple(host.standings.values())]
    metrics = dict(TALLY.metrics())
    for standing in standings:
        metrics |= standing.metrics
    return DoorStanding(
        tuple(row for standing in standings for row in standing.breakers),
        tuple(row for standing in standings for row in standing.budgets),
        metrics,
    )


def metric_word(name: str) -> str:
    """Return a name as it stands at the end of a metric's."""
    return name.replace("-", "_").replace(" ", "_")
