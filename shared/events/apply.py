"""apply(state, event) → the next state. Pure; the same event twice changes nothing more.

News of the broker may come doubled and in any order: the end is the same (ORDER_PATH.md rule 11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from shared.events import conditions, orders, splits, types
from shared.models.trading_state import BotState

_APPLY: dict[type[Any], Callable[[BotState, Any], BotState]] = {
    types.IntentRecorded: orders.record_intent,
    types.OrderSeen: orders.see_order,
    types.FillSeen: orders.see_fill,
    types.OrderAdopted: orders.adopt_order,
    types.OutcomeUnknown: orders.outcome_unknown,
    types.OrderRefused: orders.order_refused,
    types.NotSent: orders.not_sent,
    types.PlanStarted: conditions.start_plan,
    types.PlanStepped: conditions.step_plan,
    types.PlanDone: conditions.end_plan,
    types.OperatorPaused: conditions.pause,
    types.OperatorResumed: conditions.resume,
    types.DayOpened: conditions.open_day,
    types.EquitySeen: conditions.see_equity,
    types.LossReadingCounted: conditions.count_loss_readings,
    types.TransferSeen: conditions.see_transfer,
    types.SharesChanged: splits.change_shares,
    types.StatementCompared: conditions.note_statement,
    types.HoldPlaced: conditions.place_hold,
    types.HoldCleared: conditions.clear_hold,
    types.MoneyRebuilt: conditions.rebuild_money,
    types.ExternalsObserved: conditions.observe_externals,
    types.Reconciled: conditions.note_reconciled,
    types.OutboxWritten: conditions.outbox_written,
}


def apply(state: BotState, event: types.Event) -> BotState:
    """Return the state after one event."""
    return _APPLY[type(event)](state, event)


def apply_all(state: BotState, events: Iterable[types.Event]) -> BotState:
    """Return the state after the events, one after the other."""
    for event in events:
        state = apply(state, event)
    return state
