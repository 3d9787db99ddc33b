"""Shares that change without an order, or by somebody's hand, beside ours: whose are they then?"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.trading_bot.coverage import coverage
from services.trading_bot.reconcile import BrokerSnapshot, reconcile
from shared.models.orders import Order, OrderRole, OrderStatus, OrderType, Side
from tests.support.person_bench import KEY, PersonBench
from tests.support.venue_bench import LOST_AFTER, SYMBOL, WHOLE

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("ratio", "ours", "theirs"), [("2", "20", "10"), ("1.5", "15", "7.5"), ("0.2", "2", "1")]
)
@pytest.mark.parametrize("is_told_late", [False, True])
def test_split_when_a_person_holds_shares_beside_ours_then_each_gets_its_part(
    ratio: str, ours: str, theirs: str, *, is_told_late: bool
) -> None:
    """New shares of ours are no gift of the person's, and no loss is made up."""
    bench = PersonBench()
    bench.beside()
    cost = bench.state.positions[SYMBOL].entry_price * 10
    bench.end_session()
    bench.split(ratio)
    bench.pass_time(1)

    if is_told_late:
        bench.look()
        bench.reconcile()
        bench.reconcile()
    bench.take_movements()
    for _ in range(4):
        bench.pass_time(61)
        bench.live_turn()
    bench.take_movements()

    assert (bench.ours, bench.theirs) == (Decimal(ours), Decimal(theirs))
    held = bench.state.positions[SYMBOL]
    assert held.qty * held.entry_price == pytest.approx(cost)
    assert coverage(bench.state, bench.now)[SYMBOL].is_covered
    assert bench.state.pnl.realized == 0
    bench.begin_session()
    bench.flatten = "operator: drill"
    bench.live_on(5)
    assert bench.venue.held() == Decimal(theirs)
    assert [trade.qty for trade in bench.state.trade_history] == [Decimal(ours)]


def test_split_when_the_rest_is_nobodys_known_shares_then_it_waits_for_the_next_reading() -> None:
    """What lies beyond ours may be a fill of ours that is still to come."""
    bench = PersonBench()
    bench.hold_bracket()
    bench.live_turn()
    bench.person(5)
    bench.trade("100")
    bench.end_session()
    bench.split("2")
    bench.pass_time(1)

    bench.take_movements()

    assert bench.ours == 10


@pytest.mark.parametrize(("ratio", "qty", "price"), [("2", "10", "47.5"), ("0.2", "1", "474.99")])
def test_split_when_our_stop_serves_a_persons_shares_then_one_of_today_serves_them(
    ratio: str, qty: str, price: str
) -> None:
    """The broker converts it or takes it away: never one of yesterday's number or price."""
    bench = PersonBench(adopts=True)
    bench.person(5)
    bench.trade("100")
    bench.live_on(3, 61)
    assert len(bench.own_external_stops) == 1
    bench.end_session()
    bench.split(ratio)

    for _ in range(4):
        bench.pass_time(61)
        bench.take_movements()
        bench.live_turn()

    live = [(one.qty, one.stop_price) for one in bench.own_external_stops]
    assert live == [(Decimal(qty), Decimal(price))]
    assert bench.state.adjustments == {}


def test_sale_by_hand_when_ours_fill_between_two_reads_then_it_is_not_taken_for_ours() -> None:
    """Orders are read before positions. The person's sale took the person's shares; what is missing
    of ours is told by our own stop a moment later: no short and no profit is made up.
    """
    bench = PersonBench()
    bench.beside()
    bench.person(5, "sell")
    bench.trade("100")
    orders = bench.broker.orders("all")
    bench.trade("97")
    late = BrokerSnapshot(bench.broker.account(), orders, bench.broker.positions(), (), bench.now)
    assert late.positions == ()

    bench.book(*reconcile(bench.state, late).events)
    bench.live_on(2)

    assert bench.shares[1:] == (0, 0)
    (trade,) = bench.state.trade_history
    assert (str(trade.qty), trade.exit_reason) == ("10", "stop")
    assert bench.state.strange_quantities == {}


@pytest.mark.parametrize("order_of_sales", [("5", "10"), ("10", "5")])
def test_sale_by_hand_when_ours_are_missing_then_it_is_booked_after_a_second_look(
    order_of_sales: tuple[str, str],
) -> None:
    """The person cancelled our stop and sold ours: then they are gone, whoever sold them. Of two
    sales the one that explains what is missing is ours, whichever came first.
    """
    bench = PersonBench()
    bench.beside()
    bench.cancel_all()
    bench.pass_time(1)
    for qty in order_of_sales:
        bench.person(qty, "sell")
    bench.trade("100")

    bench.live_on(4)

    assert bench.shares == (0, 0, 0)
    (trade,) = bench.state.trade_history
    assert (str(trade.qty), trade.exit_reason) == ("10", "closed from outside")
    assert bench.state.strange_quantities == {}


def test_sale_by_hand_when_the_list_is_late_then_it_closes_none_of_ours() -> None:
    """A person sold a second before our purchase, which the list does not show yet; the reply that
    told of our stop was lost, so that nothing holds our shares as far as is known.
    """
    bench = PersonBench()
    bench.person(4)
    bench.trade("100")
    bench.person(4, "sell")
    bench.trade("100")
    bench.exchange.wire = lambda: LOST_AFTER
    bench.bracket()
    bench.exchange.wire = lambda: WHOLE
    bench.trade("100")
    assert bench.venue.held() == 10
    late = BrokerSnapshot(bench.broker.account(), bench.broker.orders("all"), (), (), bench.now)

    bench.book(*reconcile(bench.state, late).events)
    bench.live_on(3)

    assert bench.shares == (10, 10, 0)
    assert bench.state.strange_quantities == {}


def test_split_when_a_persons_short_was_bought_back_then_the_new_shares_are_still_ours() -> None:
    """An order that serves external shares is no purchase of ours, whatever its side."""
    bench = PersonBench()
    bench.hold_bracket()
    bench.live_turn()
    bought = Order(
        client_order_id="back",
        symbol=SYMBOL,
        side=Side.BUY,
        qty=Decimal(5),
        type=OrderType.MARKET,
        role=OrderRole.EXIT,
        status=OrderStatus.FILLED,
        filled_qty=Decimal(5),
        filled_avg_price=Decimal(100),
        filled_at=bench.now,
        position_key=KEY,
    )
    bench.state = replace(bench.state, orders=bench.state.orders.put(bought))
    bench.end_session()
    bench.split("2")
    bench.pass_time(1)

    bench.take_movements()

    assert bench.ours == 20
    assert KEY not in bench.state.adjustments
