"""Cash in and out of the account without a trade: deposits, withdrawals, fees, dividends."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from services.exchange_sim.admission import plain, refused
from services.exchange_sim.books import Books
from services.exchange_sim.movements import Movement, MovementKind
from services.exchange_sim.records import ZERO

CASH_KINDS = frozenset(MovementKind) - {MovementKind.SPLIT, MovementKind.CASH_IN_LIEU}
_OUT = frozenset({MovementKind.WITHDRAWAL, MovementKind.FEE})


def move_cash(books: Books, kind: MovementKind, dollars: Decimal, at: datetime) -> Movement:
    """Book a positive amount in the direction of its kind; raises Refusal when more is to be
    withdrawn than there is.
    """
    if kind is MovementKind.WITHDRAWAL and dollars > books.account.cash:
        raise refused(
            f"insufficient cash (requested: {plain(dollars)}, "
            f"available: {plain(books.account.cash)})"
        )
    movement = Movement(
        seq=books.next_activity_seq(),
        movement_id=books.new_name(),
        kind=kind,
        at=books.stamp(at),
        amount=-dollars if kind in _OUT else dollars,
    )
    books.update_account(
        cash=books.account.cash + movement.amount,
        transferred=books.account.transferred + transferred_part(movement),
    )
    books.changes.activities.append(movement)
    return movement


def transferred_part(movement: Movement) -> Decimal:
    """Return what of a movement neither buys nor sells anything."""
    return movement.amount if movement.kind in CASH_KINDS else ZERO
