"""What the bot says of itself after each turn: the beat, and bot_status.json once a second.

The beat's health says whether the system can trade (broker, disk, stream, data); the trading
state beside it says whether it may. Sent by the loop alone, after a finished turn.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from services.trading_bot.brain.ward import switched_off
from services.trading_bot.coverage import coverage, coverage_pct
from services.trading_bot.drifts import feed_drift
from services.trading_bot.execution.patience import TOO_SLOW_S
from services.trading_bot.external_shares import external_coverage
from services.trading_bot.haste import is_too_slow_to_enter
from services.trading_bot.parts import Parts
from services.trading_bot.status import Stamp, StatusFacts, status_document
from shared.errors import FailureClass, SchemaFault, SystemFault, TransientFault
from shared.models.broker import ClockReading
from shared.persistence.atomic_file import write_document
from shared.telemetry.logs import log_event
from shared.telemetry.notify import Beat

STATUS_EVERY_S = 1.0
FAILED_TRIES_MAX = 10
"""Connections in a row that came to nothing, even if each listened for a moment."""
SLOWNESS_SAID_AFTER_S = 10.0
"""Real seconds for which slow answers hold entries back before that is said."""
BEAT_EVERY_S = 0.5
"""Fast turns (lock-step) share a beat; the supervisor hears of every few."""


@dataclass(frozen=True, slots=True)
class Health:
    """The bot's own word: OK, DEGRADED or FAILED, and why."""

    word: str
    reason: str
    failure_class: str | None = None
    """The family of a FAILED with which the bot stays up (CONTRACTS.md section 2)."""


def judge_health(
    parts: Parts, broker_fault: SystemFault | None, unresolved: str | None = None, denied: str = ""
) -> Health:
    """Return the worst thing that is wrong with the bot's means; OK when nothing is.

    `unresolved` is what the reconciliation could not decide for too long, `denied` which
    protection the guard refused, in words.
    """
    if isinstance(broker_fault, SchemaFault):
        return Health("FAILED", f"FAILED_API_SCHEMA: {broker_fault}", str(FailureClass.SCHEMA))
    if parts.drifts.orders:
        words = f"FAILED_API_SCHEMA: {parts.drifts.orders}"
        return Health("FAILED", words, str(FailureClass.SCHEMA))
    if unresolved is not None:
        return Health("FAILED", f"FAILED_RISK: unresolved, {unresolved}", str(FailureClass.RISK))
    if denied:
        return Health("DEGRADED", denied)
    if broker_fault is not None:
        return Health("DEGRADED", f"the broker cannot be asked: {broker_fault}")
    time_fault = getattr(parts.market_clock, "last_fault", None)
    if isinstance(time_fault, TransientFault):
        # Market time is carried on for a while: the turn alone would not tell.
        return Health("DEGRADED", f"the broker does not tell the time: {time_fault}")
    if parts.broker.answer_s >= TOO_SLOW_S:
        return Health("DEGRADED", f"the broker takes {parts.broker.answer_s:.0f} s to answer")
    if not parts.memory.is_writable:
        return Health("DEGRADED", f"the trading state cannot be saved: {parts.memory.fault}")
    stream = parts.stream
    if stream is not None and stream.failed_tries >= FAILED_TRIES_MAX:
        words = f"the trade stream failed {stream.failed_tries} times in a row"
        return Health("DEGRADED", f"{words}: {stream.state.reason or 'it never lasts'}")
    if stream is not None and not stream.listening:
        return Health("DEGRADED", "the trade stream does not listen")
    if parts.market.fault is not None:
        return Health("DEGRADED", f"market data: {parts.market.fault}")
    drift = feed_drift(parts.market.feeds) or parts.drifts.data
    if drift:
        return Health("DEGRADED", f"market data breaks its contract: {drift}")
    unknown = len(parts.memory.state.unknown_outcomes)
    if unknown:
        return Health("DEGRADED", f"{unknown} orders with unknown outcome")
    off = switched_off(parts.policy.strategies.values())
    return Health("DEGRADED", off) if off else Health("OK", "")


class Heart:
    """Beats, counts turns and writes the status."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._logger = logging.getLogger("heart")
        self.turns = 0
        self._beat_at_s = float("-inf")
        self._status_at_s = float("-inf")
        self._slow_since_s: float | None = None
        self._health = Health("OK", "")
        self._has_changed = False

    def ends_turn(self, health: Health, reading: ClockReading | None) -> bool:
        """Count a finished turn and log a change of health. Return whether somebody is to be told:
        fast turns share a beat, and what nobody hears needs not be gathered.
        """
        self.turns += 1
        now_s = self._parts.clock.monotonic_s()
        health = self._with_coverage(self._with_speed(health, reading), reading)
        self._has_changed = health.word != self._health.word
        if self._has_changed:
            log_event(
                self._logger,
                "health_changed",
                f"{self._health.word} → {health.word}: {health.reason or 'recovered'}",
                level=logging.INFO if health.word == "OK" else logging.WARNING,
            )
        self._health = health
        is_due = now_s - self._status_at_s >= STATUS_EVERY_S
        return is_due or self._has_changed or now_s - self._beat_at_s >= BEAT_EVERY_S

    def beat(self, status: StatusFacts, turn_s: float) -> None:
        """Say what `ends_turn` found worth telling: the beat, and the status once a second."""
        now_s, health = self._parts.clock.monotonic_s(), self._health
        if self._has_changed or now_s - self._beat_at_s >= BEAT_EVERY_S:
            self._beat_at_s = now_s
            self._parts.notifier.beat(
                Beat(
                    progress=self.turns,
                    health=health.word,
                    reason=health.reason or _words(status),
                    failure_class=health.failure_class,
                    trading_state=status.verdict.state.value,
                    trading_state_cause=status.verdict.cause.value,
                    metrics=_metrics(status, turn_s)
                    | {"naked_s_worst": self._naked_s}
                    | self._external_metrics(status),
                )
            )
        if now_s - self._status_at_s >= STATUS_EVERY_S:
            self._status_at_s = now_s
            self.write_status(status)

    @property
    def _naked_s(self) -> float:
        return round(self._parts.memory.naked.worst_s, 2)

    def _external_metrics(self, status: StatusFacts) -> dict[str, float]:
        """How much of what was adopted has its stop; nothing while nothing is adopted."""
        if not self._parts.policy.adopt_external:
            return {}
        now = status.reading.now if status.reading is not None else None
        held, foreign = status.broker_positions, status.foreign_orders
        rows = external_coverage(status.state, held, now, foreign)
        naked = sum(not row.is_covered for row in rows.values())
        return {
            "external_coverage_pct": round(float(coverage_pct(rows)), 2),
            "external_uncovered": float(naked),
        }

    def _with_speed(self, health: Health, reading: ClockReading | None) -> Health:
        """In session a broker who is too slow to enter anything for long is no good health."""
        parts, now_s = self._parts, self._parts.clock.monotonic_s()
        is_open = reading is not None and reading.is_open
        if not is_open or not is_too_slow_to_enter(parts):
            self._slow_since_s = None
            return health
        if self._slow_since_s is None:
            self._slow_since_s = now_s
        if health.word != "OK" or now_s - self._slow_since_s < SLOWNESS_SAID_AFTER_S:
            return health
        slow = f"the broker takes {parts.broker.answer_s:.1f} s to answer"
        return Health("DEGRADED", f"{slow}, too long to protect a purchase: the bot enters nothing")

    def _with_coverage(self, health: Health, reading: ClockReading | None) -> Health:
        now = reading.now if reading is not None else None
        late = self._parts.memory.naked.lasting(now)
        return Health("DEGRADED", late) if late and health.word == "OK" else health

    def write_status(self, status: StatusFacts) -> None:
        """Write bot_status.json; a refusing disk is no reason to stop."""
        clock = self._parts.clock
        stamp = Stamp(clock.utc_now(), clock.boot_id(), clock.boottime_s())
        document = status_document(status, stamp)
        try:
            data = json.dumps(document, allow_nan=False).encode() + b"\n"
            write_document(self._parts.settings.state.bot_status, data)
        except TransientFault as fault:
            log_event(self._logger, "status_not_written", str(fault), level=logging.WARNING)


def _words(status: StatusFacts) -> str:
    state = status.state
    held = len(state.positions)
    return f"{status.verdict.state.value}, {held} positions, {state.pnl.trades} trades"


def _metrics(status: StatusFacts, turn_s: float) -> dict[str, float]:
    state = status.state
    equity = status.account.equity if status.account is not None else state.pnl.equity
    now = status.reading.now if status.reading is not None else None
    metrics = {
        "turn_ms": round(turn_s * 1000, 3),
        "positions": float(len(state.positions)),
        "live_orders": float(sum(1 for _ in state.orders.live())),
        "trades": float(state.pnl.trades),
        "unknown_outcomes": float(len(state.unknown_outcomes)),
        "coverage_pct": round(float(coverage_pct(coverage(state, now))), 2),
    }
    if equity is not None:
        metrics["equity"] = float(equity)
    return {**metrics, **status.doors.metrics}
