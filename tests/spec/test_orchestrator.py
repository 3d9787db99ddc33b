"""The orchestrator picks one signal and says why the others lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trading_bot.orchestrator import Rules, choose
from shared.models.orders import Side
from shared.models.signals import Signal

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def a_signal(symbol: str = "AAPL", strength: float = 0.5, strategy: str = "momentum") -> Signal:
    """A valid long signal with reward/risk 2."""
    return Signal(
        strategy=strategy,
        symbol=symbol,
        side=Side.BUY,
        at=NOW,
        entry_price=Decimal(100),
        stop_price=Decimal(99),
        target_price=Decimal(102),
        strength=strength,
        reason="a test",
    )


RULES = Rules(
    now=NOW + timedelta(seconds=5),
    symbols=frozenset({"AAPL", "MSFT", "SPY"}),
    owners={},
    reward_risk_min=Decimal("1.5"),
    signal_age_s_max=Decimal(120),
)


def test_choose_when_several_are_valid_then_the_strongest_wins_and_the_rest_hear_why() -> None:
    """One winner; each loser is told who was ahead."""
    choice = choose([a_signal("AAPL", 0.4), a_signal("MSFT", 0.9)], RULES)

    assert choice.winner is not None
    assert choice.winner.symbol == "MSFT"
    assert [(loser.signal.symbol, loser.reason) for loser in choice.losers] == [
        ("AAPL", "strength 0.400 behind momentum MSFT 0.900")
    ]


@pytest.mark.parametrize(
    ("signal", "rules", "says"),
    [
        (a_signal("TSLA"), RULES, "not among"),
        (a_signal(), replace(RULES, owners={"AAPL": "momentum"}), "taken: momentum"),
        (a_signal(), replace(RULES, reward_risk_min=Decimal(3)), "reward/risk 2.00 below 3"),
        (a_signal(), replace(RULES, now=NOW - timedelta(seconds=1)), "in the future"),
        (a_signal(), replace(RULES, now=NOW + timedelta(seconds=121)), "121 s old"),
        (
            replace(
                a_signal(),
                side=Side.SELL,
                stop_price=Decimal(101),
                target_price=Decimal(98),
            ),
            RULES,
            "short",
        ),
    ],
)
def test_choose_when_a_signal_breaks_a_rule_then_it_never_wins(
    signal: Signal, rules: Rules, says: str
) -> None:
    """A signal that breaks a rule never wins and is told which rule."""
    choice = choose([signal], rules)

    assert choice.winner is None
    assert says in choice.losers[0].reason


@given(
    st.lists(
        st.tuples(st.sampled_from(["AAPL", "MSFT", "SPY", "TSLA"]), st.sampled_from([0.1, 0.5])),
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_choose_when_order_is_shuffled_then_same_choice(
    wishes: list[tuple[str, float]], random: Random
) -> None:
    """Who speaks first does not matter, and no signal is lost without a word."""
    signals = [a_signal(symbol, strength, f"s{n}") for n, (symbol, strength) in enumerate(wishes)]
    shuffled = list(signals)
    random.shuffle(shuffled)

    choice = choose(signals, RULES)

    assert choose(shuffled, RULES) == choice
    assert len(choice.losers) + (choice.winner is not None) == len(signals)
