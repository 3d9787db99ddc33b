"""Splits over night: shares and prices change, cost and profit do not, and every stop is right."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from services.trading_bot.coverage import coverage
from services.trading_bot.gather import Picture
from services.trading_bot.movements import Purse, are_shares_unexplained, events_of
from shared.events.apply import apply_all
from shared.events.types import Event, OrderSeen, SharesChanged
from shared.models.movements import BrokerMovement, previous_close
from shared.models.orders import OrderRole
from shared.models.plans import PlanKind
from shared.models.trading_day import trading_day
from tests.support.bot_bench import BotBench
from tests.support.builders import D

pytestmark = pytest.mark.unit


def split(bench: BotBench, qty: str, kind: str = "SPLIT", amount: str = "0") -> BrokerMovement:
    """One movement of AAPL at this moment."""
    number = len(bench.broker.moved) + 1
    movement = BrokerMovement(
        f"n-{number}", kind, trading_day(bench.now), D(amount), bench.now, "AAPL", D(qty)
    )
    bench.broker.moved.append(movement)
    return movement


def after_split(ratio: str, change: str, lieu: tuple[str, str] | None = None) -> BotBench:
    """A bench that held ten shares at 100, stop 99, target 102, over a night with a split."""
    bench = BotBench(is_open=False)
    bench.hold()
    bench.pass_time(12 * 3600)
    split(bench, change)
    if lieu is not None:
        split(bench, lieu[0], "CIL", lieu[1])
    held = bench.broker.held["AAPL"]
    qty = held.qty + sum((each.qty for each in bench.broker.moved), D(0))
    bench.broker.prices["AAPL"] = 100 / D(ratio)
    bench.broker.held["AAPL"] = replace(
        held, qty=qty, entry_price=100 / D(ratio), current_price=100 / D(ratio)
    )
    bench.pass_time(1)
    bench.book(*events_of(bench.broker.moved, bench.state, picture(bench)))
    return bench


def picture(bench: BotBench) -> Picture:
    """What the broker shows now."""
    orders = bench.broker.orders("all")
    return Picture(bench.now, bench.broker.account(), orders, dict(bench.broker.held))


@pytest.mark.parametrize(
    ("ratio", "change", "qty", "stop", "target"),
    [
        ("7", "60", "70", "14.14", "14.57"),
        ("1.5", "5", "15", "66.00", "68.00"),
        ("0.2", "-8", "2", "495.00", "510.00"),
    ],
)
def test_position_when_split_then_shares_and_prices_change_and_nothing_is_lost(
    ratio: str, change: str, qty: str, stop: str, target: str
) -> None:
    """Cost stays; stop and target are those of the new shares."""
    bench = after_split(ratio, change)

    held = bench.state.positions["AAPL"]

    assert held.qty == D(qty)
    assert held.qty * held.entry_price == pytest.approx(1000)
    assert (held.stop_price, held.target_price) == (D(stop), D(target))
    assert bench.state.pnl.realized == 0
    assert not are_shares_unexplained(bench.state, picture(bench))


@pytest.mark.parametrize(("ratio", "change"), [("7", "60"), ("0.2", "-8")])
def test_stops_when_split_before_the_open_then_each_is_right_at_the_open(
    ratio: str, change: str
) -> None:
    """The kept legs speak of old shares: they go, and an OCO of the new ones takes their place."""
    bench = after_split(ratio, change)
    assert not coverage(bench.state)["AAPL"].is_covered
    bench.broker.fills_on_submit = False

    bench.turn()

    held = bench.state.positions["AAPL"]
    stops = [
        (order.qty, order.stop_price)
        for order in bench.broker.books.values()
        if order.stop_price is not None and order.status.is_live
    ]
    assert stops == [(held.qty, held.stop_price)]
    assert coverage(bench.state)["AAPL"].is_covered
    assert bench.state.plans == ()


def test_reverse_split_when_a_fraction_is_paid_out_then_it_is_sold_not_lost() -> None:
    """Ten shares, one for four: two and a half; the half comes as cash and counts as proceeds."""
    bench = after_split("0.25", "-7.5", ("-0.5", "200.00"))
    held = bench.state.positions["AAPL"]
    assert held.qty == 2

    bench.is_open = True
    bench.flatten = "operator: drill"
    bench.turn()
    bench.turn()

    (trade,) = bench.state.trade_history
    sold = bench.broker.activities[-1]
    assert trade.pnl == sold.price * sold.qty + 200 - 1000


def test_forward_split_when_it_leaves_a_fraction_then_its_whole_shares_are_covered() -> None:
    """No stop can be had for a fraction; the broker's own close takes it with the rest."""
    bench = after_split("1.05", "0.5")
    bench.broker.fills_on_submit = False
    bench.turn()
    assert coverage(bench.state)["AAPL"].is_covered
    bench.broker.fills_on_submit = True

    bench.is_open = True
    bench.flatten = "operator: drill"
    for _ in range(3):
        bench.turn()
        bench.pass_time(25)

    assert bench.broker.held == {}
    assert bench.state.positions == {}


def test_stop_when_it_filled_at_the_open_before_the_split_was_known_then_no_loss_is_made_up() -> (
    None
):
    """Ten old-priced shares of seventy were sold at 14: sixty are still held, and protected."""
    bench = BotBench()
    bench.hold()
    bench.pass_time(12 * 3600)
    movement = split(bench, "60")
    bench.pass_time(1)
    held = bench.broker.held["AAPL"]
    bench.broker.held["AAPL"] = replace(held, qty=D(70), entry_price=100 / D(7))
    bench.broker.trade("AAPL", "14.28")
    bench.look()
    assert bench.state.pnl.realized < -800
    bench.book(*events_of([movement], bench.state, picture(bench)))

    assert bench.state.positions["AAPL"].qty == 60
    assert bench.state.pnl.realized == 0
    assert bench.state.pnl.trades == 0
    bench.turn()
    assert coverage(bench.state)["AAPL"].is_covered
    bench.flatten = "operator: drill"
    bench.turn()
    (trade,) = bench.state.trade_history
    assert abs(trade.pnl) < 10


def test_split_when_its_news_come_in_any_order_and_twice_then_the_end_is_the_same() -> None:
    """Fills, the split and the cash for its fraction, shuffled: one state."""
    bench = after_split("0.25", "-7.5", ("-0.5", "200.00"))
    before = BotBench()
    before.hold()
    filled = [OrderSeen(order, bench.now) for order in bench.broker.orders("all")]
    changes = [SharesChanged(movement) for movement in bench.broker.moved]
    news: list[Event] = [*filled, *changes]
    ends = {
        repr(apply_all(before.state, [*order, *news]).positions) for order in permutations(news)
    }

    assert len(ends) == 1


def test_split_when_foreign_shares_are_among_them_then_a_person_decides() -> None:
    """It cannot be shared out: nothing is booked, and the difference stays visible."""
    bench = after_split("7", "60")
    other = BotBench()
    other.hold()
    other.broker.held["AAPL"] = replace(other.broker.held["AAPL"], qty=D(140))

    assert events_of(bench.broker.moved, other.state, picture(other)) == []
    assert are_shares_unexplained(other.state, picture(other))


def test_protection_when_a_stop_covers_only_part_then_the_rest_gets_one_of_its_own() -> None:
    """The stop that stands is never cancelled for it."""
    bench = BotBench()
    bench.hold()
    bench.broker.fills_on_submit = False
    stop = next(each for each in bench.state.orders.live() if each.role is OrderRole.STOP)
    bench.broker.put(bench.broker.books[stop.broker_order_id or ""], qty=D(7))
    bench.look()

    decisions = bench.turn()

    sent = [send.request.qty for each in decisions for send in each.protective]
    assert sent == [D(3)]
    assert all(each.cancels == () for each in decisions)


def test_stale_stop_when_the_account_is_blocked_then_it_is_not_cancelled() -> None:
    """A blocked account could not place another one (rule 5)."""
    bench = after_split("7", "60")
    bench.account_suspended = True

    decisions = bench.turn()

    assert all(each.cancels == () for each in decisions)
    assert [plan.kind for plan in bench.state.plans] == [PlanKind.PROTECT]


def test_purse_when_only_fills_moved_the_cash_then_nothing_is_unexplained() -> None:
    """A deposit of a cent is seen; a purchase is not taken for one."""
    bench = BotBench()
    before = Purse.of(picture(bench), bench.state)
    bench.hold()
    bought = Purse.of(picture(bench), bench.state)
    assert not bought.moved_since(before)

    bench.broker.cash += D("0.01")

    assert Purse.of(picture(bench), bench.state).moved_since(bought)


def test_previous_close_when_asked_on_a_monday_then_it_is_friday_four_o_clock() -> None:
    """A weekend's transfer is not in the base of Monday."""
    monday = trading_day(BotBench().now) + timedelta(days=3)

    assert previous_close(monday).isoformat() == "2026-11-20T16:00:00-05:00"
