"""What a close-position answers: its numbers, under the names of CONTRACTS.md section 7."""

from __future__ import annotations

from decimal import Decimal

from shared.clock import utc_text
from shared.models.commands import Command
from shared.models.orders import OrderRole
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


def _text(price: Decimal | None) -> str | None:
    return str(price.quantize(Decimal("0.0001"))) if price is not None else None
