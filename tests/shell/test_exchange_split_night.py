"""Splits of a replay folder, over night, in a real exchange-sim process."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.shell.test_exchange_lockstep import BOT, DAEMON, Turns
from tests.support.bar_texts import minutes_from, write_bars
from tests.support.exchange_process import ROOT, ExchangeProcess

pytestmark = pytest.mark.integration
MONDAY, TUESDAY = "2019-02-11T14:30:00+00:00", "2019-02-12T14:30:00+00:00"
HEADER = "symbol,last_date_before,split_factor_before,split_factor_after,ratio"


def make_bars(folder: Path) -> Path:
    """AA splits seven for one and BB one for twenty, both after Monday."""
    folder.mkdir()
    for symbol, before, after in (("AA", "700.00", "100.00"), ("BB", "5.00", "100.00")):
        rows = [*minutes_from(MONDAY, 3, before), *minutes_from(TUESDAY, 2, after)]
        write_bars(folder, f"{symbol}_1min.csv", rows)
    (folder / "splits.csv").write_text(
        f"{HEADER}\nAA,2019-02-11,0.0357143,0.25,7\nBB,2019-02-11,20.0,1.0,0.05\n",
        encoding="utf-8",
    )
    return folder


def turn(turns: Turns, minute: str) -> str:
    """Let both finish a minute and return the next one."""
    turns.ask(DAEMON, minute)
    turns.ask(BOT, minute)
    answer = turns.ask(DAEMON)
    return str(answer["minute"])


def get(exchange: ExchangeProcess, path: str) -> Any:
    """Return a reply's document."""
    return exchange.call("GET", path).json()


def test_positions_when_the_folder_names_splits_then_they_change_over_night(
    tmp_path: Path,
) -> None:
    """Forward: seven times the shares at a seventh; reverse: whole shares and cash in lieu.
    Equity does not move, the books stay whole, and a restart splits nothing twice.
    """
    bars = make_bars(tmp_path / "bars")
    options = ("--speed", "max", "--replay", str(bars))
    with ExchangeProcess(tmp_path, *options) as exchange:
        turns = Turns(exchange)
        minute = str(turns.ask(DAEMON)["minute"])
        for symbol, qty in (("AA", "10"), ("BB", "110")):
            body = {"symbol": symbol, "side": "buy", "type": "market", "qty": qty}
            sent = exchange.call("POST", "/v2/orders", json=body | {"time_in_force": "day"})
            assert sent.status_code == 200, sent.text
        minute = turn(turns, minute)
        before = {row["symbol"]: row for row in get(exchange, "/v2/positions")}
        equity = Decimal(get(exchange, "/v2/account")["equity"])
        while minute[:10] == MONDAY[:10]:
            minute = turn(turns, minute)
        exchange.kill()
        exchange.start()
        after = {row["symbol"]: row for row in get(exchange, "/v2/positions")}
        account = get(exchange, "/v2/account")
        rows = get(exchange, "/v2/account/activities?activity_types=SPLIT,CIL&direction=asc")
        audit = get(exchange, "/sim/account/audit")

    assert [before[name]["qty"] for name in ("AA", "BB")] == ["10", "110"]
    assert [after[name]["qty"] for name in ("AA", "BB")] == ["70", "5"]
    assert after["AA"]["cost_basis"] == before["AA"]["cost_basis"]
    assert Decimal(after["AA"]["lastday_price"]) == 100
    assert [(row["activity_type"], row["symbol"], row["qty"]) for row in rows] == [
        ("SPLIT", "AA", "60"),
        ("SPLIT", "BB", "-104.5"),
        ("CIL", "BB", "-0.5"),
    ]
    assert rows[-1]["net_amount"] == "50.2"  # half of twenty times Monday's last 5.02
    assert abs(Decimal(account["equity"]) - equity) < 5
    assert audit["is_whole"]


def test_exchange_when_the_splits_file_is_wrong_then_it_names_the_line(tmp_path: Path) -> None:
    """A ratio of nothing ends the start with 78's sentence instead of losing the shares."""
    bars = make_bars(tmp_path / "bars")
    (bars / "splits.csv").write_text(f"{HEADER}\nAA,2019-02-11,1,1,0\n", encoding="utf-8")
    command = [sys.executable, "-m", "services.exchange_sim", "--check", "--replay", str(bars)]
    environ = os.environ | {"STATE_DIR": str(tmp_path / "s"), "LOG_DIR": str(tmp_path / "l")}

    ended = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=20, check=False
    )

    assert ended.returncode == 78
    assert "splits.csv line 2: ratio '0'" in ended.stderr
