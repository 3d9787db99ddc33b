"""Replays an account's activities from its opening cash: the books, made a second time. Pure.

What a fill does to cash and position follows from its shares and its price alone, so the log of
activities must give the very books that stand beside it, to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from services.exchange_sim.account import FillEffect, apply_fill
from services.exchange_sim.cash_desk import transferred_part
from services.exchange_sim.movements import Activity, Movement, MovementKind
from services.exchange_sim.records import ZERO, AccountRecord, SimFill, SimPosition
from services.exchange_sim.splits import paid_out
from shared.models.orders import Side


@dataclass(slots=True)
class Ledger:
    """Money and shares."""

    cash: Decimal
    realized: Decimal = ZERO
    transferred: Decimal = ZERO
    positions: dict[str, SimPosition] = field(default_factory=dict)

    def _book(self, symbol: str, effect: FillEffect) -> None:
        self.cash += effect.cash
        self.realized += effect.realized
        if effect.position is None:
            self.positions.pop(symbol, None)
        else:
            self.positions[symbol] = effect.position

    def take(self, activity: Activity) -> None:
        """Book one activity."""
        if isinstance(activity, SimFill):
            signed = activity.qty if activity.side is Side.BUY else -activity.qty
            held = self.positions.get(activity.symbol)
            self._book(activity.symbol, apply_fill(held, activity.symbol, signed, activity.price))
        elif activity.kind is MovementKind.SPLIT:
            self._split(activity)
        elif activity.kind is MovementKind.CASH_IN_LIEU:
            held = self.positions[activity.symbol]
            self._book(activity.symbol, paid_out(held, -activity.qty, activity.amount))
        else:
            self.cash += activity.amount
            self.transferred += transferred_part(activity)

    def _split(self, split: Movement) -> None:
        held = self.positions.pop(split.symbol)
        qty = held.qty + split.qty
        if qty:
            self.positions[split.symbol] = SimPosition(split.symbol, qty, held.cost)
        else:
            self.realized -= held.cost


def replayed(start_cash: Decimal, activities: Iterable[Activity]) -> Ledger:
    """Return what the activities make of the opening cash."""
    ledger = Ledger(start_cash)
    for activity in activities:
        ledger.take(activity)
    return ledger


def differences(
    ledger: Ledger, account: AccountRecord, positions: Mapping[str, SimPosition]
) -> list[str]:
    """Return where the books disagree with the ledger, and with themselves; empty: nowhere."""
    found = [
        f"{name}: {getattr(account, name)} in the books, {getattr(ledger, name)} by the activities"
        for name in ("cash", "realized", "transferred")
        if getattr(account, name) != getattr(ledger, name)
    ]
    for symbol in sorted({*positions, *ledger.positions}):
        ours, theirs = positions.get(symbol), ledger.positions.get(symbol)
        if ours != theirs:
            found.append(f"{symbol}: {ours} in the books, {theirs} by the activities")
    cost = sum((position.cost for position in positions.values()), ZERO)
    owed = account.start_cash + account.transferred + account.realized
    if account.cash + cost != owed:
        found.append(f"cash {account.cash} and cost {cost} are not {owed}: money was made or lost")
    return found
