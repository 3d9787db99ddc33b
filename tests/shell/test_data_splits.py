"""Minute bars over a split: the indicators' history is told in the shares of today."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.market_view import MarketView
from tests.support.bar_texts import minutes_from, write_bars
from tests.support.daemon_process import DaemonProcess, LockStepBot
from tests.support.exchange_process import ExchangeProcess

pytestmark = pytest.mark.integration

KEYS = ("key-of-the-test", "secret-of-the-test")
FRIDAY, MONDAY, TUESDAY = (f"2019-02-{day}T14:30:00+00:00" for day in ("08", "11", "12"))
SPLIT = (
    "symbol,last_date_before,split_factor_before,split_factor_after,ratio\nAA,2019-02-11,1,7,7\n"
)
BEFORE, AFTER = 4, 2


def make_bars(folder: Path) -> Path:
    """AA splits seven for one after Monday, BB does not."""
    folder.mkdir()
    for symbol, old, new in (("AA", "700.00", "100.00"), ("BB", "50.00", "50.00")):
        rows = [*minutes_from(FRIDAY, 2, old), *minutes_from(MONDAY, BEFORE, old)]
        write_bars(folder, f"{symbol}_1min.csv", [*rows, *minutes_from(TUESDAY, AFTER, new)])
    (folder / "splits.csv").write_text(SPLIT, encoding="utf-8")
    return folder


@pytest.mark.parametrize("is_killed", [False, True])
def test_minutes_when_a_symbol_splits_over_night_then_the_buffers_hold_no_jump(
    tmp_path: Path, is_killed: bool
) -> None:
    """Seven for one: from the first minute of the new day on the bot's buffer shows yesterday at
    a seventh, also when data-daemon died over night; a symbol that did not split stays as it was.
    """
    options = ("--speed", "max", "--replay", str(make_bars(tmp_path / "bars")))
    with (
        ExchangeProcess(tmp_path / "exchange", *options, "--from", "2019-02-11") as exchange,
        DaemonProcess(tmp_path, exchange.port, speed="max", keys=KEYS) as daemon,
    ):
        bot = LockStepBot(daemon)
        turn = bot.next()
        view = MarketView(daemon.reader, ("AA", "BB"))
        view.warmed()
        ends: dict[str, list[Decimal]] = {}
        while turn.minute is not None and turn.minute.day == 11:
            view.refresh(turn.minute)
            ends["before"] = [candle.close for candle in view.buffers["AA"]]
            if is_killed and turn.minute.minute == 30 + BEFORE - 1:
                daemon.kill()
                daemon.start()
            turn = bot.next()
        view.refresh(turn.minute)
        ends["after"] = [candle.close for candle in view.buffers["AA"]]
        ends["other"] = [candle.close for candle in view.buffers["BB"]]

    assert min(ends["before"]) == 700
    assert len(ends["after"]) == len(ends["before"]) + 1
    assert max(ends["after"]) < Decimal("100.02")
    assert min(ends["after"]) == 100
    assert min(ends["other"]) == 50
    assert len(ends["other"]) == len(ends["after"])
