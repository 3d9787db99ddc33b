"""What happened, written down once: orders.jsonl for people, ledger.db for page and report.

The state's outbox says what is owed; what was written is told back as one event, so that a
death in between writes a line again rather than never (lines carry keys; the ledger is keyed).
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from services.trading_bot.orders_log import OrdersLog, OrderStep
from shared.errors import SystemFault
from shared.models.json_values import from_json
from shared.models.pnl import Statement, Trade
from shared.models.portfolio import Account
from shared.models.trading_state import BotState, OutboxItem
from shared.persistence.ledger import Denial, LedgerWriter
from shared.risk.approved import render_trace
from shared.risk.trade_guard import Denied
from shared.telemetry.logs import log_event

EQUITY_EVERY = timedelta(minutes=1)
"""Market time between two points of the equity curve."""
_OWN_FACTS = frozenset({"client_order_id", "symbol", "side"})
_NOISY = frozenset({OrderStep.INTENT, OrderStep.ACCEPTED})


class Books:
    """Writes the outbox, denials and equity points. A refusing disk is logged, never raised."""

    def __init__(self, orders_log: OrdersLog, ledger: LedgerWriter) -> None:
        self._orders_log = orders_log
        self._ledger = ledger
        self._logger = logging.getLogger("books")
        self._equity_at: datetime | None = None

    def write(self, state: BotState) -> tuple[str, ...]:
        """Write everything that is owed, rows that wait for the ledger too; return the keys of the
        state's outbox that are on the disk now. A trade counts only once the ledger has it.
        """
        for item in state.outbox:
            if item.kind == "trade":
                self._trade(item)
            else:
                self._step(item)
        has_ledger = self._commit()
        return tuple(item.key for item in state.outbox if has_ledger or item.kind != "trade")

    def _trade(self, item: OutboxItem) -> None:
        trade: Trade = from_json(Trade, dict(item.facts))
        self._ledger.add_trade(trade)
        log_event(
            self._logger,
            "trade_closed",
            f"{trade.symbol} {trade.qty} at {trade.entry_price:.4f} left at "
            f"{trade.exit_price:.4f}: {trade.pnl} dollars, {trade.exit_reason}",
            symbol=trade.symbol,
            pnl=str(trade.pnl),
            reason=trade.exit_reason,
        )

    def _step(self, item: OutboxItem) -> None:
        facts = dict(item.facts)
        step = OrderStep(item.kind)
        own_id, symbol, side = facts["client_order_id"], facts["symbol"], facts["side"]
        rest = {name: value for name, value in facts.items() if name not in _OWN_FACTS}
        self._orders_log.write(step, own_id, symbol, side, **rest)
        if step not in _NOISY:
            message = f"{facts.get('role', '')} {side} {facts.get('qty', '')} {symbol} {item.kind}"
            if step is OrderStep.FILL:
                message += f" {facts.get('fill_qty')} at {facts.get('price')}"
            log_event(
                self._logger, f"order_{item.kind}", message, client_order_id=own_id, symbol=symbol
            )

    def denied(self, denied: Denied, at: datetime) -> None:
        """Keep a denial with its whole trace."""
        request = denied.request
        trace = render_trace(denied.trace)
        row = next(check for check in trace if check.code == denied.code)
        self._ledger.add_denial(
            Denial(
                at=at,
                client_order_id=request.client_order_id,
                symbol=request.symbol,
                side=request.side.value,
                qty=request.qty,
                purpose=request.purpose.value,
                code=denied.code,
                limit_value=row.limit,
                value=row.value,
                trace=trace,
            )
        )

    def statement(self, statement: Statement) -> None:
        """Keep a day's comparison with the broker."""
        self._ledger.add_statement(statement)

    def equity(self, at: datetime, account: Account) -> None:
        """Add a point to the equity curve, once per market minute."""
        if self._equity_at is not None and at - self._equity_at < EQUITY_EVERY:
            return
        self._equity_at = at
        self._ledger.add_equity(at, account.equity, account.cash)

    def _commit(self) -> bool:
        """Bring the ledger's rows to the disk, once per turn; False when it refuses."""
        refused = False
        try:
            self._ledger.commit()
        except SystemFault as fault:
            refused = True
            log_event(self._logger, "ledger_refused", str(fault), level=logging.ERROR)
        for note in self._ledger.notes:
            log_event(self._logger, "ledger_note", note, level=logging.WARNING)
        self._ledger.notes.clear()
        return not refused

    def close(self) -> None:
        """Write what waits and close the ledger."""
        self._commit()
        self._ledger.close()
