"""SIGKILL at any moment: positions and stops survive, nothing is lost and nothing doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bot_process import TradingFloor, trading_floor
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

POSITION_WITHIN_S = 40.0
BACK_WITHIN_S = 20.0
COVERED_WITHIN_S = 2.0
KILLS = 3


def has_position(floor: TradingFloor) -> bool:
    """Whether the bot shows a position whose stop the exchange has confirmed."""
    positions = floor.bot.status().get("positions", [])
    return any(position["stop_confirmed"] for position in positions)


def is_back(floor: TradingFloor, before: object) -> bool:
    """Whether a new process has written a status after reconciling."""
    status = floor.bot.status()
    return status.get("written_at") != before and status["reconcile"]["outcome"] == "clean"


def test_restart_recovery(tmp_path: Path) -> None:
    """Killed with open positions while the market runs on; each time the bot comes back it knows
    its positions, every share has its stop, and no decision was sent twice.
    """
    with trading_floor(tmp_path, speed="60", seed=4) as floor:
        for _ in range(KILLS):
            floor.bot.wait_for(lambda: has_position(floor), POSITION_WITHIN_S, "a position")
            floor.bot.kill()
            wait_until(floor.is_covered, COVERED_WITHIN_S, "a live stop for every share")
            before = floor.bot.status()["written_at"]

            floor.bot.start()

            floor.bot.wait_for(
                lambda seen=before: is_back(floor, seen),  # type: ignore[misc] # bound per kill
                BACK_WITHIN_S,
                "a clean reconciliation",
            )
        assert floor.bot.stop() == 0

        summary = floor.bot.one_shot("summary")

        assert summary.returncode == 0, summary.stdout + summary.stderr
        ids = [row["client_order_id"] for row in floor.own_entries()]
        intents = {
            line["client_order_id"] for line in floor.bot.steps() if line["event"] == "intent"
        }
        assert len(ids) == len(set(ids))
        assert set(ids) <= intents


def first_trades(floor: TradingFloor, count: int) -> list[tuple[str, ...]]:
    """The first trades of the ledger, each as its numbers."""
    columns = ("symbol", "qty", "entry_price", "exit_price", "entered_at", "exited_at", "pnl")
    trades = sorted(floor.bot.trades(), key=lambda row: (row["exited_at"], row["symbol"]))
    return [tuple(row[name] for name in columns) for row in trades[:count]]


@pytest.mark.slow
def test_lock_step_when_the_bot_is_killed_then_it_trades_exactly_as_without(
    tmp_path: Path,
) -> None:
    """Three kills at any moment change no trade of a replayed market, not by a cent."""
    count = 60
    results = []
    for name, kills in (("whole", 0), ("killed", 3)):
        (tmp_path / name).mkdir()
        with trading_floor(tmp_path / name, speed="max", seed=4) as floor:
            for kill in range(kills):
                needed = 15 * (kill + 1)
                floor.bot.wait_for(
                    lambda at_least=needed: len(floor.bot.trades()) >= at_least,  # type: ignore[misc] # bound per kill
                    POSITION_WITHIN_S,
                    f"{needed} trades",
                )
                floor.bot.kill()
                floor.bot.start()
            floor.bot.wait_for(
                lambda: len(floor.bot.trades()) >= count + 20, POSITION_WITHIN_S, "all trades"
            )
            results.append(first_trades(floor, count))

    assert results[0] == results[1]
