"""Real processes: a person buys the very symbol that the bot holds, and the bot dies in between."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.commands.core import CommandCore
from shared.config.paths import LogPaths, StatePaths
from shared.models.commands import CommandOutcome
from shared.models.externals import EXTERNAL
from shared.models.ids import parse_own_id
from tests.support.bot_process import TradingFloor, trading_floor
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SEEN_WITHIN_S = 40.0
BY_HAND = 5


def own_row(floor: TradingFloor, symbol: str = "") -> dict[str, Any]:
    """The bot's row of a position with a confirmed stop; empty while there is none."""
    rows = floor.bot.status().get("positions", [])
    found = [row for row in rows if row["stop_confirmed"] and symbol in ("", row["symbol"])]
    return found[0] if found else {}


def external_qty(floor: TradingFloor, symbol: str) -> str:
    """How many shares of the symbol the bot takes for somebody else's."""
    rows = floor.bot.status().get("external_positions", [])
    return next((row["qty"] for row in rows if row["symbol"] == symbol), "0")


def buy_by_hand(floor: TradingFloor, symbol: str) -> None:
    """Let a person buy, and wait until the exchange shows it."""
    before = floor.positions()[symbol]
    order = {"symbol": symbol, "qty": str(BY_HAND), "side": "buy", "type": "market"}
    answered = floor.exchange.call("POST", "/v2/orders", json=order | {"time_in_force": "day"})
    assert answered.status_code == 200, answered.text
    wait_until(
        lambda: floor.positions()[symbol] == before + BY_HAND, SEEN_WITHIN_S, "a purchase by hand"
    )


def test_bot_when_a_person_buys_beside_it_while_it_is_dead_then_it_closes_its_own_shares_alone(
    tmp_path: Path,
) -> None:
    """Even from a lost state: ours come back by their orders, theirs are never sold, and the answer
    to the command is the truth.
    """
    with trading_floor(tmp_path, speed="60", seed=4) as floor:
        floor.bot.wait_for(lambda: own_row(floor), SEEN_WITHIN_S, "a position")
        floor.bot.kill()
        floor.slow_down()
        symbol, ours = next(iter(floor.positions().items()))
        buy_by_hand(floor, symbol)
        for name in ("trading_state.json", "trading_state.json.bak", "journal.jsonl"):
            (floor.bot.state / name).unlink(missing_ok=True)
        floor.bot.start()
        floor.bot.wait_for(
            lambda: own_row(floor, symbol) and external_qty(floor, symbol) == str(BY_HAND),
            SEEN_WITHIN_S,
            "ours and theirs apart",
        )
        assert own_row(floor, symbol)["qty"] == str(ours)
        core = CommandCore(StatePaths(floor.bot.state), LogPaths(floor.bot.logs), SystemClock())

        answer = core.close_position(symbol, "a test", "tester")

        assert answer.outcome is CommandOutcome.DONE, answer.detail
        assert Decimal(str(answer.result["qty"])) == ours
        assert floor.positions()[symbol] == BY_HAND
        assert external_qty(floor, symbol) == str(BY_HAND)
        own_ids = (parse_own_id(row["client_order_id"]) for row in floor.orders())
        assert EXTERNAL not in {each.strategy for each in own_ids if each is not None}
        trade = next(row for row in floor.bot.trades() if row["symbol"] == symbol)
        assert Decimal(str(trade["qty"])) == ours
