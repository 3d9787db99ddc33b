"""Transfers and splits on a real exchange: no profit, no loss, limits and stops that follow."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.bot_process import TradingFloor, trading_floor

pytestmark = pytest.mark.integration

POSITION_WITHIN_S = 40.0
SEEN_WITHIN_S = 20.0


def held(floor: TradingFloor) -> list[str]:
    """Symbols in which the bot shows a position with a confirmed stop."""
    rows = floor.bot.status().get("positions", [])
    return [row["symbol"] for row in rows if row["stop_confirmed"]]


def money(floor: TradingFloor, name: str) -> Decimal:
    """One amount of bot_status.json."""
    return Decimal(floor.bot.status()[name])


def move(floor: TradingFloor, kind: str, amount: str) -> None:
    """Let the account's owner move cash."""
    body = {"kind": kind, "amount": amount}
    answer = floor.exchange.call("POST", "/sim/account/cash", json=body)
    assert answer.status_code == 200, answer.text


def limit_of(floor: TradingFloor, name: str) -> Decimal:
    """One limit of bot_status.json, in dollars."""
    rows = {row["name"]: row for row in floor.bot.status()["limits"]}
    return Decimal(rows[name]["limit"])


def test_account_when_money_is_moved_then_it_is_no_profit_and_limits_follow(
    tmp_path: Path,
) -> None:
    """A withdrawal of 30,000 is neither a day's loss nor a drawdown, a deposit no gain; every
    percentage is one of the new balance.
    """
    with trading_floor(tmp_path, speed="60", seed=4) as floor:
        floor.bot.wait_for(lambda: floor.bot.status().get("equity"), SEEN_WITHIN_S, "a status")
        before = limit_of(floor, "gross_exposure")

        move(floor, "CSW", "30000")
        floor.bot.wait_for(lambda: money(floor, "equity") < 80_000, SEEN_WITHIN_S, "less money")
        seen = floor.bot.status()["market_time"]
        floor.bot.wait_for(
            lambda: floor.bot.status()["market_time"] > seen, SEEN_WITHIN_S, "one more turn"
        )

        assert abs(money(floor, "day_pnl")) < 2_000
        assert money(floor, "peak_equity") < 75_000
        assert limit_of(floor, "gross_exposure") < before * Decimal("0.75")
        assert floor.bot.status()["trading_state_cause"] != "risk"
        move(floor, "CSD", "900000")
        floor.bot.wait_for(lambda: money(floor, "equity") > 900_000, SEEN_WITHIN_S, "more money")
        assert abs(money(floor, "day_pnl")) < 2_000
        assert limit_of(floor, "gross_exposure") > before * 9


@pytest.mark.parametrize("ratio", ["7", "0.1"])
def test_position_when_its_symbol_is_split_then_shares_stop_and_profit_are_right(
    tmp_path: Path, ratio: str
) -> None:
    """Forward and reverse, while the bot trades: shares follow the broker, every whole share has
    a live stop on the right side, no loss is made up, and nobody ends for it.
    """
    with trading_floor(tmp_path, speed="60", seed=4) as floor:
        floor.bot.wait_for(lambda: held(floor), POSITION_WITHIN_S, "a position")
        symbol = held(floor)[0]
        realized = money(floor, "total_pnl")
        body = {"symbol": symbol, "ratio": ratio, "now": True}
        assert floor.exchange.call("POST", "/sim/account/splits", json=body).status_code == 200

        def is_right() -> bool:
            rows = {row["symbol"]: row for row in floor.bot.status()["positions"]}
            row, shares = rows.get(symbol), floor.positions().get(symbol, 0)
            if row is None or shares == 0:
                return shares == 0 and symbol not in rows
            price, stop = Decimal(row["current_price"] or 0), Decimal(row["stop_price"])
            return row["stop_confirmed"] and int(row["qty"]) == shares and stop < price

        floor.bot.wait_for(is_right, SEEN_WITHIN_S, "the split to be booked and protected")
        assert floor.is_covered()
        assert abs(money(floor, "total_pnl") - realized) < 300
        assert floor.bot.stop() == 0
        summary = floor.bot.one_shot("summary")
        assert summary.returncode == 0, summary.stdout + summary.stderr
