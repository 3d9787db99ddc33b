"""What data-daemon decides about option flow: what may enter, when to ask again, how it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.data_daemon.plan import (
    CLOSED,
    CONNECTING,
    DOWN,
    FUTURE_MARKET_S,
    FUTURE_REAL_S,
    LIVE,
    STALE,
    Verdict,
)
from shared.models.broker import ClockReading
from shared.models.flow import Cursors, DarkPrint, FlowAlert, FlowBatch, TidePoint

FLOW = "flow"
STALE_AFTER_S = 120.0
"""Real seconds without a good round after which the flow is called stale."""
FAILED_ROUNDS_MAX = 3
"""So many failed rounds make it stale at once."""
RETRY_FIRST_S, RETRY_MAX_S = 1.0, 60.0
ASKED_PAUSE_S_MAX = 900.0
"""The longest that a Retry-After is obeyed: a slip of the pen must not switch the flow off."""
REFUSED_PAUSE_S = 300.0
"""A refused token stays refused until a person acts; somebody may have mended it meanwhile."""


@dataclass(frozen=True, slots=True)
class FlowScope:
    """Whose flow is kept, and at which market moment."""

    symbols: frozenset[str]
    now: datetime
    speed: float

    @property
    def latest(self) -> datetime:
        """The latest moment that is believed."""
        return self.now + timedelta(seconds=max(FUTURE_MARKET_S, FUTURE_REAL_S * self.speed))


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """What is known of the rounds."""

    failed_rounds: int = 0
    """In a row."""
    reason: str = ""
    served_at_s: float | None = None
    """Real time of the newest good round, on the monotonic clock."""
    last_at: datetime | None = None
    """Market time of the newest alert."""
    is_refused: bool = False
    """Whether the vendor refuses the token."""


def admitted_flow(batch: FlowBatch, scope: FlowScope) -> tuple[FlowBatch, list[str]]:
    """Return what concerns our symbols and has happened, and in words what claims a moment in
    the future: it would hide everything that follows.
    """
    rows: list[FlowAlert | DarkPrint | TidePoint] = [*batch.alerts, *batch.prints, *batch.tide]
    refused = [repr(row) for row in rows if row.at > scope.latest]
    entering = FlowBatch(
        tuple(a for a in batch.alerts if a.symbol in scope.symbols and a.at <= scope.latest),
        tuple(p for p in batch.prints if p.symbol in scope.symbols and p.at <= scope.latest),
        batch.canceled,
        tuple(t for t in batch.tide if t.at <= scope.latest),
    )
    return entering, refused


def advanced(cursors: Cursors, batch: FlowBatch, scope: FlowScope) -> Cursors:
    """Return the cursors after a batch; they never go back, nor into the future."""
    return Cursors(
        alerts=_newest(cursors.alerts, (alert.at for alert in batch.alerts), scope.latest),
        prints=_newest(cursors.prints, (one.at for one in batch.prints), scope.latest),
    )


def _newest(
    known: datetime | None, moments: Iterable[datetime], latest: datetime
) -> datetime | None:
    believed = [moment for moment in moments if moment <= latest]
    if known is not None:
        believed.append(known)
    return max(believed, default=None)


def tide_is_due(asked_at: datetime | None, now: datetime, every: timedelta) -> bool:
    """Whether a new step of the tide has begun since it was last told; also after a clock that
    went back.
    """
    if asked_at is None or now < asked_at:
        return True
    return asked_at.timestamp() // every.total_seconds() < now.timestamp() // every.total_seconds()


def retry_pause_s(failed_rounds: int, asked_s: float, *, is_refused: bool) -> float:
    """Return the pause after a failed round: doubling, or as was asked for, within reason."""
    if is_refused:
        return REFUSED_PAUSE_S
    growing_s = RETRY_FIRST_S * 2.0 ** min(max(failed_rounds - 1, 0), 16)
    return max(min(ASKED_PAUSE_S_MAX, asked_s), min(RETRY_MAX_S, growing_s))


def judge_flow(facts: FlowFacts, reading: ClockReading | None, now_s: float) -> Verdict:
    """Return how the flow is: its age is that of the newest good round, since a quiet market has
    no alerts; nothing is stale while the market is closed.
    """
    if facts.is_refused:
        return Verdict(FLOW, DOWN, facts.reason, facts.last_at)
    if reading is not None and not reading.is_open:
        return Verdict(FLOW, CLOSED, "the market is closed", facts.last_at)
    if facts.failed_rounds >= FAILED_ROUNDS_MAX:
        return Verdict(FLOW, STALE, f"last good kept: {facts.reason}", facts.last_at)
    if facts.served_at_s is None:
        return Verdict(FLOW, CONNECTING, facts.reason or "waits for its first round", None)
    age_s = now_s - facts.served_at_s
    if age_s > STALE_AFTER_S:
        words = facts.reason or "the budget of the token allows no round"
        return Verdict(FLOW, STALE, f"no good round for {age_s:.0f} s: {words}", facts.last_at)
    return Verdict(FLOW, LIVE, "", facts.last_at)
