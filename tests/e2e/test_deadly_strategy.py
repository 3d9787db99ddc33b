"""A strategy that ends its bot, on the whole running system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.system import log_lines, read_json, running_system
from tests.support.waiting import wait_until
from tests.support.wicked_strategies import write_strategy

pytestmark = pytest.mark.integration


def test_system_when_a_strategy_ends_the_bot_then_it_is_off_and_the_bot_trades_on(
    tmp_path: Path,
) -> None:
    """Two bots die, by the supervisor's own word; the third is up, DEGRADED, and says which
    strategy it does without. Nothing is parked, and a stop that was asked for forgets it all.
    """
    write_strategy(tmp_path / "mine", "deadly", "        __import__('os')._exit(3)")
    words = {"TRADING_MODE": "sim", "STRATEGIES": f"momentum,folder:{tmp_path / 'mine'}"}
    state = tmp_path / "state"

    def bot() -> dict[str, Any]:
        health = state / "health.json"
        services = read_json(health)["services"] if health.exists() else {}
        found: dict[str, Any] = services.get("trading-bot", {})
        return found

    with running_system(tmp_path, settings=words):
        wait_until(lambda: "deadly" in bot().get("reason", ""), 45, f"the third bot, not {bot()}")

        assert (bot()["status"], bot()["phase"], bot()["restarts"]) == ("DEGRADED", "running", 2)
        assert "died 2 times while it spoke (exit code 3, exit code 3)" in bot()["reason"]
        rows = {
            row["name"]: row["on"] for row in read_json(state / "bot_status.json")["strategies"]
        }
        assert rows == {"deadly": False, "momentum": True}

    events = [line["event"] for line in log_lines(tmp_path / "logs" / "trading-bot.jsonl")]
    assert events.count("strategy_died") == 2
    assert not (state / "run" / "strategy.speaking").exists()
