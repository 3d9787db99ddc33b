"""Leaving positions that cannot be read: the broker closes them by its own computation. Pure.

When only the positions cannot be read, the confirmed cancellation of the legs comes first, as
always. When contracts forbid reading at all (break-glass, ORDER_PATH.md rule 22), cancellations by
id and DELETE of the position are judged by their status codes alone, and only on command.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from services.trading_bot.decision import NOTHING, BrokerClose, Decision, Facts
from services.trading_bot.exits import OPERATOR
from services.trading_bot.external_shares import external_position, held_of
from services.trading_bot.plan_steps import cancels, done, live, start_plan, step
from shared.events.orders import order_from_seen
from shared.events.types import Event, OrderAdopted, PlanStarted, PlanStepped
from shared.models.broker import CloseOutcome, CloseRequested, NoPosition, Rejected
from shared.models.externals import serves_externals
from shared.models.orders import OrderRole
from shared.models.plans import Plan, PlanKind
from shared.models.portfolio import Position
from shared.models.trading_state import BotState

ASK_AGAIN = timedelta(seconds=2)
"""Market time between two requests to close one position; a second one can sell nothing twice."""
FLAT_ANSWERS = 2
"""One "no such position" may be a broker's late book (rule 8)."""
_ANSWER, _FLAT, _PART = "close_answer", "flat_answers", "close_qty"
_REFUSED, _TAKEN = "refused", "taken"
_BEFORE_CANCEL = ("check_account", "cancel_legs")


def ask_to_close(plan: Plan, facts: Facts) -> Decision:
    """Return the request that the broker close the plan's position, when it is due."""
    if _is_told_flat(plan):
        return NOTHING
    if plan.attempts and facts.now - plan.updated_at < ASK_AGAIN:
        return NOTHING
    attempts = plan.attempts + 1
    position = held_of(plan, facts)
    part = _part(plan, facts)
    if position is None or (part is not None and _may_be_gone(plan)):
        return NOTHING
    close = BrokerClose(
        symbol=plan.symbol,
        position_key=plan.position_key,
        strategy=position.strategy,
        plan_id=plan.plan_id,
        step=plan.step,
        attempts=attempts,
        flat_answers=int(plan.facts.get(_FLAT, "0")),
        reason=plan.reason,
        qty=part,
    )
    return step(plan, plan.step, facts, attempts) + Decision(closes=(close,))


def close_events(close: BrokerClose, outcome: CloseOutcome, at: datetime) -> tuple[Event, ...]:
    """Return what the broker's answer to a DELETE of a position means; no fill is made up."""
    word, flat = _REFUSED, 0
    adopted: tuple[Event, ...] = ()
    if isinstance(outcome, CloseRequested):
        word = _TAKEN
        if outcome.order is not None and outcome.order.symbol == close.symbol:
            order = replace(
                order_from_seen(outcome.order, OrderRole.EXIT),
                position_key=close.position_key,
                strategy=close.strategy,
                reason=close.reason,
            )
            adopted = (OrderAdopted(order, outcome.order, at),)
    elif isinstance(outcome, NoPosition):
        word, flat = "none", close.flat_answers + 1
    elif not isinstance(outcome, Rejected):
        word = "unknown"
    told = {_ANSWER: word, _FLAT: str(flat)}
    if close.qty is not None:
        told[_PART] = str(close.qty)
    return (PlanStepped(close.plan_id, close.step, close.attempts, at, told), *adopted)


def is_closed_unseen(state: BotState, position_key: str) -> bool:
    """Whether the broker's status codes alone have said that this position is gone."""
    return any(plan.position_key == position_key and _is_told_flat(plan) for plan in state.plans)


def _part(plan: Plan, facts: Facts) -> Decimal | None:
    """Return how many shares are the plan's own where others lie beside them, None for all: what
    one request closed for both would be booked as the sale of one.
    """
    state, symbol = facts.state, plan.symbol
    ours = state.positions.get(symbol)
    if ours is None:
        return None
    if serves_externals(plan.position_key):
        theirs = external_position(symbol, state, facts.broker_positions)
        return abs(theirs.qty) if theirs is not None else None
    was_more = abs(state.strange_quantities.get(symbol, ours.qty)) > abs(ours.qty)
    return abs(ours.qty) if was_more or symbol in state.external_positions else None


def _may_be_gone(plan: Plan) -> bool:
    """Whether a part was asked for and not refused: asking again could sell what is not ours."""
    return plan.attempts > 0 and plan.facts.get(_ANSWER) != _REFUSED


def _is_told_flat(plan: Plan) -> bool:
    if _PART in plan.facts and plan.facts.get(_ANSWER) == _TAKEN:
        return True
    return int(plan.facts.get(_FLAT, "0")) >= FLAT_ANSWERS


def begin_unseen(facts: Facts) -> Decision:
    """Cancel working entries by id; start closing what an operator wants closed."""
    entries = [order for order in facts.state.orders.live() if order.role is OrderRole.ENTRY]
    found = cancels(entries, "the broker's answers break their contract")
    for symbol in sorted(facts.state.positions):
        found += _begin_close(facts.state.positions[symbol], facts)
    for symbol in sorted(facts.state.external_positions if facts.flatten_externals else ()):
        external = external_position(symbol, facts.state, None)
        found += _begin_close(external, facts) if external is not None else NOTHING
    return found


def _begin_close(position: Position, facts: Facts) -> Decision:
    key = position.position_key
    running = [plan for plan in facts.state.plans if plan.position_key == key]
    if any(plan.kind is PlanKind.CLOSE for plan in running):
        return NOTHING
    asked = next((plan for plan in running if _is_by_operator(plan)), None)
    if facts.flatten is not None:
        why = (facts.flatten, OPERATOR)
    elif asked is not None:
        why = (asked.reason, asked.by)
    else:
        return NOTHING
    found = NOTHING
    for plan in running:
        found += done(plan, "closing without sight instead", facts)
    return found + Decision(
        bookings=(PlanStarted(start_plan(facts, PlanKind.CLOSE, key, why)),),
    )


def _is_by_operator(plan: Plan) -> bool:
    return plan.by.startswith(OPERATOR)


def advance_unseen(plan: Plan, facts: Facts) -> Decision:
    """Return what a plan demands while nothing can be read: only closing goes on."""
    if plan.kind is not PlanKind.CLOSE or held_of(plan, facts) is None:
        return NOTHING
    if plan.step in _BEFORE_CANCEL and not _may_cancel(plan, facts):
        return NOTHING
    legs = [order for order in live(plan, facts) if order.role is not OrderRole.EXIT]
    if plan.step == "check_account":
        return step(plan, "cancel_legs", facts)
    if plan.step == "cancel_legs":
        return cancels(legs, plan.reason) + step(plan, "await_cancel", facts)
    if plan.step == "await_cancel":
        # 204 is only a request, and no list can confirm it: the next turn's DELETE will tell.
        return step(plan, "send_exit", facts) if facts.now > plan.updated_at else NOTHING
    asked = ask_to_close(plan, facts)
    if asked.acts and plan.facts.get(_ANSWER) == _REFUSED:
        # Most often the shares are still held by legs whose cancellation was lost.
        return cancels(legs, plan.reason) + asked
    return asked


def _may_cancel(plan: Plan, facts: Facts) -> bool:
    """Protection goes on command only, and never while the account is known to be blocked."""
    return _is_by_operator(plan) and (facts.account is None or facts.account.may_trade)
