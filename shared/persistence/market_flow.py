"""Option flow in market.db: its rows in both directions, and the feed that the bot reads.

data-daemon alone writes; rows are kept by the vendor's ids, so that what comes twice stays once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.models.flow import DarkPrint, FlowAlert, FlowBatch, TidePoint
from shared.persistence.market_rows import decoded, moment_of, stamp_of
from shared.persistence.market_store import MarketStoreReader

ALERTS_PER_POLL_MAX = 10_000
_PUT_ALERT = "INSERT OR IGNORE INTO flow VALUES(NULL,?,?,?,?,?,?,?)"
_PUT_PRINT = "REPLACE INTO dark_prints VALUES(?,?,?,?,?,?)"
_PUT_TIDE = "REPLACE INTO tide VALUES(?,?,?,?)"
_NEWEST = {
    "flow": "SELECT max(at) FROM flow",
    "prints": "SELECT max(at) FROM dark_prints",
    "tide": "SELECT max(at) FROM tide",
}


def put_flow(db: sqlite3.Connection, batch: FlowBatch) -> None:
    """Write a batch within the caller's transaction; raises sqlite3.Error."""
    db.executemany(
        _PUT_ALERT,
        [
            (a.alert_id, a.symbol, stamp_of(a.at), str(a.premium), a.is_call, a.is_sweep, a.rule)
            for a in batch.alerts
        ],
    )
    db.executemany(
        _PUT_PRINT,
        [
            (p.print_id, p.symbol, stamp_of(p.at), str(p.price), p.size, str(p.premium))
            for p in batch.prints
        ],
    )
    db.executemany(
        "DELETE FROM dark_prints WHERE print_id=?", [(print_id,) for print_id in batch.canceled]
    )
    db.executemany(
        _PUT_TIDE,
        [
            (stamp_of(t.at), str(t.net_call_premium), str(t.net_put_premium), t.net_volume)
            for t in batch.tide
        ],
    )


def newest_flow(db: sqlite3.Connection, feed: str) -> datetime | None:
    """Return the market time of the newest row of `flow`, `prints` or `tide`, None without one."""
    stamp = db.execute(_NEWEST[feed]).fetchone()[0]
    return decoded(moment_of, stamp) if stamp is not None else None


class FlowStoreReader(MarketStoreReader):
    """shared.ports.FlowFeed over market.db. Raises TransientFault when it cannot be read."""

    def newest(self) -> tuple[datetime | None, datetime | None]:
        """Return the market times of the newest alert and the newest dark pool print."""
        moments = [self._one(_NEWEST[feed]) for feed in ("flow", "prints")]
        alert, dark = (None if at is None else decoded(moment_of, at) for at in moments)
        return alert, dark

    def poll(self, newer_than: datetime) -> Sequence[FlowAlert]:
        """Return the alerts after that market moment, oldest first; the newest of too many."""
        rows = self._rows(
            "SELECT alert_id, symbol, at, premium, is_call, is_sweep, rule FROM flow "
            "WHERE at>? ORDER BY at DESC, alert_id DESC LIMIT ?",
            (stamp_of(newer_than), ALERTS_PER_POLL_MAX),
        )
        found = (decoded(_alert, row) for row in reversed(rows))
        return [alert for alert in found if alert is not None]

    def prints(self, newer_than: datetime) -> Sequence[DarkPrint]:
        """Return the dark pool prints after that market moment, oldest first."""
        rows = self._rows(
            "SELECT print_id, symbol, at, price, size, premium FROM dark_prints "
            "WHERE at>? ORDER BY at DESC, print_id DESC LIMIT ?",
            (stamp_of(newer_than), ALERTS_PER_POLL_MAX),
        )
        found = (decoded(_print, row) for row in reversed(rows))
        return [one for one in found if one is not None]

    def tide(self, newer_than: datetime) -> Sequence[TidePoint]:
        """Return the market tide after that market moment, oldest first."""
        rows = self._rows(
            "SELECT at, net_call_premium, net_put_premium, net_volume FROM tide "
            "WHERE at>? ORDER BY at",
            (stamp_of(newer_than),),
        )
        found = (decoded(_tide, row) for row in rows)
        return [point for point in found if point is not None]


def _alert(row: tuple[Any, ...]) -> FlowAlert:
    alert_id, symbol, at, premium, is_call, is_sweep, rule = row
    return FlowAlert(
        alert_id, symbol, moment_of(at), Decimal(premium), bool(is_call), bool(is_sweep), rule
    )


def _print(row: tuple[Any, ...]) -> DarkPrint:
    print_id, symbol, at, price, size, premium = row
    return DarkPrint(print_id, symbol, moment_of(at), Decimal(price), int(size), Decimal(premium))


def _tide(row: tuple[Any, ...]) -> TidePoint:
    at, calls, puts, volume = row
    return TidePoint(moment_of(at), Decimal(calls), Decimal(puts), int(volume))
