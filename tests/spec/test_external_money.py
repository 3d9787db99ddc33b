"""What a person's shares cost and count: in exposure, in the statement, never in our profit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.trading_bot.guard_facts import exposure, open_risk
from services.trading_bot.statement import Activities, compare
from shared.events.types import StatementCompared
from shared.models.broker import BrokerFill
from shared.models.orders import OrderStatus
from shared.models.pnl import Statement
from tests.support.person_bench import PersonBench
from tests.support.venue_bench import SYMBOL

pytestmark = pytest.mark.unit


def fills_of(bench: PersonBench) -> tuple[BrokerFill, ...]:
    """The exchange's fills, the person's too, one per order."""
    return tuple(
        BrokerFill(
            activity_id=order.id,
            broker_order_id=order.id,
            symbol=SYMBOL,
            side=order.side,
            qty=order.filled_qty,
            price=order.filled_avg_price,
            cumulative_qty=order.filled_qty,
            at=order.filled_at,
        )
        for order in bench.venue.books.orders.values()
        if order.filled_avg_price is not None and order.filled_at is not None
    )


@pytest.mark.parametrize("adopts", [False, True])
def test_statement_when_a_person_traded_all_day_then_it_agrees_and_profit_is_ours_alone(
    *, adopts: bool
) -> None:
    """Their fills move the account's cash and are no trade of ours; our stop for them is no profit,
    whoever's loss it ends.
    """
    bench = PersonBench(adopts=adopts)
    start = bench.venue.books.account.cash
    bench.book(StatementCompared(Statement(bench.now.date(), bench.now, start, True)))
    bench.beside(7)
    bench.person(2, "sell")
    bench.trade("111")
    bench.live_on(4, 61)
    assert bench.ours == 0, "our target is filled"
    bench.trade("90")
    bench.live_on(4, 61)

    cash = bench.venue.books.account.cash
    seen = Activities(fills_of(bench), (), cash, bench.now)

    assert compare(bench.state, seen) == ()
    assert compare(bench.state, Activities(seen.fills[1:], (), cash, bench.now)) != ()
    (trade,) = bench.state.trade_history
    assert (trade.qty, bench.state.pnl.realized) == (Decimal(10), trade.pnl)
    assert trade.pnl == Decimal("109.80"), "ten of ours from 100.01 to 110.99, nothing of theirs"
    sold = [one for one in bench.statuses() if one is OrderStatus.FILLED]
    assert bool(sold) is adopts


def test_limits_when_a_person_holds_shares_then_they_count_as_exposure_and_not_as_our_risk() -> (
    None
):
    """Gross and symbol exposure are the account's; the risk of our stops is ours."""
    bench = PersonBench()
    bench.hold_bracket()
    bench.live_turn()
    alone, risk = exposure(bench.facts(), SYMBOL), open_risk(bench.facts())
    assert alone is not None

    bench.person(5)
    bench.trade("100")
    bench.live_on(2, 61)

    facts = bench.facts()
    assert exposure(facts, SYMBOL) == exposure(facts, None) == alone * 15 / 10
    assert open_risk(facts) == risk
