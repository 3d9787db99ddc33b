"""The report and the comparison with the exchange: the same facts, the same bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trading_bot.comparison import differences
from services.trading_bot.gather import Picture
from services.trading_bot.report import (
    EquityPoint,
    OpenLine,
    ReportFacts,
    TradeLine,
    max_drawdown,
    report_json,
    report_text,
)
from tests.support.bot_bench import BotBench

pytestmark = pytest.mark.unit

D = Decimal


def a_trade(symbol: str, pnl: str, reason: str = "stop") -> TradeLine:
    """A trade closed at noon."""
    return TradeLine(
        symbol=symbol,
        qty=D(10),
        entry_price=D("100.00"),
        exit_price=D("100.10"),
        entered_at="2019-02-11T15:00:00.000Z",
        exited_at="2019-02-11T17:00:00.000Z",
        pnl=D(pnl),
        strategy="momentum",
        exit_reason=reason,
    )


FACTS = ReportFacts(
    mode="sim",
    account_id="PA1",
    symbols=("SPY", "AAPL"),
    equity_points=(
        EquityPoint("2019-02-11T14:31:00.000Z", D(100_000)),
        EquityPoint("2019-02-11T15:31:00.000Z", D(99_000)),
        EquityPoint("2019-02-11T21:00:00.000Z", D(100_500)),
    ),
    entries=3,
    trades=(a_trade("SPY", "1.00", "target"), a_trade("AAPL", "-2.50", "time: held 25 min")),
    denials={"spread": 2, "cooldown": 1},
    positions=(OpenLine("MSFT", D(5), D(50), D(51), D(49), D(5)),),
    differences=(),
)


def test_report_when_facts_come_in_another_order_then_the_same_bytes() -> None:
    """Nothing of the order in which facts were found shows."""
    shuffled = replace(
        FACTS,
        symbols=("AAPL", "SPY"),
        trades=tuple(reversed(FACTS.trades)),
        denials={"cooldown": 1, "spread": 2},
    )

    assert report_json(shuffled) == report_json(FACTS)
    assert report_text(shuffled) == report_text(FACTS)


def test_report_when_written_then_says_what_the_sheet_names() -> None:
    """Entries, exits, P&L, drawdown, denials by check, open positions with stops, equality."""
    text = report_text(FACTS)

    for words in (
        "P&L 500.00",
        "entries 3, exits 2: 1 won, 1 lost, 0 even",
        "denials by check: cooldown 1, spread 2",
        "exits by reason: target 1, time 1",
        "max drawdown 1.000 %",
        "local state equals the exchange: yes",
        "every open position has a live stop: yes",
        "MSFT",
    ):
        assert words in text
    assert json.loads(report_json(FACTS))["pnl"] == "500.00"


@pytest.mark.parametrize(
    ("facts", "sound"),
    [
        (FACTS, True),
        (replace(FACTS, differences=("AAPL: we hold 1, the exchange 2",)), False),
        (replace(FACTS, differences=None), False),
        (replace(FACTS, positions=(OpenLine("MSFT", D(5), D(50), None, None, D(0)),)), False),
        (replace(FACTS, positions=(OpenLine("MSFT", D(5), D(50), None, D(49), D(4)),)), False),
    ],
)
def test_report_when_anything_is_open_or_unequal_then_not_sound(
    facts: ReportFacts, sound: bool
) -> None:
    """Exit 0 needs both: equal books, and a live stop for every share."""
    assert facts.is_sound is sound
    assert any(word in report_text(facts) for word in (": no", ": unknown")) is not sound


@given(st.lists(st.integers(min_value=1, max_value=10**6), max_size=30))
def test_drawdown_when_any_curve_then_between_nothing_and_all(curve: list[int]) -> None:
    """A fraction of the peak before it, and nothing for a rising curve."""
    points = [EquityPoint("x", D(equity)) for equity in curve]

    assert 0 <= max_drawdown(points) < 1
    assert max_drawdown([EquityPoint("x", D(equity)) for equity in sorted(curve)]) == 0


def picture_of(bench: BotBench) -> Picture:
    """What the broker of the bench shows."""
    broker = bench.broker
    return Picture(bench.now, broker.account(), broker.orders("all"), dict(broker.held))


def test_comparison_when_both_sides_agree_then_nothing_differs() -> None:
    """Positions, working orders and their legs are the same."""
    bench = BotBench()
    bench.hold()

    assert differences(bench.state, picture_of(bench)) == ()


def test_comparison_when_the_exchange_knows_more_then_each_difference_is_said() -> None:
    """A position, an order and a status that differ are three sentences."""
    bench = BotBench()
    bench.hold()
    picture = picture_of(bench)
    for order in bench.broker.books.values():
        if order.status.is_live:
            bench.broker.cancel(order.broker_order_id)
            break
    bench.broker.held.clear()

    found = differences(bench.state, picture_of(bench))

    assert differences(bench.state, picture) == ()
    assert "AAPL: we hold 10, the exchange 0" in found
    assert len(found) == 3
