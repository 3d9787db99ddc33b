"""What an event changed, in sentences for the log. Pure.

Single orders are not told here: `logs/orders.jsonl` has a line for each of their steps.
"""

from __future__ import annotations

from shared.models.trading_state import BotState


def changes_between(before: BotState, after: BotState) -> tuple[str, ...]:
    """Return a sentence for each change of positions, plans, holds, operator and day."""
    told: list[str] = []
    if before.positions is not after.positions:
        told += _positions(before, after)
    if before.plans is not after.plans:
        told += _plans(before, after)
    if before.holds != after.holds:
        told += [f"hold placed: {kind}" for kind in sorted(set(after.holds) - set(before.holds))]
        told += [f"hold cleared: {kind}" for kind in sorted(set(before.holds) - set(after.holds))]
    if before.operator.paused != after.operator.paused:
        told.append("paused by the operator" if after.operator.paused else "resumed")
    new_day = after.day.date if after.day is not None else None
    if new_day != (before.day.date if before.day is not None else None):
        told.append(f"day {new_day} begins")
    return tuple(told)


def _positions(before: BotState, after: BotState) -> list[str]:
    told = []
    for symbol in sorted({*before.positions, *after.positions}):
        old, new = before.positions.get(symbol), after.positions.get(symbol)
        if old is None and new is not None:
            told.append(f"position {symbol}: {new.qty} opened at {new.entry_price:.4f}")
        elif old is not None and new is None:
            told.append(f"position {symbol}: {old.qty} left")
        elif old is not None and new is not None and old.qty != new.qty:
            told.append(f"position {symbol}: {old.qty} became {new.qty}")
    return told


def _plans(before: BotState, after: BotState) -> list[str]:
    old = {plan.plan_id: plan for plan in before.plans}
    new = {plan.plan_id: plan for plan in after.plans}
    told = [f"plan {new[one].kind.value} begins" for one in new if one not in old]
    told += [f"plan {old[one].kind.value} is over" for one in old if one not in new]
    told += [
        f"plan {new[one].kind.value}: {old[one].step} became {new[one].step}"
        for one in new
        if one in old and old[one].step != new[one].step
    ]
    return told
