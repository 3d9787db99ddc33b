"""Pure: the bot's orders and the ledger's records become rows: orders, trades, denials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.dashboard import formats
from services.dashboard.documents import Document
from services.dashboard.tolerant import Row, flag_of, moment_of, number_of, rows_of, text_of

OPEN_STATUSES_LAST = ("filled", "canceled", "expired", "rejected", "replaced", "not_sent")
ORDERS_SHOWN_MAX = 60


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order that the bot knows."""

    client_order_id: str
    symbol: str
    side: str
    qty: str
    kind: str
    role: str
    status: str
    price: str
    created: str
    reason: str


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One check of the guard as it was applied."""

    code: str
    passed: bool
    limit: str
    value: str


@dataclass(frozen=True, slots=True)
class DenialRow:
    """One order that the guard refused, with its whole trace."""

    key: str
    at: str
    symbol: str
    side: str
    qty: str
    purpose: str
    code: str
    limit: str
    value: str
    trace: tuple[TraceRow, ...]


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One round trip that is over."""

    key: str
    ended: str
    symbol: str
    side: str
    qty: str
    entry: str
    exit: str
    pnl: str
    direction: str
    strategy: str
    reason: str


def order_rows(status: Row, now: datetime) -> tuple[OrderRow, ...]:
    """Return the orders, working ones first, then the newest."""
    rows = sorted(rows_of(status, "orders"), key=lambda row: text_of(row, "created_at"))
    rows.reverse()
    rows.sort(key=lambda row: text_of(row, "status") in OPEN_STATUSES_LAST)
    return tuple(_order_row(row, now) for row in rows[:ORDERS_SHOWN_MAX])


def _order_row(row: Row, now: datetime) -> OrderRow:
    prices = (("limit", number_of(row, "limit_price")), ("stop", number_of(row, "stop_price")))
    words = [f"{name} {formats.money(price)}" for name, price in prices if price is not None]
    filled, wanted = number_of(row, "filled_qty"), number_of(row, "qty")
    return OrderRow(
        client_order_id=text_of(row, "client_order_id", formats.NOTHING),
        symbol=text_of(row, "symbol", formats.NOTHING),
        side=text_of(row, "side", formats.NOTHING),
        qty=f"{formats.quantity(filled)} / {formats.quantity(wanted)}",
        kind=text_of(row, "type", formats.NOTHING),
        role=text_of(row, "role", formats.NOTHING),
        status=text_of(row, "status", formats.NOTHING),
        price=", ".join(words) or "market",
        created=formats.clock_text(moment_of(row, "created_at"), now),
        reason=text_of(row, "reason"),
    )


def denial_rows(denials: Sequence[Document], now: datetime) -> tuple[DenialRow, ...]:
    """Return the guard's refusals with their traces: the answer to "why not"."""
    return tuple(
        DenialRow(
            key=text_of(row, "id") or text_of(row, "client_order_id"),
            at=formats.clock_text(moment_of(row, "at"), now),
            symbol=text_of(row, "symbol", formats.NOTHING),
            side=text_of(row, "side"),
            qty=formats.quantity(number_of(row, "qty")),
            purpose=text_of(row, "purpose", formats.NOTHING),
            code=text_of(row, "code", formats.NOTHING),
            limit=text_of(row, "limit_value", formats.NOTHING),
            value=text_of(row, "value", formats.NOTHING),
            trace=trace_rows(row.get("trace")),
        )
        for row in denials
    )


def trace_rows(trace: object) -> tuple[TraceRow, ...]:
    """Return the checks of a stored trace: a list of objects, or its JSON text."""
    if isinstance(trace, str):
        try:
            trace = json.loads(trace)
        except ValueError:
            return ()
    if not isinstance(trace, list | tuple):
        return ()
    return tuple(
        TraceRow(
            code=text_of(row, "code", formats.NOTHING),
            passed=flag_of(row, "passed") is True,
            limit=text_of(row, "limit", formats.NOTHING),
            value=text_of(row, "value", formats.NOTHING),
        )
        for row in trace
        if isinstance(row, Mapping)
    )


def trade_rows(trades: Sequence[Document], now: datetime) -> tuple[TradeRow, ...]:
    """Return the closed trades, newest first."""
    return tuple(
        TradeRow(
            key=text_of(row, "trade_key"),
            ended=formats.clock_text(moment_of(row, "exited_at"), now),
            symbol=text_of(row, "symbol", formats.NOTHING),
            side=text_of(row, "side"),
            qty=formats.quantity(number_of(row, "qty")),
            entry=formats.money(number_of(row, "entry_price")),
            exit=formats.money(number_of(row, "exit_price")),
            pnl=formats.signed_money(number_of(row, "pnl")),
            direction=formats.direction(number_of(row, "pnl")),
            strategy=text_of(row, "strategy", formats.NOTHING),
            reason=text_of(row, "exit_reason"),
        )
        for row in trades
    )
