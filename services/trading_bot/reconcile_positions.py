"""Positions of a reconciliation: compared after the orders, never copied. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from services.trading_bot.reconcile_report import Outcome, Working
from shared.events.types import ExternalsObserved
from shared.models.externals import serves_externals
from shared.models.portfolio import Position
from shared.models.trading_state import BotState

ZERO = Decimal(0)

_SETTLING = timedelta(seconds=60)
"""Positions may lag behind orders: within this time of a change a difference proves nothing."""


def match_positions(working: Working, positions: Iterable[Position]) -> None:
    """Compare the broker's shares with ours; what is beyond ours is external.

    A difference that can be a lag, and one that is less than ours, is unresolved at first; the
    same difference seen again is a fact: more than ours is external then, less stays unresolved.
    What was external before stays so, as far as it is still there.
    """
    held = {position.symbol: position for position in positions}
    ours = working.state.positions
    externals: list[Position] = []
    strange: dict[str, Decimal] = {}
    for symbol in sorted(held.keys() | ours.keys()):
        shown = held[symbol].qty if symbol in held else ZERO
        own = ours[symbol].qty if symbol in ours else ZERO
        if shown == own:
            working.note(Outcome.MATCHED, symbol, "", f"{shown} shares")
            continue
        beyond = shown - own
        seen_before = working.state.strange_quantities.get(symbol) == shown
        is_more = own == ZERO or (beyond > 0) == (own > 0)
        known = _known(working.state, symbol, beyond) if is_more else ZERO
        is_proved = seen_before or known == beyond
        detail = f"the broker holds {shown}, we know of {own}"
        if is_more and (is_proved or not _may_lag(working.state, symbol, working)):
            externals.append(_external(held[symbol], beyond))
            working.note(Outcome.EXTERNAL, symbol, "", detail)
            continue
        strange[symbol] = shown
        if known != ZERO:
            externals.append(_external(held[symbol], known))
        again = "again" if seen_before else "first seen"
        working.note(Outcome.UNRESOLVED, symbol, "", f"{detail}, {again}")
    working.take(ExternalsObserved(tuple(externals), strange, working.at))


def _known(state: BotState, symbol: str, beyond: Decimal) -> Decimal:
    """Return how many of the shares beyond ours were external before; none of the other side."""
    before = state.external_positions.get(symbol)
    if before is None or before.qty * beyond <= 0:
        return ZERO
    return min(before.qty, beyond, key=abs)


def _external(shown: Position, qty: Decimal) -> Position:
    return Position(
        symbol=shown.symbol,
        qty=qty,
        entry_price=shown.entry_price,
        opened_at=shown.opened_at,
        current_price=shown.current_price,
    )


def _may_lag(state: BotState, symbol: str, working: Working) -> bool:
    """Whether one of our orders of the symbol is open, unknown or has just changed."""
    if symbol in state.positions:
        return True
    for order in state.orders.of_symbol(symbol):
        if serves_externals(order.position_key) and order.filled_at is None:
            continue  # it stands beside shares that are not ours, and moves none until it fills
        if not order.status.is_terminal:
            return True
        changed = order.filled_at or order.updated_at
        if changed is not None and working.at - changed < _SETTLING:
            return True
    return False
