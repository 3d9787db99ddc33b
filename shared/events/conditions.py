"""Applies what happens around the orders: operator, day, money, plans, holds, reconciliation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from shared.events.retention import drop_tombstones
from shared.events.types import (
    DayOpened,
    EquitySeen,
    ExternalsObserved,
    HoldCleared,
    HoldPlaced,
    LossReadingCounted,
    MoneyRebuilt,
    OperatorPaused,
    OperatorResumed,
    OutboxWritten,
    PlanDone,
    PlanStarted,
    PlanStepped,
    Reconciled,
    StatementCompared,
    TransferSeen,
)
from shared.models.movements import previous_close
from shared.models.plans import PLAN_STEPS, Plan
from shared.models.pnl import ZERO, Day
from shared.models.trading_day import trading_day
from shared.models.trading_state import BotState, Hold, HoldKind, Operator

_COOLDOWN_KEPT = timedelta(days=2)
LATE_TRANSFER = timedelta(minutes=10)
"""A broker tells of a transfer this much later than of the equity; the equity waits for it."""
TRANSFERS_KEPT = 200
"""Ids of transfers that are remembered, over days: none counts twice."""


def pause(state: BotState, event: OperatorPaused) -> BotState:
    """Keep the operator's wish; an older word never undoes a newer one."""
    return _operator(state, Operator(True, event.by, event.reason, event.at))


def resume(state: BotState, event: OperatorResumed) -> BotState:
    """Take the pause back, unless a newer one stands."""
    return _operator(state, Operator(False, event.by, event.reason, event.at))


def _operator(state: BotState, operator: Operator) -> BotState:
    before, now = state.operator.at, operator.at
    stale = before is not None and now is not None and now < before
    return state if stale else replace(state, operator=operator)


def start_plan(state: BotState, event: PlanStarted) -> BotState:
    """Add the plan once."""
    if any(plan.plan_id == event.plan.plan_id for plan in state.plans):
        return state
    return replace(state, plans=(*state.plans, event.plan))


def step_plan(state: BotState, event: PlanStepped) -> BotState:
    """Move a plan forward; a step behind the present one changes nothing."""
    plans = tuple(
        _stepped(plan, event) if plan.plan_id == event.plan_id else plan for plan in state.plans
    )
    return replace(state, plans=plans) if plans != state.plans else state


def _stepped(plan: Plan, event: PlanStepped) -> Plan:
    if event.step not in PLAN_STEPS[plan.kind]:
        return plan
    target = (PLAN_STEPS[plan.kind].index(event.step), event.attempts)
    if target < (plan.step_number, plan.attempts):
        return plan
    return replace(
        plan,
        step=event.step,
        attempts=event.attempts,
        updated_at=max(plan.updated_at, event.at),
        facts={**plan.facts, **event.facts},
    )


def end_plan(state: BotState, event: PlanDone) -> BotState:
    """Drop a plan that is over."""
    rest = tuple(plan for plan in state.plans if plan.plan_id != event.plan_id)
    return replace(state, plans=rest) if len(rest) != len(state.plans) else state


def open_day(state: BotState, event: DayOpened) -> BotState:
    """Begin a New York day; an older or the same day changes nothing."""
    if state.day is not None and event.day <= state.day.date:
        return state
    realized = sum(
        (trade.pnl for trade in state.trade_history if trading_day(trade.exited_at) == event.day),
        ZERO,
    )
    day = Day(
        date=event.day,
        base_equity=event.base_equity,
        realized=realized,
        transfer_ids=state.day.transfer_ids if state.day is not None else (),
    )
    kept = {symbol: at for symbol, at in state.cooldowns.items() if event.at - at < _COOLDOWN_KEPT}
    holds = {
        kind: hold for kind, hold in state.holds.items() if hold.kind is not HoldKind.DAILY_LOSS
    }
    return replace(state, day=day, cooldowns=kept, holds=holds)


def see_equity(state: BotState, event: EquitySeen) -> BotState:
    """Keep the newest equity, the peak and the deepest fall; a broken number changes nothing."""
    pnl = state.pnl
    if not event.equity.is_finite() or event.equity <= 0:
        return state
    if pnl.equity_at is not None and event.at < pnl.equity_at:
        return state
    peak = max(event.equity, pnl.peak_equity or ZERO)
    fall = (peak - event.equity) / peak
    return replace(
        state,
        pnl=replace(
            pnl,
            equity=event.equity,
            equity_at=event.at,
            peak_equity=peak,
            max_drawdown_pct=max(pnl.max_drawdown_pct, fall),
        ),
    )


def count_loss_readings(state: BotState, event: LossReadingCounted) -> BotState:
    """Keep how many readings in a row lay beyond the daily and the drawdown limit."""
    day = state.day
    if day is not None and day.loss_readings != event.readings:
        state = replace(state, day=replace(day, loss_readings=event.readings))
    if state.pnl.drawdown_readings == event.drawdown_readings:
        return state
    return replace(state, pnl=replace(state.pnl, drawdown_readings=event.drawdown_readings))


def see_transfer(state: BotState, event: TransferSeen) -> BotState:
    """Take a transfer out of profit and loss, once: day and peak move along with it.

    What the day's base, or the equity seen last, holds already moves neither.
    """
    day, pnl = state.day, state.pnl
    if day is None or event.transfer_id in day.transfer_ids or not event.amount.is_finite():
        return state
    is_of_day = event.at > previous_close(day.date)
    day = replace(
        day,
        transfers=day.transfers + (event.amount if is_of_day else ZERO),
        transfer_ids=(*day.transfer_ids, event.transfer_id)[-TRANSFERS_KEPT:],
    )
    is_new = pnl.equity_at is None or event.at > pnl.equity_at - LATE_TRANSFER
    if pnl.peak_equity is not None and is_new:
        pnl = replace(pnl, peak_equity=max(ZERO, pnl.peak_equity + event.amount))
    return replace(state, day=day, pnl=pnl)


def note_statement(state: BotState, event: StatementCompared) -> BotState:
    """Keep the newest statement."""
    old, new = state.statement, event.statement
    is_news = old is None or (new != old and new.at >= old.at)
    return replace(state, statement=new) if is_news else state


def place_hold(state: BotState, event: HoldPlaced) -> BotState:
    """Hold entries back; the first reason stands."""
    if event.kind.value in state.holds:
        return state
    hold = Hold(event.kind, event.at, event.reason)
    return replace(state, holds={**state.holds, event.kind.value: hold})


def clear_hold(state: BotState, event: HoldCleared) -> BotState:
    """End a hold. A cleared drawdown starts again from the present equity."""
    if event.kind.value not in state.holds:
        return state
    holds = {name: hold for name, hold in state.holds.items() if name != event.kind.value}
    state = replace(state, holds=holds)
    if event.kind is HoldKind.DRAWDOWN and state.pnl.equity is not None:
        pnl = replace(state.pnl, peak_equity=state.pnl.equity, drawdown_readings=0)
        return replace(state, pnl=pnl)
    return state


def rebuild_money(state: BotState, event: MoneyRebuilt) -> BotState:
    """Take back what the broker knows of a lost state; nothing known already becomes less."""
    hold = state.holds.get(HoldKind.REBUILD.value)
    if hold is None or hold.is_rebuilt or not event.peak_equity.is_finite():
        return state
    rests = dict(state.cooldowns)
    for symbol, at in event.rests.items():
        rests[symbol] = max(at, rests.get(symbol, at))
    peak = max(event.peak_equity, state.pnl.peak_equity or ZERO)
    known = replace(hold, reason=event.reason, is_rebuilt=True)
    return replace(
        state,
        pnl=replace(state.pnl, peak_equity=peak) if peak > ZERO else state.pnl,
        cooldowns=rests,
        holds={**state.holds, HoldKind.REBUILD.value: known},
    )


def observe_externals(state: BotState, event: ExternalsObserved) -> BotState:
    """Keep what the broker holds beside our own positions."""
    externals = {held.symbol: held for held in event.positions}
    strange = dict(event.strange_quantities)
    if externals == state.external_positions and strange == state.strange_quantities:
        return state
    return replace(state, external_positions=externals, strange_quantities=strange)


def note_reconciled(state: BotState, event: Reconciled) -> BotState:
    """Note a whole reconciliation, and drop the tombstones of days before."""
    if state.reconciled_at is not None and event.at < state.reconciled_at:
        return state
    until = state.fills_seen_until
    if event.fills_until is not None and (until is None or event.fills_until > until):
        until = event.fills_until
    state = replace(state, reconciled_at=event.at, fills_seen_until=until)
    return drop_tombstones(state, trading_day(event.at))


def outbox_written(state: BotState, event: OutboxWritten) -> BotState:
    """Drop what stands in its log."""
    done = frozenset(event.keys)
    rest = tuple(item for item in state.outbox if item.key not in done)
    return replace(state, outbox=rest) if len(rest) != len(state.outbox) else state
