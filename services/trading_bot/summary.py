"""The end of a run: a last comparison with the exchange, and the report on the terminal.

For a replay the report is also written to logs/replay_report.txt and .json. It is made of the
ledger, the state and the exchange's own books, all in market time.
"""

from __future__ import annotations

import sys
import threading
from decimal import Decimal

from services.trading_bot.comparison import differences
from services.trading_bot.coverage import coverage
from services.trading_bot.gather import Picture
from services.trading_bot.parts import Parts
from services.trading_bot.report import (
    EquityPoint,
    OpenLine,
    ReportFacts,
    TradeLine,
    report_json,
    report_text,
)
from shared.clock import utc_text
from shared.errors import SystemFault
from shared.events.types import OutboxWritten
from shared.models.ids import parse_own_id
from shared.models.orders import OrderRole
from shared.models.trading_state import BotState
from shared.persistence.atomic_file import write_document
from shared.persistence.ledger import LedgerReader, Row

COMPARISONS_MAX = 8
"""A free-running market moves between two reads; a difference counts when it stays."""
PAUSE_S = 0.25
ROWS_MAX = 1_000_000
REPORT_TEXT, REPORT_JSON = "replay_report.txt", "replay_report.json"


def print_summary(parts: Parts, stop: threading.Event) -> int:
    """Print the report and return 0 when it is sound, else 1."""
    found, picture = _compare(parts, stop)
    parts.memory.book((OutboxWritten(parts.books.write(parts.memory.state)),))
    facts = _facts(parts, found, picture)
    text = report_text(facts)
    sys.stdout.write(text)
    sys.stdout.flush()
    if parts.settings.sim.replay is not None:
        folder = parts.settings.logs.root
        write_document(folder / REPORT_TEXT, text.encode())
        write_document(folder / REPORT_JSON, report_json(facts).encode())
    return 0 if facts.is_sound else 1


def _compare(parts: Parts, stop: threading.Event) -> tuple[tuple[str, ...] | None, Picture | None]:
    """Compare until nothing differs or it is tried enough; None when nobody answers."""
    found: tuple[str, ...] | None = None
    picture: Picture | None = None
    for _ in range(COMPARISONS_MAX):
        try:
            now = parts.market_clock.reading().now
        except SystemFault:
            return found, picture
        picture = parts.eye.look(parts.memory.state, now)
        if picture is not None:
            parts.memory.book(parts.eye.news(picture))
            found = differences(parts.memory.state, picture)
            if not found:
                break
        if parts.clock.wait(stop, PAUSE_S):
            break
    return found, picture


def _facts(parts: Parts, found: tuple[str, ...] | None, picture: Picture | None) -> ReportFacts:
    state = parts.memory.state
    reader = LedgerReader(parts.settings.state.ledger)
    points = [_point(row) for row in reader.equity(ROWS_MAX)]
    if picture is not None:
        points.append(EquityPoint(utc_text(picture.at), picture.account.equity))
    epochs = state.owns_epoch
    trades = [_trade(row) for row in reader.trades(ROWS_MAX) if _is_of(row, epochs)]
    return ReportFacts(
        mode=state.mode,
        account_id=state.account_id,
        symbols=parts.market.symbols,
        equity_points=points,
        # Closed trades and what is still open: each began with a filled entry.
        entries=len(trades) + len(state.positions),
        trades=trades,
        denials=reader.denials_by_code(),
        positions=_open_lines(state, picture),
        differences=found,
    )


def _is_of(row: Row, epochs: frozenset[str]) -> bool:
    own = parse_own_id(str(row["trade_key"]))
    return own is not None and own.epoch in epochs


def _point(row: Row) -> EquityPoint:
    return EquityPoint(str(row["at"]), Decimal(row["equity"]))


def _trade(row: Row) -> TradeLine:
    return TradeLine(
        symbol=row["symbol"],
        qty=Decimal(row["qty"]),
        entry_price=Decimal(row["entry_price"]),
        exit_price=Decimal(row["exit_price"]),
        entered_at=row["entered_at"],
        exited_at=row["exited_at"],
        pnl=Decimal(row["pnl"]),
        strategy=row["strategy"],
        exit_reason=row["exit_reason"],
    )


def _open_lines(state: BotState, picture: Picture | None) -> list[OpenLine]:
    rows = coverage(state, picture.at if picture is not None else None)
    held = (picture.positions if picture is not None else None) or {}
    lines = []
    for symbol, position in sorted(state.positions.items()):
        shown = held.get(symbol)
        live = [
            order
            for order in state.orders.group(position.position_key)
            if order.role is OrderRole.STOP and order.status.is_live
        ]
        lines.append(
            OpenLine(
                symbol=symbol,
                qty=position.qty,
                entry_price=position.entry_price,
                current_price=shown.current_price if shown is not None else None,
                stop_price=live[0].stop_price if live else None,
                stop_qty=rows[symbol].stop_qty,
            )
        )
    return lines
