"""Stops of ours where a person's hand, or a late list, leaves fewer shares than are ours."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.trading_bot.coverage import coverage
from shared.models.orders import OrderRole, OrderStatus
from tests.support.bot_bench import BotBench
from tests.support.person_bench import PersonBench
from tests.support.venue_bench import SYMBOL

pytestmark = pytest.mark.unit


def sold_short_of_ours() -> PersonBench:
    """A person cancelled every order and sold eight of fifteen shares, ten of which are ours."""
    bench = PersonBench()
    bench.beside()
    bench.cancel_all()
    bench.pass_time(1)
    bench.person(8, "sell")
    bench.trade("100")
    return bench


def test_protection_when_a_person_sold_some_of_ours_then_what_is_left_gets_its_stop() -> None:
    """Seven of ten are there: asking for ten is denied for ever, and seven stand naked."""
    bench = sold_short_of_ours()

    bench.live_on(2)

    assert bench.live_sells() == 7
    assert bench.denied == []
    assert coverage(bench.state)[SYMBOL].gap_qty == 3, "what is missing is not called protected"


def test_protection_when_the_missing_shares_are_back_then_all_are_covered() -> None:
    """The stop of a part keeps no other from coming."""
    bench = sold_short_of_ours()
    bench.live_on(2)

    bench.person(3)
    bench.live_on(3)

    assert coverage(bench.state)[SYMBOL].is_covered
    assert bench.shares[1] == bench.live_sells() == 10
    assert bench.state.strange_quantities == {}


def test_protection_when_the_broker_shows_none_of_ours_then_nothing_is_asked_for() -> None:
    """A late list, or shares that are gone: either way no order could be right."""
    bench = PersonBench()
    bench.hold_bracket()
    bench.live_turn()
    bench.cancel_all()
    bench.pass_time(1)
    bench.venue.books.positions.pop(SYMBOL)
    sent = len(bench.broker.submitted)

    bench.live_on(2)

    assert len(bench.broker.submitted) == sent
    assert bench.denied == []


def test_protection_when_a_late_fill_comes_behind_a_part_then_it_gets_a_stop_of_its_own() -> None:
    """A fill may race the confirmed cancellation of its entry: the plan's first OCO, which stands,
    keeps no second one from coming.
    """
    bench = BotBench()
    own_id = bench.enter(10)
    bench.broker.prices["AAPL"] = Decimal(100)
    bench.broker.fills_on_submit = False
    bench.broker.fill(own_id, 4, "100")
    while len(bench.broker.submitted) == 1:
        bench.pass_time(1)
        bench.turn(rounds=1)
    assert bench.broker.submitted[-1].qty == 4
    entry = bench.broker.by_client_id(own_id)
    assert entry is not None
    bench.broker.put(entry, filled_qty=Decimal(6))
    bench.broker.held["AAPL"] = replace(bench.broker.held["AAPL"], qty=Decimal(6))

    for _ in range(3):
        bench.pass_time(5)
        bench.turn()

    assert bench.state.positions["AAPL"].qty == 6
    assert coverage(bench.state)["AAPL"].is_covered
    assert bench.state.plans == ()


@pytest.mark.parametrize("shown", [2, 0])
def test_protection_when_the_list_is_late_then_what_it_shows_is_covered_and_then_the_rest(
    shown: int,
) -> None:
    """Positions may lag behind orders: what a first look shows is protected at once."""
    bench = BotBench()
    bench.hold()
    bench.broker.fills_on_submit = False
    stop = next(one for one in bench.state.orders.live() if one.role is OrderRole.STOP)
    bench.broker.cancel(stop.broker_order_id or "")
    whole = bench.broker.held.pop("AAPL")
    if shown:
        bench.broker.held["AAPL"] = replace(whole, qty=Decimal(shown))
    bench.turn()
    first = coverage(bench.state)["AAPL"].stop_qty
    bench.broker.held["AAPL"] = whole

    for _ in range(2):
        bench.pass_time(5)
        bench.turn()

    assert first == shown
    assert coverage(bench.state)["AAPL"].is_covered
    assert bench.state.plans == ()


def test_protection_when_a_persons_order_holds_some_of_ours_then_the_free_ones_get_a_stop() -> None:
    """Between two stops of ours a person's order may take shares: asking for all is refused for
    ever, and what is free stands naked.
    """
    bench = PersonBench()
    bench.hold_bracket()
    bench.live_turn()
    bench.cancel_all()
    bench.pass_time(1)
    assert bench.person(3, "sell", type="stop", stop_price="90") is not None

    bench.live_on(3)

    own_stops = [one for one in bench.state.orders.live() if one.role is OrderRole.STOP]
    assert sum(one.remaining_qty for one in own_stops) == 7
    refused = [one for one in bench.state.orders.values() if one.status is OrderStatus.REJECTED]
    assert len(refused) <= 3, "one question a turn for what cannot be had"
    bench.flatten = "operator: drill"
    bench.live_on(6)
    assert bench.shares[:2] == (3, 3), "what is free is sold"
    by_hand = bench.venue.again(bench.by_hand[0])
    bench.venue.cancel(by_hand)
    bench.live_on(4)
    assert bench.shares[:2] == (0, 0)
