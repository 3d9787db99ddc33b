"""What the account's movements mean for us: transfers are no profit, splits are no loss. Pure.

They are read when something shows that our orders do not explain: cash, or the shares of a symbol
that we hold; so a split or a withdrawal is known before anybody takes it for a loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from services.trading_bot.gather import Picture
from shared.events.fills import cost_of
from shared.events.types import Event, SharesChanged, TransferSeen
from shared.models.movements import (
    CASH_IN_LIEU,
    SPLIT_KINDS,
    TRANSFER_KINDS,
    BrokerMovement,
    previous_close,
)
from shared.models.numbers import CENT
from shared.models.orders import Side
from shared.models.portfolio import Position
from shared.models.trading_day import trading_day
from shared.models.trading_state import BotState

ZERO = Decimal(0)
_SHARE_STEP = Decimal("0.000000001")
"""Alpaca counts shares to nine digits."""
LOOK_BACK = timedelta(days=4)
"""Read further back than the last close: a broker books weekends late."""


@dataclass(frozen=True, slots=True)
class Purse:
    """Cash at the broker, and what our orders have spent of it so far, at one moment."""

    cash: Decimal
    spent: Decimal

    @classmethod
    def of(cls, picture: Picture, state: BotState) -> Purse:
        """Return the purse of a picture whose orders are booked in the state."""
        spent = ZERO
        for order in state.orders.values():
            if order.filled_qty:
                spent += cost_of(order) if order.side is Side.BUY else -cost_of(order)
        return cls(picture.account.cash, spent)

    def moved_since(self, before: Purse) -> bool:
        """Whether cash changed by a cent or more that no fill explains."""
        return abs((self.cash - before.cash) + (self.spent - before.spent)) >= CENT


def are_shares_unexplained(state: BotState, picture: Picture) -> bool:
    """Whether the broker holds another number of shares of a symbol than we know of."""
    if picture.positions is None:
        return False
    symbols = state.positions.keys() | picture.positions.keys()
    return any(_shown(each, picture.positions) != _known(each, state) for each in symbols)


def _shown(symbol: str, positions: Mapping[str, Position]) -> Decimal:
    held = positions.get(symbol)
    return held.qty if held is not None else ZERO


def _known(symbol: str, state: BotState) -> Decimal:
    known = (state.positions.get(symbol), state.external_positions.get(symbol))
    return sum((held.qty for held in known if held is not None), ZERO)


def read_since(now: datetime, state: BotState) -> date:
    """Return the New York day from which movements are read: the last close, or when the oldest
    position of ours was opened.
    """
    days = [trading_day(previous_close(trading_day(now)) - LOOK_BACK)]
    days += [trading_day(held.opened_at) for held in state.positions.values() if held.opened_at]
    return min(days)


def events_of(
    movements: Iterable[BrokerMovement], state: BotState, picture: Picture
) -> list[Event]:
    """Return what the movements mean, in the broker's order; known ones change nothing later."""
    ordered = sorted(movements, key=lambda one: (one.moment, one.activity_id))
    return [*_transfers(ordered, picture.at), *_splits(ordered, state, picture.positions)]


def _transfers(movements: Iterable[BrokerMovement], now: datetime) -> Iterable[Event]:
    for movement in movements:
        if movement.kind in TRANSFER_KINDS:
            at = movement.at or (now if movement.day == trading_day(now) else movement.moment)
            yield TransferSeen(movement.activity_id, movement.amount, at)


def _splits(
    movements: Iterable[BrokerMovement], state: BotState, held: Mapping[str, Position] | None
) -> Iterable[Event]:
    """Yield the splits that make our shares the broker's, of shares that others hold beside them
    our part alone. Where neither fits, a fill is still to come: the reconciliation shows it.
    """
    known = {each.activity_id for one in state.adjustments.values() for each in one.changes}
    fresh: dict[str, list[BrokerMovement]] = {}
    for movement in movements:
        changes_shares = movement.kind in SPLIT_KINDS or movement.kind == CASH_IN_LIEU
        if changes_shares and movement.activity_id not in known:
            fresh.setdefault(movement.symbol, []).append(movement)
    for symbol, changes in fresh.items() if held is not None else ():
        own = _own(symbol, state)
        shown = _shown(symbol, held or {})
        beside = shown - sum((each.qty for each in changes), own)
        if beside == 0:
            yield from (SharesChanged(each) for each in changes)
        elif own * beside > 0 and _is_no_fill(symbol, beside, shown, state):
            yield from (SharesChanged(_part_of(each, own, own + beside)) for each in changes)


def _is_no_fill(symbol: str, beside: Decimal, shown: Decimal, state: BotState) -> bool:
    """Whether what lay beside ours before a split is not a fill of ours that is still to come: as
    many external shares were known, or what is shown now was reconciled already.
    """
    theirs = state.external_positions.get(symbol)
    qty = theirs.qty if theirs is not None else ZERO
    was_reconciled = shown in (state.strange_quantities.get(symbol), qty + _own(symbol, state))
    return qty == beside or was_reconciled


def _own(symbol: str, state: BotState) -> Decimal:
    held = state.positions.get(symbol)
    return held.qty if held is not None else ZERO


def _part_of(movement: BrokerMovement, own: Decimal, whole: Decimal) -> BrokerMovement:
    """Return a movement of the whole account's shares as far as it is of our own."""
    qty = (movement.qty * own / whole).quantize(_SHARE_STEP).normalize()
    return replace(movement, qty=qty, amount=(movement.amount * own / whole).quantize(CENT))
