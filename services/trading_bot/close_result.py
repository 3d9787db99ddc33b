"""What a close answers, and when: its numbers, under the names of CONTRACTS.md section 7. Pure."""

from __future__ import annotations

from decimal import Decimal

from services.trading_bot.unseen import is_closed_unseen
from shared.clock import utc_text
from shared.models.commands import Command, CommandName
from shared.models.externals import external_key
from shared.models.orders import OrderRole, OrderStatus
from shared.models.trading_state import BotState


def close_result(command: Command, position_key: str, state: BotState) -> dict[str, object]:
    """Return the numbers of the position with that key; None where the state knows none."""
    history = reversed(state.trade_history)
    trade = next((one for one in history if one.trade_key == position_key), None)
    exits = [
        order
        for order in state.orders.group(position_key)
        if order.role is not OrderRole.ENTRY and order.filled_qty > 0
    ]
    return {
        "symbol": command.text("symbol"),
        "qty": str(trade.qty) if trade is not None else None,
        "entry_price": _text(trade.entry_price if trade is not None else None),
        "close_price": _text(trade.exit_price if trade is not None else None),
        "realized_pnl": str(trade.pnl) if trade is not None else None,
        "reason": command.reason,
        "closed_at": utc_text(trade.exited_at) if trade is not None else None,
        "order_id": exits[-1].broker_order_id if exits else None,
    }


def is_queued(position_key: str, state: BotState) -> bool:
    """Whether an order that leaves the position waits at the broker."""
    return any(
        order.role is OrderRole.EXIT
        and order.status is not OrderStatus.UNKNOWN
        and order.status.is_live
        for order in state.orders.group(position_key)
    )


def is_done_unseen(command: Command, position_key: str, state: BotState) -> bool:
    """Whether the broker's status codes alone say that a command is carried out (rule 22)."""
    if command.command is CommandName.CLOSE_POSITION:
        return is_closed_unseen(state, position_key)
    keys = [position.position_key for position in state.positions.values()]
    if command.switch("include_external"):
        keys += [external_key(symbol) for symbol in state.external_positions]
    is_meant = bool(keys) and command.switch("flatten")
    return is_meant and all(is_closed_unseen(state, key) for key in keys)


def _text(price: Decimal | None) -> str | None:
    return str(price.quantize(Decimal("0.0001"))) if price is not None else None
