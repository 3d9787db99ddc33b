"""Applies splits to positions: shares and prices change, cost and profit do not."""

from __future__ import annotations

from dataclasses import replace

from shared.events.positions import refresh_group, sum_group
from shared.events.types import SharesChanged
from shared.models.externals import serves_externals
from shared.models.movements import CASH_IN_LIEU, ONE, ZERO, Adjustment, ShareChange
from shared.models.orders import Order
from shared.models.trading_state import BotState


def change_shares(state: BotState, event: SharesChanged) -> BotState:
    """Book one split, or the cash for a fraction, once, on the position that was held then; it may
    have been left since. Without one nothing changes.
    """
    movement = event.movement
    known = (each for one in state.adjustments.values() for each in one.changes)
    if any(each.activity_id == movement.activity_id for each in known):
        return state
    new = ShareChange(
        activity_id=movement.activity_id,
        at=movement.moment,
        qty=movement.qty,
        cash=movement.amount,
        ratio=ONE if movement.kind == CASH_IN_LIEU else ZERO,
    )
    for key, orders in reversed(_groups(state, movement.symbol).items()):
        changes = _with_ratios(orders, [*state.adjustment(key).changes, new])
        if changes is not None:
            adjustments = {**state.adjustments, key: Adjustment(changes)}
            return refresh_group(replace(state, adjustments=adjustments), key)
    return state


def _groups(state: BotState, symbol: str) -> dict[str, list[Order]]:
    groups: dict[str, list[Order]] = {}
    for order in state.orders.of_symbol(symbol):
        if order.position_key and not serves_externals(order.position_key):
            groups.setdefault(order.position_key, []).append(order)
    return groups


def _with_ratios(orders: list[Order], changes: list[ShareChange]) -> tuple[ShareChange, ...] | None:
    """Return the changes by time, each split's ratio worked out anew from what was held before it;
    None when the group held nothing then, or would hold nothing after.
    """
    found: list[ShareChange] = []
    for change in sorted(changes, key=lambda one: (one.at, one.activity_id)):
        filled = [one for one in orders if one.filled_at is not None and one.filled_at < change.at]
        earlier = Adjustment(tuple(one for one in found if one.at < change.at))
        held = sum_group(filled, earlier).open_qty
        if held <= 0:
            return None
        is_split, left = change.ratio != ONE, held + change.qty
        if is_split and left <= 0:
            return None
        found.append(replace(change, ratio=left / held) if is_split else change)
    return tuple(found)
