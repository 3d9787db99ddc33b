"""Reads what a finished run left behind: the bot's books, and the broker's own activities."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.trading_bot.backtest.audit import Booking, Claims, fill_booking
from services.trading_bot.backtest.broker_orders import BrokerStops, read_stops
from services.trading_bot.backtest.measures import CostedFill
from services.trading_bot.report import EquityPoint
from shared.config.paths import LogPaths, StatePaths
from shared.errors import TransientFault
from shared.persistence.ledger import LedgerReader, Row

ROWS_MAX = 1_000_000
FILL = "FILL"


@dataclass(frozen=True, slots=True)
class Records:
    """Everything that the result is made of; times in it are market time."""

    report: dict[str, Any]
    """replay_report.json as `run` writes it."""
    points: tuple[EquityPoint, ...]
    cash: Decimal
    """Cash at the last equity point, in dollars."""
    fills: tuple[CostedFill, ...]
    bookings: tuple[Booking, ...]
    """The broker's activities, oldest first."""
    denials: tuple[Row, ...]
    stops: BrokerStops

    @property
    def claims(self) -> Claims:
        """What the bot's books say at the end."""
        trades = self.report["trades"]
        held = self.report["open_positions"]
        return Claims(
            cash=self.cash,
            trade_pnls=tuple((row["symbol"], Decimal(row["pnl"])) for row in trades),
            open_shares={row["symbol"]: Decimal(row["qty"]) for row in held},
        )


def read_records(folder: Path) -> Records:
    """Return what `folder`/state and `folder`/logs hold; raises TransientFault, ValueError."""
    state, logs = StatePaths(folder / "state"), LogPaths(folder / "logs")
    report = json.loads((logs.root / "replay_report.json").read_text(encoding="utf-8"))
    ledger = LedgerReader(state.ledger)
    rows = ledger.equity(ROWS_MAX)
    return Records(
        report=report,
        points=tuple(EquityPoint(row["at"], Decimal(row["equity"])) for row in rows),
        cash=Decimal(rows[-1]["cash"]) if rows else Decimal(0),
        fills=_fills(logs.orders),
        bookings=_bookings(state.exchange, report["account_id"]),
        denials=ledger.denials(ROWS_MAX)[::-1],
        stops=read_stops(state.exchange, report["account_id"]),
    )


def _fills(orders_log: Path) -> tuple[CostedFill, ...]:
    fills: dict[str, CostedFill] = {}
    if not orders_log.exists():
        return ()
    for text in orders_log.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if line["event"] == "fill":
            # A death between writing and forgetting writes a line again: the id counts once.
            fills[line["trade_id"]] = CostedFill(
                symbol=line["symbol"],
                at=datetime.fromisoformat(line["at"]),
                qty=Decimal(line["fill_qty"]),
                price=Decimal(line["price"]),
                role=line["role"],
            )
    return tuple(fills.values())


def _bookings(database: Path, account_id: str) -> tuple[Booking, ...]:
    address = f"{database.absolute().as_uri()}?mode=ro"
    query = "SELECT kind, document FROM activities WHERE account_id = ? ORDER BY seq"
    try:
        with closing(sqlite3.connect(address, uri=True)) as opened:
            rows = opened.execute(query, (account_id,)).fetchall()
    except sqlite3.Error as failure:
        raise TransientFault(f"{database.name} cannot be read: {failure}") from failure
    return tuple(_booking(str(kind), json.loads(text)) for kind, text in rows)


def _booking(kind: str, row: dict[str, Any]) -> Booking:
    if kind == FILL:
        qty, price = Decimal(row["qty"]), Decimal(row["price"])
        made = fill_booking(row["at"], row["symbol"], row["side"], qty, price)
        return replace(made, order_id=row["order_id"])
    amount, qty = Decimal(row["amount"]), Decimal(row["qty"])
    return Booking(row["at"], row["symbol"], amount, qty, is_fill=False)
