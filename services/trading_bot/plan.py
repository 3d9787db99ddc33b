"""What a turn must do: facts in, one Decision out, whose field order is the order of execution.

Pure. Running plans come first, then gaps in protection, then exits, then at most one entry. A
plan that begins here also takes its first steps here, so that a turn never waits for the next.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from services.trading_bot.decision import NOTHING, Decision, Facts, safely
from services.trading_bot.entries import plan_entry
from services.trading_bot.externals import watch_externals
from services.trading_bot.partial_entry import is_told_by_orders
from services.trading_bot.sequences import advance
from services.trading_bot.trailing import watch_trails
from services.trading_bot.unseen import advance_unseen, begin_unseen
from services.trading_bot.watch import watch_coverage, watch_entries, watch_exits
from shared.events.apply import apply_all
from shared.models.plans import Plan

Advance = Callable[[Plan, Facts], Decision]

STEPS_MAX = 8
"""Steps that plans may take within one decision; more would be a circle."""


def plan_turn(facts: Facts) -> Decision:
    """Return everything that this moment demands."""
    found = plan_follow_up(facts)
    now = _after(facts, found)
    return found + safely(lambda: plan_entry(now), "entry")


def plan_follow_up(facts: Facts) -> Decision:
    """Return what running plans, overdue entries, gaps and exits demand; never an entry."""
    found = NOTHING
    for look in (watch_entries, watch_coverage, watch_exits, watch_trails, watch_externals):
        found += safely(partial(look, _after(facts, found)), look.__name__)
    return found + _advance_all(advance, _after(facts, found))


def plan_at_a_glance(facts: Facts) -> Decision:
    """Return what the orders alone demand: overdue and partly filled entries, up to their stop."""
    found = watch_entries(facts)
    return found + _advance_all(_advance_told, _after(facts, found))


def _advance_told(plan: Plan, facts: Facts) -> Decision:
    return advance(plan, facts) if is_told_by_orders(plan) else NOTHING


def plan_break_glass(facts: Facts) -> Decision:
    """Return what can be done while contracts forbid reading: entries cancelled by id, and what an
    operator wants closed closed by the broker (ORDER_PATH.md rule 22).
    """
    found = begin_unseen(facts)
    return found + _advance_all(advance_unseen, _after(facts, found))


def _advance_all(advance_one: Advance, facts: Facts) -> Decision:
    """Let every plan, those begun by other plans too, go on until it waits for the broker."""
    found, done = NOTHING, set[str]()
    while True:
        waiting = [plan for plan in _after(facts, found).state.plans if plan.plan_id not in done]
        if not waiting:
            return found
        plan_id = waiting[0].plan_id
        done.add(plan_id)
        found += safely(
            partial(_walk, advance_one, plan_id, _after(facts, found)), f"plan {plan_id}"
        )


def _walk(advance_one: Advance, plan_id: str, facts: Facts) -> Decision:
    """Return the steps of one plan up to the first that acts or waits."""
    found = NOTHING
    for _ in range(STEPS_MAX):
        now = _after(facts, found)
        plan = next((one for one in now.state.plans if one.plan_id == plan_id), None)
        if plan is None:
            break
        step = advance_one(plan, now)
        found += step
        if step.acts or not step.bookings:
            break
    return found


def _after(facts: Facts, found: Decision) -> Facts:
    """Return the same moment as it will be once the decision's bookings are made."""
    if not found.bookings:
        return facts
    return facts.with_events(apply_all(facts.state, found.bookings))
