"""A partly filled entry: its rest is cancelled, then what was bought is protected (rule 2). Pure.

The legs of a bracket are inert until the entry is complete, so every second of waiting is naked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from services.trading_bot.decision import NOTHING, Decision, Facts
from services.trading_bot.plan_steps import cancels, done, must_ask_again, step
from services.trading_bot.watch import overdue
from shared.models.orders import OrderStatus
from shared.models.plans import Plan, PlanKind

PARTIAL_PATIENCE_S = 2.0
"""Market seconds from the first fill that a partly filled entry gets for its rest (rule 2)."""
NAKED_S_MAX = 5.0
"""Market seconds that shares may stand without a stop while the broker can be reached."""
CALLS_AHEAD = 8
"""Answers between a first fill and its stop at the worst moment: those of a whole turn before the
fill is seen, then a look, the cancellation, the look that confirms it, the protection.
"""
CALLS_TO_STOP = 4
"""Answers between a fill and its stop while only orders are looked at: the fill comes in the middle
of a look that misses it; the next look, the cancellation and the look that confirms it follow, and
protection works from the middle of its own. So naked shares stand for four answers, not less.
"""


def protects_in_time(answer_s: float) -> bool:
    """Whether a broker that takes so long for an answer lets naked shares be protected in time."""
    return CALLS_TO_STOP * answer_s <= NAKED_S_MAX


def has_time_for_rest(answer_s: float) -> bool:
    """Whether a broker that takes so long for an answer (market seconds) leaves an entry's rest its
    two seconds: his answers alone may fill all the time that there is.
    """
    return PARTIAL_PATIENCE_S + CALLS_AHEAD * answer_s <= NAKED_S_MAX


def _patience(facts: Facts) -> timedelta:
    return timedelta(seconds=PARTIAL_PATIENCE_S if has_time_for_rest(facts.answer_s) else 0.0)


def _cancel_rest(plan: Plan, facts: Facts) -> Decision:
    entry = facts.state.orders.get(plan.position_key)
    if entry is None or not entry.status.is_live:
        return step(plan, "await_cancel", facts)
    # Later fills stamp the order anew: what counts is when the first one was seen (rule 2).
    first_fill = min(plan.started_at, entry.filled_at or plan.started_at)
    if overdue(entry, facts) is None and facts.now - first_fill < _patience(facts):
        return NOTHING
    return cancels([entry], plan.reason) + step(plan, "await_cancel", facts)


def _await_rest(plan: Plan, facts: Facts) -> Decision:
    entry = facts.state.orders.get(plan.position_key)
    if entry is None or entry.status is OrderStatus.FILLED:
        return done(plan, "filled after all, its legs protect it", facts)
    if entry.status.is_live:
        if not must_ask_again(plan, [entry], facts):
            return NOTHING
        return cancels([entry], plan.reason) + step(plan, plan.step, facts, plan.attempts + 1)
    if plan.symbol not in facts.state.positions:
        return done(plan, "nothing was filled", facts)
    return step(plan, "send_oco", facts)


ENTRY_STEPS: dict[str, Callable[[Plan, Facts], Decision]] = {
    "cancel_rest": _cancel_rest,
    "await_cancel": _await_rest,
}
"""The first steps of the plan; then it protects like any other."""

_TOLD = frozenset({*ENTRY_STEPS, "send_oco", "send_trailing"})


def is_told_by_orders(plan: Plan) -> bool:
    """Whether the orders alone say all that the plan must know: its entry's own filled quantity is
    what gets a stop. Only the exit, where no stop can be had, wants the position read fresh.
    """
    return plan.kind is PlanKind.PARTIAL_ENTRY and plan.step in _TOLD
