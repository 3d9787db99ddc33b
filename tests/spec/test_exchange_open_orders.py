"""What the exchange knows of its live orders at a flat cost is what a look at each of them says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from services.exchange_sim.account import available_qty
from services.exchange_sim.books import Books
from services.exchange_sim.claims import reservation
from services.exchange_sim.ladder import Ladder
from services.exchange_sim.matching import (
    Match,
    Point,
    Span,
    Step,
    match_limit_in_span,
    match_point,
    match_stop_in_span,
)
from services.exchange_sim.records import ZERO, SimOrder
from services.exchange_sim.trailing import marked
from services.exchange_sim.triggers import Wake, triggers
from services.exchange_sim.wash import wash_reason
from shared.models.market import Candle
from shared.models.orders import OrderStatus, OrderType, Side
from tests.support.exchange_story import SWITCHED, WORDS, Story
from tests.support.exchange_venue import NOON, Venue

pytestmark = pytest.mark.unit
CENT = Decimal("0.01")
FEW, MANY = 10, 1_500
STORIES, LENGTH = 24, 80


def _waits(order: SimOrder) -> bool:
    return order.status is OrderStatus.PENDING_NEW and order.replaces is not None


def slow_reserved(venue: Venue, without: str | None) -> Decimal:
    """Return what all live orders keep back, asking each; of a pair the dearer counts."""
    reserved: dict[str, Decimal] = {}
    for order in venue.books.live_orders():
        if order.id == without:
            continue
        quote = venue.tape.bid_ask(order.symbol, venue.now) or (ZERO, ZERO)
        dollars = reservation(order, venue.books.positions.get(order.symbol), quote)
        name = str(order.replaces) if _waits(order) else order.id
        reserved[name] = max(reserved.get(name, ZERO), dollars)
    return sum(reserved.values(), ZERO)


def slow_held(books: Books, side: Side, without: str | None) -> Decimal:
    """Return the shares that live orders of a side hold; of a group the largest counts."""
    held: dict[str, Decimal] = {}
    for order in books.live_orders("AAA"):
        if order.id == without or order.side is not side or order.inert or _waits(order):
            continue
        name = order.group_id or order.id
        held[name] = max(held.get(name, ZERO), order.remaining)
    return sum(held.values(), ZERO)


def check_money_and_shares(venue: Venue) -> None:
    """Compare reservations and free shares, with every order and without each of them."""
    books = venue.books
    names = [None, *(order.id for order in books.live_orders())]
    for without in names:
        total = books.open.claims.total(
            books.positions,
            lambda symbol: venue.tape.bid_ask(symbol, venue.now) or (ZERO, ZERO),
            without,
        )
        assert total == slow_reserved(venue, without)
    position = books.positions.get("AAA")
    if position is None:
        return
    side = Side.SELL if position.qty > 0 else Side.BUY
    for without in names:
        held = slow_held(books, side, without)
        assert books.available(position, without) == available_qty(position, held)


def check_rivals(books: Books, last: Decimal) -> None:
    """An order would trade with some resting one exactly when one of its rivals says so."""
    live = books.live_orders("AAA")
    limits = [one for one in live if one.type is OrderType.LIMIT and not one.is_complex]
    prices = [last + Decimal(number) / 2 for number in range(-8, 9)]
    asking = [
        replace(one, side=side, limit_price=price)
        for one in limits[:1]
        for side in Side
        for price in prices
    ]
    for order in [*live, *asking]:
        everybody = any(wash_reason(order, resting) for resting in live)
        asked = [books.orders[name] for name in books.open.rivals(order)]
        assert any(wash_reason(order, resting) for resting in asked) is everybody


def check_triggers(books: Books, last: Decimal) -> None:
    """Each price wakes the orders that act at it, oldest first, and no others but those that any
    price wakes.
    """
    live = books.live_orders("AAA")
    working = books.open.working("AAA")
    always = {one.id for one in live if triggers(one) == ((Wake.ANY, ZERO),)}

    def check(found: list[str], awake: set[str], besides: set[str]) -> None:
        assert found == [one.id for one in live if one.id in awake | besides]

    able = [one for one in live if one.can_match]
    for price in (last - 3, last - 2, last - 1, last, last + 1, last + 2, last + 5):
        point = Point(max(CENT, price - CENT), price + CENT, price)
        acting = {one.id for one in able if match_point(one, point).step is not Step.REST}
        moving = {one.id for one in able if marked(one, point.last) is not one}
        check(working.at_point(point), acting | moving, always)
        low = max(CENT, price - 2)
        span = Span(Candle("AAA", NOON, price, price + 1, low, price, 1_000), CENT)
        check(working.stops_in(span), _acting(match_stop_in_span, able, span), set())
        check(working.limits_in(span), _acting(match_limit_in_span, able, span), always)
        check(working.marks_in(span), {one.id for one in able if _moves(one, span)}, set())


def _acting(
    match: Callable[[SimOrder, Span], Match], orders: list[SimOrder], span: Span
) -> set[str]:
    return {one.id for one in orders if match(one, span).step is not Step.REST}


def _moves(order: SimOrder, span: Span) -> bool:
    best = span.candle.high if order.side is Side.SELL else span.candle.low
    return marked(order, best) is not order


@pytest.mark.parametrize("seed", range(STORIES))
def test_indexes_when_anything_happens_then_they_say_what_each_order_says(seed: int) -> None:
    """Reservations, free shares, rivals and triggers equal the slow recomputation at every step,
    replacements, groups, shorts and splits included.
    """
    chance = Random(seed)
    story = Story(chance.choice(SWITCHED))
    for _ in range(LENGTH):
        story.do((chance.choice(WORDS), chance.randrange(61)))
        check_money_and_shares(story.venue)
        last = story.venue.tape.last("AAA", NOON) or Decimal(100)
        check_rivals(story.venue.books, last)
        check_triggers(story.venue.books, last)


def test_claims_when_every_order_is_gone_then_nothing_is_left() -> None:
    """Sums of odd numbers come and go without a rest: not a billionth stays reserved."""
    venue = Venue()
    venue.configure(max_margin_multiplier=4)
    orders = [
        venue.send(type="limit", limit_price=f"{50 + number}.0{number}", qty=f"0.{number}3333333",
                   time_in_force="day")
        for number in range(2, 9)
    ]  # fmt: skip
    assert venue.desk.worth(venue.now).reserved > 0
    for order in orders:
        venue.cancel(order)

    assert venue.desk.worth(venue.now).reserved == 0
    assert not venue.books.open.has("AAA")
    assert venue.books.open.held_qty("AAA", Side.BUY) == 0


def test_ladder_when_numbers_are_equal_then_each_edge_takes_or_leaves_all_of_them() -> None:
    """`up_to` and `since` hold the edge, `below` and `above` do not."""
    ladder = Ladder()
    rungs = [(Decimal(number), seq, str(seq)) for seq, number in enumerate((1, 2, 2, 3))]
    for rung in reversed(rungs):
        ladder.add(rung)
    two = Decimal("2.0")

    assert ladder.rungs == rungs
    assert ladder.up_to(two) == rungs[:3]
    assert ladder.below(two) == rungs[:1]
    assert ladder.since(two) == rungs[1:]
    assert ladder.above(two) == rungs[3:]
    ladder.remove(rungs[1])
    assert ladder.rungs == [rungs[0], *rungs[2:]]


def crowded(count: int, symbol: str) -> Venue:
    """Return a venue in which so many far limits and stops rest, shorts among them."""
    venue = Venue(cash=Decimal(10**9), start_cash=Decimal(10**9))
    for number in range(count):
        kind = number % 3
        price = Decimal(20) + CENT * number
        bodies: tuple[dict[str, Any], ...] = (
            {"type": "limit", "limit_price": price},
            {"type": "limit", "limit_price": price + 1_000, "side": "sell"},
            {"order_class": "bracket", "type": "limit", "limit_price": price,
             "take_profit": {"limit_price": price + 500}, "stop_loss": {"stop_price": price - 5}},
        )  # fmt: skip
        venue.send(symbol=symbol, qty=1, **bodies[kind])
    return venue


def calls_of(deed: Callable[[], object]) -> int:
    """Return how many calls a deed takes: its cost, whatever else the machine does."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        deed()
    finally:
        sys.setprofile(before)
    return count


@pytest.fixture(scope="module")
def venues() -> dict[tuple[int, str], Venue]:
    return {(count, name): crowded(count, name) for count in (FEW, MANY) for name in ("AAA", "BBB")}


@pytest.mark.parametrize("symbol", ["AAA", "BBB"])
def test_post_and_tick_when_thousands_of_orders_rest_then_the_cost_is_that_of_ten(
    venues: dict[tuple[int, str], Venue], symbol: str
) -> None:
    """Whether the others are of another symbol or of the same one: nobody walks all of them."""

    def post(venue: Venue) -> int:
        return calls_of(lambda: venue.send(qty=1, type="limit", limit_price="19"))

    def tick(venue: Venue) -> int:
        return calls_of(lambda: venue.trade("AAA", "100.5"))

    few, many = venues[FEW, symbol], venues[MANY, symbol]
    assert post(many) <= post(few) * 1.2 + 20
    assert tick(many) <= tick(few) * 1.2 + 20
