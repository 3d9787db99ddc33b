"""The ledger: booked once, read beside the writer, never in the way."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from shared.errors import ConfigFault, SchemaFault, TransientFault
from shared.models.orders import Side
from shared.models.pnl import Trade
from shared.persistence.ledger import Denial, LedgerReader, LedgerWriter
from shared.risk.approved import CheckResult
from tests.support.clock import ManualClock

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)


def trade(key: str, pnl: str = "12.50") -> Trade:
    """Return a finished round trip."""
    return Trade(
        trade_key=key,
        symbol="AAPL",
        side=Side.BUY,
        qty=Decimal(10),
        entry_price=Decimal("190.25"),
        exit_price=Decimal("191.50"),
        entered_at=AT,
        exited_at=AT + timedelta(minutes=5),
        pnl=Decimal(pnl),
        strategy="momentum",
        exit_reason="target",
    )


def denial(code: str, minute: int = 0) -> Denial:
    """Return a refusal with a trace of two checks."""
    trace = (CheckResult("session", True, "open", "open"), CheckResult(code, False, "1", "2"))
    return Denial(
        at=AT + timedelta(minutes=minute),
        client_order_id=f"id-{minute}",
        symbol="AAPL",
        side="buy",
        qty=Decimal(3),
        purpose="ENTRY",
        code=code,
        limit_value="1",
        value="2",
        trace=trace,
    )


def opened(folder: Path) -> tuple[LedgerWriter, LedgerReader]:
    """Return a writer and a reader of one ledger."""
    path = folder / "ledger.db"
    return LedgerWriter(path, ManualClock()), LedgerReader(path)


def test_ledger_when_written_then_the_reader_sees_it(tmp_path: Path) -> None:
    """Money stays exact text, order as documented, the trace whole."""
    writer, reader = opened(tmp_path)
    for minute in range(3):
        writer.add_equity(AT + timedelta(minutes=minute), Decimal(f"100000.{minute}0"), Decimal(5))
    writer.add_trade(trade("a"))
    writer.add_denial(denial("spread", 0))
    writer.add_denial(denial("spread", 1))
    writer.add_denial(denial("cooldown", 2))
    assert reader.equity(10) == ()

    assert writer.commit() == 7

    assert [row["equity"] for row in reader.equity(2)] == ["100000.10", "100000.20"]
    (row,) = reader.trades(10)
    assert (row["trade_key"], row["pnl"], row["side"]) == ("a", "12.50", "buy")
    assert row["exited_at"] == "2026-11-20T18:05:00.000Z"
    newest = reader.denials(1)[0]
    assert newest["code"] == "cooldown"
    assert newest["trace"][1] == {"code": "cooldown", "passed": False, "limit": "1", "value": "2"}
    assert reader.denials_by_code() == {"spread": 2, "cooldown": 1}
    assert writer.commit() == 0
    writer.close()
    assert len(reader.trades(10)) == 1, "readable also when no writer lives"
    assert (tmp_path / "ledger.db").stat().st_mode & 0o777 == 0o600


def test_ledger_when_added_twice_then_it_is_booked_once(tmp_path: Path) -> None:
    """The outbox may deliver again after a death; a late fill rebooks its trade."""
    for pnl in ("12.50", "13.00"):
        writer, reader = opened(tmp_path)
        writer.add_equity(AT, Decimal(1), Decimal(1))
        writer.add_trade(trade("a", pnl))
        writer.add_denial(denial("spread"))
        writer.commit()
        writer.close()

    assert [row["pnl"] for row in reader.trades(10)] == ["13.00"]
    assert len(reader.equity(10)) == len(reader.denials(10)) == 1


def test_ledger_when_it_is_damaged_then_it_is_kept_and_begun_anew(tmp_path: Path) -> None:
    """The reader says that it cannot read; the writer moves the file aside and goes on."""
    (tmp_path / "ledger.db").write_bytes(b"not a database at all" * 100)
    writer, reader = opened(tmp_path)
    with pytest.raises(TransientFault):
        reader.trades(10)

    writer.add_trade(trade("a"))
    writer.commit()

    assert len(reader.trades(10)) == 1
    assert "damaged" in writer.notes[0]
    assert any(path.name.startswith("ledger.db.corrupt.") for path in tmp_path.iterdir())
    writer.close()


def test_ledger_when_the_disk_refuses_then_nothing_that_waits_is_lost(tmp_path: Path) -> None:
    """A writer that is locked out keeps its rows and writes them later."""
    writer, reader = opened(tmp_path)
    writer.open()
    rival = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    writer.add_trade(trade("a"))

    with pytest.raises(TransientFault):
        writer.commit()

    rival.execute("ROLLBACK")
    rival.close()
    assert writer.commit() == 1
    assert len(reader.trades(10)) == 1
    writer.close()


def test_ledger_when_it_is_of_a_newer_version_then_it_is_left_alone(tmp_path: Path) -> None:
    """Neither written nor read."""
    database = sqlite3.connect(tmp_path / "ledger.db")
    database.execute("PRAGMA user_version=2")
    database.close()
    writer, reader = opened(tmp_path)

    with pytest.raises(SchemaFault):
        writer.open()
    with pytest.raises(SchemaFault):
        reader.trades(1)


def test_ledger_when_it_is_a_link_then_it_is_refused(tmp_path: Path) -> None:
    """Never followed."""
    (tmp_path / "ledger.db").symlink_to("elsewhere")

    with pytest.raises(ConfigFault, match="symbolic link"):
        opened(tmp_path)[0].open()
