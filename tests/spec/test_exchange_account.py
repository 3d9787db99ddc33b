"""Money of the simulated account: nothing is made or lost, whatever clients and market do."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.exchange_sim.account import apply_fill, worth_of
from services.exchange_sim.codec import from_text, to_text
from services.exchange_sim.records import (
    AccountRecord,
    LegRole,
    Refusal,
    SimOrder,
    SimPosition,
)
from shared.models.orders import OrderStatus, may_become
from tests.support.exchange_venue import CASH, Venue, new_account

pytestmark = pytest.mark.unit

QUANTITIES = st.integers(-50, 50).filter(bool).map(Decimal)
PRICES = st.integers(1_000, 20_000).map(lambda cents: Decimal(cents) / 100)


@given(st.lists(st.tuples(QUANTITIES, PRICES), max_size=30), PRICES)
def test_fills_when_applied_then_cash_and_shares_are_conserved(
    fills: list[tuple[Decimal, Decimal]], mark: Decimal
) -> None:
    """Cash plus shares at any mark equals the start less what the trades lost to the mark."""
    position: SimPosition | None = None
    cash = CASH
    for qty, price in fills:
        effect = apply_fill(position, "AAA", qty, price)
        position, cash = effect.position, cash + effect.cash

    held = position.qty if position else Decimal(0)
    assert held == sum((qty for qty, _ in fills), Decimal(0))
    gains = sum((qty * (mark - price) for qty, price in fills), Decimal(0))
    assert cash + held * mark == CASH + gains
    positions = [position] if position else []
    assert worth_of(cash, positions, {"AAA": mark}, Decimal(0), 4).equity == CASH + gains


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.integers(9_000, 11_500)),
        st.tuples(st.just("bracket"), st.integers(1, 40)),
        st.tuples(st.just("buy"), st.integers(1, 40)),
        st.tuples(st.just("sell"), st.integers(1, 40)),
        st.tuples(st.just("stop"), st.integers(1, 40)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("raise"), st.integers(0, 30)),
        st.tuples(st.just("settle"), st.just(0)),
        st.tuples(st.just("close"), st.just(0)),
        st.tuples(st.just("night"), st.just(0)),
    ),
    max_size=40,
)


def act(venue: Venue, what: str, number: int) -> None:
    """Do one thing; a refusal is an answer like any other."""
    orders = list(venue.books.orders.values())
    chosen = orders[number % len(orders)] if orders else None
    last = venue.tape.last("AAA", venue.now) or Decimal(100)
    try:
        if what == "trade":
            venue.trade("AAA", Decimal(number) / 100)
        elif what == "bracket":
            stop, target = str(last - 5), str(last + 5)
            venue.bracket(
                qty=number,
                limit_price=str(last + 1),
                take_profit={"limit_price": target},
                stop_loss={"stop_price": stop},
            )
        elif what in ("buy", "sell"):
            venue.send(settle=False, side=what, qty=number, time_in_force="day")
        elif what == "stop":
            venue.send(side="sell", qty=number, type="stop", stop_price=str(last - 2))
        elif what == "cancel" and chosen:
            venue.cancel(chosen, settle=False)
        elif what == "raise" and chosen:
            venue.replace(chosen, settle=False, stop_price=str(last - 1))
        elif what == "settle":
            venue.settle()
        elif what == "close":
            venue.desk.close_position("AAA", None, venue.moment())
        elif what == "night":
            venue.end_session()
            venue.begin_session()
            venue.now = venue.now.replace(day=5, hour=17, minute=0)
    except Refusal:
        return


@settings(max_examples=150, deadline=None)
@given(ACTIONS, st.sampled_from([0.0, 0.5]))
def test_books_when_anything_is_sent_then_money_and_table_hold(
    actions: list[tuple[str, int]], partial_rate: float
) -> None:
    """Whatever comes: cash and shares follow from the fills alone, orders obey the transition
    table, no order overfills, live exits of a group never cover more than the shares there.
    """
    venue = Venue(partial_rate=partial_rate)
    seen: dict[str, OrderStatus] = {}
    for what, number in actions:
        act(venue, what, number)
        for order in venue.books.orders.values():
            before = seen.get(order.id, order.status)
            assert may_become(before, order.status)
            assert order.filled_qty <= order.qty
            seen[order.id] = order.status

    signed = [
        (fill.qty if fill.side.value == "buy" else -fill.qty, fill.price)
        for fill in venue.books.fills
    ]
    assert venue.held() == sum((qty for qty, _ in signed), Decimal(0))
    spent = sum((qty * price for qty, price in signed), Decimal(0))
    assert venue.books.account.cash == CASH - spent
    check_groups(venue)


def check_groups(venue: Venue) -> None:
    """No group keeps one live leg whose sibling is filled or canceled; cumulative fills rise."""
    for order in venue.books.orders.values():
        if order.role is LegRole.SINGLE or not order.is_live or order.inert:
            continue
        if order.role is LegRole.ENTRY:
            continue
        siblings = [one for one in venue.books.group(order) if one.role not in (order.role,)]
        legs = [one for one in siblings if one.role is not LegRole.ENTRY]
        newest = [one for one in legs if one.replaced_by is None]
        assert all(one.is_live for one in newest)
    for order in venue.books.orders.values():
        fills = [fill for fill in venue.books.fills if fill.order_id == order.id]
        assert sum((fill.qty for fill in fills), Decimal(0)) == order.filled_qty
        assert [fill.cum_qty for fill in fills] == sorted(fill.cum_qty for fill in fills)


def test_records_when_written_and_read_then_they_are_the_same() -> None:
    """Orders and accounts survive their text form exactly."""
    venue = Venue()
    entry, target, stop = venue.bracket()
    venue.trade("AAA", "100")
    account = replace(new_account(), last_stamp=venue.now, minute=venue.now)

    for order in (entry, venue.again(entry), venue.again(target), venue.again(stop)):
        assert from_text(SimOrder, to_text(order)) == order
    assert from_text(AccountRecord, to_text(account)) == account


def test_buying_power_when_poor_then_no_margin() -> None:
    """Below 2,000 dollars of equity one dollar buys one dollar."""
    rich = worth_of(Decimal(100_000), [], {}, Decimal(0), 4)
    poor = worth_of(Decimal(1_999), [], {}, Decimal(0), 4)

    assert rich.buying_power() == 400_000
    assert poor.buying_power() == 1_999
