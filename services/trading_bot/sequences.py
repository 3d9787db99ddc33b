"""How a running plan goes on: one table of steps per kind, each step judged from the state. Pure.

What a step has already caused is read from the recorded orders, never remembered elsewhere: a
plan goes on after a restart exactly as it would have gone on without one (rule 6).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from services.trading_bot.coverage import coverage, is_stale, whole
from services.trading_bot.decision import NOTHING, Decision, Facts
from services.trading_bot.external_shares import held_of
from services.trading_bot.partial_entry import ENTRY_STEPS
from services.trading_bot.plan_steps import (
    ANSWER_PATIENCE,
    UNHEARD_PATIENCE,
    cancel_others,
    cancels,
    done,
    free_since_refused,
    gap_to_close,
    in_the_way,
    is_done_in_part,
    is_in_doubt,
    is_long_in_doubt,
    is_market_exit,
    is_on_way,
    left_alone,
    live,
    must_ask_again,
    others_in_the_way,
    sent_since,
    start_plan,
    step,
    was_exit_refused,
)
from services.trading_bot.sends import (
    Holding,
    exit_limit,
    exit_send,
    protection_send,
    target_patch,
    trailing_send,
)
from services.trading_bot.trailing import advance_trail
from services.trading_bot.unseen import ask_to_close
from services.trading_bot.watch import stop_distance
from shared.events.types import PlanStarted
from shared.models.numbers import CENT, round_to_tick
from shared.models.orders import Order, OrderClass, OrderRole, OrderStatus, OrderType
from shared.models.plans import Plan, PlanKind
from shared.models.portfolio import Position

ATTEMPTS_MAX = 3
_REFUSED = frozenset({OrderStatus.REJECTED, OrderStatus.NOT_SENT})


def advance(plan: Plan, facts: Facts) -> Decision:
    """Return what the plan demands now."""
    position = held_of(plan, facts)
    if plan.kind is PlanKind.PARTIAL_ENTRY and plan.step in ENTRY_STEPS:
        return ENTRY_STEPS[plan.step](plan, facts)
    if position is None:
        return _leave_nothing_behind(plan, facts)
    return _STEPS[plan.kind](plan, facts, Holding(facts.state, position, facts.now))


def _leave_nothing_behind(plan: Plan, facts: Facts) -> Decision:
    """The position is gone: cancel what of its group still lives, then the plan is over."""
    living = live(plan, facts)
    if not living:
        return done(plan, "flat", facts)
    return cancels(living, "the position is closed")


# --- protection


def _protect(plan: Plan, facts: Facts, holding: Holding) -> Decision:
    row = coverage(facts.state, facts.now)[plan.symbol]
    if row.is_covered:
        return done(plan, "protected", facts)
    if plan.step in ("clear_way", "await_clear"):
        return _clear_way(plan, facts)
    gap = gap_to_close(plan, row, holding.position, facts)
    if gap == 0 or is_done_in_part(plan, facts):
        return NOTHING if is_on_way(plan, facts) else done(plan, "as far as can be", facts)
    holding = holding.only(gap)
    if plan.step == "send_oco":
        return _send_oco(plan, facts, holding)
    if plan.step == "send_trailing":
        return _send_trailing(plan, facts, holding)
    if plan.step == "send_exit":
        return _send_exit(plan, facts, holding)
    return _await_exit(plan, facts)


def _clear_way(plan: Plan, facts: Facts) -> Decision:
    """Cancel the stops of before a split: their shares are held, their prices wrong (rule 19). And
    targets that have lost their stop: they hold the shares, too.
    """
    stale = [order for order in live(plan, facts) if is_stale(order, facts.state)]
    stale = [order for order in stale if order.role in (OrderRole.STOP, OrderRole.TARGET)]
    stale = stale or left_alone(plan, facts)
    if not stale:
        return step(plan, "send_oco", facts)
    if facts.account is None or not facts.account.may_trade:
        return NOTHING
    if plan.step == "await_clear" and not must_ask_again(plan, stale, facts):
        return NOTHING
    return cancels(stale, plan.reason) + step(plan, "await_clear", facts, plan.attempts + 1)


def _send_oco(plan: Plan, facts: Facts, holding: Holding) -> Decision:
    position = holding.position
    sent = sent_since(plan, facts, OrderRole.TARGET, OrderType.LIMIT)
    if sent is not None and sent.status is OrderStatus.UNKNOWN and not _levels(position, facts):
        # Its stop is passed: sending it again is refused, and waiting for its looks is naked.
        return step(plan, "send_exit", facts)
    if sent is not None and (sent.status.is_terminal or is_long_in_doubt(sent, facts)):
        return step(plan, "send_trailing", facts)
    if sent is not None:
        return _cancel_alone(plan, sent, facts)
    levels = _levels(position, facts)
    if levels is None:
        # The broker's wash rule exempts a trailing stop alone, of what needs no price (rule 2).
        return step(plan, "send_trailing" if was_exit_refused(plan, facts) else "send_exit", facts)
    return Decision(protective=(protection_send(holding, *levels),))


def _cancel_alone(plan: Plan, sent: Order, facts: Facts) -> Decision:
    if sent not in left_alone(plan, facts) or not must_ask_again(plan, [sent], facts):
        return NOTHING
    return cancels([sent], plan.reason) + step(plan, plan.step, facts, plan.attempts + 1)


def _levels(position: Position, facts: Facts) -> tuple[Decimal, Decimal] | None:
    """Return stop and target for an OCO; None when the market has passed the stop, or none is
    known.
    """
    stop, target = position.stop_price, position.target_price
    if stop is None:
        return None
    price = facts.price_of(position.symbol)
    if price is not None and price <= stop + CENT:
        return None
    if target is None or target <= stop + CENT:
        target = position.entry_price + 2 * abs(position.entry_price - stop)
    return stop, round_to_tick(target)


def _send_trailing(plan: Plan, facts: Facts, holding: Holding) -> Decision:
    sent = sent_since(plan, facts, OrderRole.STOP, OrderType.TRAILING_STOP)
    if sent is not None and not sent.status.is_terminal:
        return NOTHING
    distance = stop_distance(holding.position, facts.price_of(plan.symbol))
    if sent is not None or distance is None:
        return step(plan, "send_exit", facts)
    return Decision(protective=(trailing_send(holding, max(CENT, distance.quantize(CENT))),))


# --- leaving


def _close(plan: Plan, facts: Facts, holding: Holding) -> Decision:
    if plan.step == "check_account":
        if facts.account is None or not facts.account.may_trade:
            # A suspended account could not sell, and its stop would be gone (rule 5).
            return NOTHING
        return step(plan, "cancel_legs", facts)
    if plan.step == "cancel_legs":
        living = [order for order in live(plan, facts) if order.role is not OrderRole.EXIT]
        found = cancels(living, plan.reason) + cancel_others(others_in_the_way(plan, facts), plan)
        return found + step(plan, "await_cancel", facts)
    if plan.step == "await_cancel":
        return _await_legs(plan, facts)
    if plan.step == "send_exit":
        return _close_anew(plan, facts) or _send_exit(plan, facts, holding)
    return _await_exit(plan, facts)


def _close_anew(plan: Plan, facts: Facts) -> Decision | None:
    """Begin again when another plan protected the shares meanwhile: held ones cannot be sold."""
    protected = any(order.role is not OrderRole.EXIT for order in in_the_way(plan, facts))
    sent = sent_since(plan, facts, OrderRole.EXIT, OrderType.MARKET)
    if not protected or (sent is not None and sent.status not in _REFUSED):
        return None
    return _close_instead(plan, facts, "the shares were protected meanwhile")


def _await_legs(plan: Plan, facts: Facts) -> Decision:
    living, others = in_the_way(plan, facts), others_in_the_way(plan, facts)
    if not living and not others:
        return step(plan, "send_exit", facts)
    # A market exit is on its way out with its shares: they have no stop to come back to.
    waiting = [order for order in living if not is_market_exit(order)]
    if not (waiting or others) or not must_ask_again(plan, waiting, facts):
        return NOTHING
    found = cancels(waiting, plan.reason) + cancel_others(others, plan)
    return found + step(plan, plan.step, facts, plan.attempts + 1)


def _send_exit(plan: Plan, facts: Facts, holding: Holding) -> Decision:
    sent = sent_since(plan, facts, OrderRole.EXIT, OrderType.MARKET)
    if sent is not None and sent.status not in _REFUSED:
        waiting = sent.status is OrderStatus.UNKNOWN
        last = "await_fill" if plan.kind is not PlanKind.PROTECT else "await_live"
        return NOTHING if waiting else step(plan, last, facts)
    if facts.broker_positions is None:
        return ask_to_close(plan, facts)
    if sent is not None:
        if is_in_doubt(plan, facts) and facts.now - plan.updated_at < UNHEARD_PATIENCE:
            # Unknown protection may hold the shares after all: the next looks will show it.
            return NOTHING
        if plan.attempts + 1 >= ATTEMPTS_MAX or free_since_refused(plan, facts) == 0:
            return done(plan, f"exit refused: {sent.reason}", facts)
        return step(plan, "send_exit", facts, plan.attempts + 1) + _market_exit(
            plan, facts, holding
        )
    return _market_exit(plan, facts, holding)


def _market_exit(plan: Plan, facts: Facts, holding: Holding) -> Decision:
    """Sell what the broker says is there, and never more than is ours."""
    held = (facts.broker_positions or {}).get(plan.symbol)
    if held is None:
        return NOTHING
    free = free_since_refused(plan, facts) or abs(held.qty)
    qty = min(abs(holding.position.qty), abs(held.qty), free)
    if qty != whole(qty):
        # A split left a fraction, and only the broker's own close takes it.
        return ask_to_close(plan, facts)
    return Decision(exits=(exit_send(holding, qty, plan.reason),))


def _await_exit(plan: Plan, facts: Facts) -> Decision:
    """The position is still there: the exit works, or has ended without closing all of it."""
    sent = sent_since(plan, facts, OrderRole.EXIT, OrderType.MARKET)
    if sent is not None and not sent.status.is_terminal:
        return NOTHING
    return done(plan, "the exit ended and left shares; they are protected anew", facts)


def _replace(plan: Plan, facts: Facts, holding: Holding) -> Decision:
    """Leave by making the target leg marketable; the stop stays until that fills."""
    sent = sent_since(plan, facts, OrderRole.EXIT, OrderType.LIMIT)
    is_late = facts.now - plan.started_at >= ANSWER_PATIENCE
    if sent is None and is_late:
        return _close_instead(plan, facts, "the change did not go out")
    if sent is None:
        return _send_patch(plan, facts, holding)
    if sent.status is OrderStatus.UNKNOWN:
        return NOTHING
    if sent.status.is_terminal:
        return _close_instead(plan, facts, f"the limit ended {sent.status.value}")
    if plan.step == "send_replace":
        return step(plan, "await_replace", facts)
    if is_late and facts.now > plan.updated_at:
        return _close_instead(plan, facts, "the limit did not fill")
    return NOTHING


def _send_patch(plan: Plan, facts: Facts, holding: Holding) -> Decision:
    fresh = (order for order in live(plan, facts) if not is_stale(order, facts.state))
    target = next((order for order in fresh if _is_replaceable(order)), None)
    bid, stop = facts.price_of(plan.symbol), holding.position.stop_price
    if facts.broker_positions is None:
        return _close_instead(plan, facts, "the position cannot be read")
    if target is None or bid is None or stop is None:
        return _close_instead(plan, facts, "no target leg to change")
    # The broker refuses a target at or below the stop of its own group.
    limit = max(exit_limit(bid), stop + CENT)
    if limit > bid:
        return _close_instead(plan, facts, "the market stands at the stop")
    return Decision(exits=(target_patch(holding, target, limit, plan.reason),))


def _is_replaceable(order: Order) -> bool:
    return (
        order.role is OrderRole.TARGET
        and order.order_class in (OrderClass.BRACKET, OrderClass.OCO)
        and order.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
        and order.broker_order_id is not None
    )


def _close_instead(plan: Plan, facts: Facts, why: str) -> Decision:
    close = start_plan(facts, PlanKind.CLOSE, plan.position_key, (plan.reason, plan.by))
    return done(plan, f"{why}, closing instead", facts) + Decision(bookings=(PlanStarted(close),))


_STEPS: dict[PlanKind, Callable[[Plan, Facts, Holding], Decision]] = {
    PlanKind.PARTIAL_ENTRY: _protect,
    PlanKind.PROTECT: _protect,
    PlanKind.CLOSE: _close,
    PlanKind.REPLACE: _replace,
    PlanKind.TRAIL: advance_trail,
}
