"""One-shot commands while no bot lives: protect what is open, carry out what waits, report."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.trading_bot.brain.discovery import find_strategies
from shared.clock import SystemClock
from shared.commands.core import CommandCore
from shared.config.paths import LogPaths, StatePaths
from shared.models.commands import CommandOutcome
from tests.support.bot_process import TradingFloor, trading_floor
from tests.support.wicked_strategies import write_strategy

pytestmark = pytest.mark.integration

POSITION_WITHIN_S = 40.0


def held(floor: TradingFloor) -> list[str]:
    """Symbols in which the bot shows a position with a confirmed stop."""
    rows = floor.bot.status().get("positions", [])
    return [row["symbol"] for row in rows if row["stop_confirmed"]]


def test_one_shot_when_the_bot_is_dead_then_secures_closes_and_reports(tmp_path: Path) -> None:
    """`secure` leaves nothing unattended, `spool` closes on command and answers, `summary` finds
    both sides equal; none of them enters anything.
    """
    with trading_floor(tmp_path, speed="60", seed=4) as floor:
        floor.bot.wait_for(lambda: held(floor), POSITION_WITHIN_S, "a position")
        floor.bot.kill()
        floor.slow_down()
        entries = len(floor.own_entries())

        secured = floor.bot.one_shot("secure")

        assert secured.returncode == os.EX_OK, secured.stderr
        assert floor.is_covered()
        symbol = sorted(floor.positions())[0]

        def hand_over() -> None:
            floor.bot.one_shot("spool")

        core = CommandCore(
            StatePaths(floor.bot.state),
            LogPaths(floor.bot.logs),
            SystemClock(),
            hand_over=hand_over,
        )
        answer = core.close_position(symbol, "a test", "tester")
        assert answer.outcome is CommandOutcome.DONE, answer.detail
        assert symbol not in floor.positions()
        assert answer.result["symbol"] == symbol
        summary = floor.bot.one_shot("summary")
        assert summary.returncode == os.EX_OK, summary.stdout + summary.stderr
        assert len(floor.own_entries()) == entries


def test_one_shot_when_a_strategy_is_wicked_then_it_is_not_even_loaded(tmp_path: Path) -> None:
    """What must be secured is secured whatever a strategy's file does; only a bot loads it."""
    loaded = tmp_path / "loaded"
    path = write_strategy(tmp_path / "mine", "deadly")
    with path.open("a", encoding="utf-8") as file:
        file.write(f"open({str(loaded)!r}, 'w').close(); raise SystemExit(78)\n")
    with trading_floor(tmp_path, speed="max", seed=4) as floor:
        floor.bot.stop()
        floor.bot.name_strategies(f"folder:{path.parent}")

        secured = floor.bot.one_shot("secure")

        assert secured.returncode == os.EX_OK, secured.stderr
        assert not loaded.exists()
    find_strategies((f"folder:{path.parent}",))
    assert loaded.exists(), "the file does not even show that it was loaded"


def test_one_shot_when_the_exchange_is_away_then_ends_with_another_try(tmp_path: Path) -> None:
    """Nothing answers: 75, and a usage error is not mistaken for it."""
    with trading_floor(tmp_path, speed="max", seed=4) as floor:
        floor.bot.stop()
        floor.exchange.kill()

        assert floor.bot.one_shot("secure").returncode == os.EX_TEMPFAIL
        assert floor.bot.one_shot("dance").returncode == os.EX_USAGE
