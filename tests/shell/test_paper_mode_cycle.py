"""The whole cycle against the real simulated exchange: signal, fill, stop, exit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bot_process import trading_floor

pytestmark = pytest.mark.integration

CYCLE_WITHIN_S = 60.0


def test_paper_mode_cycle(tmp_path: Path) -> None:
    """A signal becomes a bracket, fills, is held by a live stop, and leaves by a stop, by a
    target or for the strategy's own reason; at the end both sides' books agree.
    """
    with trading_floor(tmp_path, speed="max", seed=4) as floor:

        def is_whole() -> bool:
            reasons = {str(trade["exit_reason"]).split(":")[0] for trade in floor.bot.trades()}
            return {"stop", "target"} <= reasons and bool(reasons & {"time", "fade"})

        floor.bot.wait_for(is_whole, CYCLE_WITHIN_S, "every kind of exit")
        assert floor.bot.stop() == 0
        summary = floor.bot.one_shot("summary")

        assert summary.returncode == 0, summary.stdout + summary.stderr
        assert "local state equals the exchange: yes" in summary.stdout
        assert floor.is_covered()
        words = {line["event"] for line in floor.bot.steps()}
        assert {"intent", "approved", "submitted", "accepted", "fill", "canceled"} <= words
        fills = [line["trade_id"] for line in floor.bot.steps() if line["event"] == "fill"]
        assert len(fills) == len(set(fills))
