"""The bot with strategies under guard: who is off is shown; gates and universe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.brain.roster import make_strategies
from services.trading_bot.brain.ward import Ward
from services.trading_bot.decision import Decision, Policy
from services.trading_bot.exits import exit_rules_of, reason_to_leave
from services.trading_bot.heart import judge_health
from services.trading_bot.loop import Loop
from services.trading_bot.plan import plan_turn
from shared.config.strategy_files import OWN_FOLDER
from shared.models.limits import Limits
from tests.support.bars import FIRST_BAR, bars_of_closes, buffer_of, flat_then_breakout
from tests.support.bot_bench import BotBench
from tests.support.bot_house import BEFORE, BotHouse, seeing_a_breakout, status, steps
from tests.support.wicked_strategies import DEEDS, forget_modules, write_strategy

pytestmark = pytest.mark.integration

BARS = bars_of_closes(flat_then_breakout(1.5))
ENDED = BARS[-1].start + timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    """Loaded files leave no module behind for the next test."""
    yield
    forget_modules()


def test_bot_when_a_strategy_is_off_then_degraded_shown_and_the_others_trade(
    tmp_path: Path,
) -> None:
    """Health says which and why, the page's file lists it, and momentum enters all the same."""
    house = BotHouse(tmp_path, BEFORE)
    write_strategy(tmp_path / "mine", "throws", DEEDS["throws"])
    made = make_strategies(("momentum", f"folder:{tmp_path / 'mine'}"), Limits())
    policy = replace(house.parts.policy, strategies={one.name: one for one in made})
    house.parts = replace(house.parts, policy=policy)
    house.loop = Loop(house.parts)

    seeing_a_breakout(house).turn()

    health = judge_health(house.parts, None)
    assert health.word == "DEGRADED"
    assert "throws is switched off: fails its trial: KeyError" in health.reason
    rows = {row["name"]: row for row in status(house)["strategies"]}
    assert [(name, rows[name]["on"]) for name in sorted(rows)] == [
        ("momentum", True),
        ("throws", False),
    ]
    assert "KeyError" in rows["throws"]["reason"]
    assert "intent" in " ".join(steps(house))


def breakout(policy: Policy, universe: frozenset[str] | None, minutes_left: float) -> Decision:
    """Decide at a moment when AAPL breaks out, so long before the close."""
    bench = BotBench(now=FIRST_BAR, policy=policy)
    bench.pass_time((ENDED - bench.now).total_seconds())
    bench.broker.prices["AAPL"] = BARS[-1].close
    facts = bench.facts()
    market = replace(facts.market, buffers={"AAPL": buffer_of(BARS)}, universe=universe)
    reading = replace(facts.reading, next_close=ENDED + timedelta(minutes=minutes_left))
    return plan_turn(replace(facts, market=market, reading=reading))


def test_entry_when_the_symbol_is_outside_the_universe_then_nobody_is_asked_about_it() -> None:
    """Clock C's choice bounds entries; a symbol in it is entered as ever."""
    (momentum,) = make_strategies(("momentum",), Limits())
    policy = Policy(frozenset({"AAPL", "MSFT"}), Limits(), {"momentum": momentum})

    outside = breakout(policy, frozenset({"MSFT"}), 300)

    assert (outside.entries, outside.notes) == ((), ())
    assert len(breakout(policy, frozenset({"AAPL"}), 300).entries) == 1
    assert len(breakout(policy, None, 300).entries) == 1


def test_entry_when_the_sheet_wants_time_to_the_close_then_the_session_gate_holds_it() -> None:
    """What a strategy's sheet says reaches the gates, and the refusal names its numbers."""
    (made,) = make_strategies(("momentum",), Limits())
    assert isinstance(made, Ward)
    careful = Ward(replace(made.sheet, close_minutes_min=15.0), made.sheet.make(Limits()))
    policy = Policy(frozenset({"AAPL"}), Limits(), {"momentum": careful})

    late, early = breakout(policy, None, 10), breakout(policy, None, 15)

    assert late.entries == ()
    assert "10 min to the close, at least 15" in " ".join(note.message for note in late.notes)
    assert len(early.entries) == 1


def test_exits_when_a_strategy_carries_rules_then_they_go_through_its_guard() -> None:
    """Trailing and longest time stand on the strategy and reach the policy by name."""
    rules = exit_rules_of(make_strategies((), Limits()))

    assert rules["options_flow"].trail_atr_multiple == 4.0
    assert rules["options_flow"].decay_half_life == timedelta(minutes=15)
    assert rules["mean_reversion"].hold_max == timedelta(minutes=45)
    assert rules["momentum"].hold_max is None


def test_exits_when_a_position_was_adopted_by_its_id_then_its_strategy_is_found() -> None:
    """An order's id holds ten characters of the name; rules and reasons go by the whole one."""
    made = make_strategies((), Limits())
    rules, strategies = exit_rules_of(made), {one.name: one for one in made}
    bench = BotBench(policy=Policy(frozenset({"AAPL"}), Limits(), strategies, rules))
    bench.hold()
    (held,) = bench.state.positions.values()
    adopted = replace(held, strategy="options_fl", opened_at=bench.now - timedelta(minutes=60))

    facts = bench.facts()
    decayed = "decay: its signal is worth 0.062 after 60 min, left at 0.062"
    assert reason_to_leave(adopted, facts) == (decayed, "strategy")
    assert reason_to_leave(replace(adopted, strategy="options_xx"), facts) is None


def test_page_when_its_example_is_saved_then_it_stands_the_trial_and_speaks(
    tmp_path: Path,
) -> None:
    """The strategy printed in docs/STRATEGIES.md works as written."""
    page = (OWN_FOLDER.parents[2] / "docs" / "STRATEGIES.md").read_text(encoding="utf-8")
    (tmp_path / "simple.py").write_text(page.split("```python\n")[1].split("```")[0])
    (made,) = make_strategies((f"folder:{tmp_path}",), Limits())
    policy = Policy(frozenset({"AAPL"}), Limits(), {"simple": made})

    (send,) = breakout(policy, None, 300).entries

    assert send.request.stop_loss_price is not None
    assert send.request.stop_loss_price < Decimal(101)
