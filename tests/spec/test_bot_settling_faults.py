"""Orders of unknown outcome are settled one by one: what cannot be read of one keeps none back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.trading_bot.execution.settling import FILLS_EVERY_S, Settled, Settler
from services.trading_bot.settling import LOOKS_AT_S
from shared.errors import SystemFault, TransientFault
from shared.events.types import IntentRecorded, OrderSeen, OutcomeUnknown
from shared.models.broker import BrokerFill
from shared.models.orders import Order, OrderClass, OrderStatus, OrderType, Side
from tests.support.bot_bench import BotBench
from tests.support.builders import NOON, D, a_position, an_entry, an_exit, at, filled, seen_of
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit

FIRST, SECOND = an_entry("AAPL"), an_entry("MSFT")
NO_ACTIVITIES = TransientFault("activities: no answer")


class Desk:
    """A settler before a broker who knows nothing of the orders, unless he is told."""

    def __init__(self, *orders: Order) -> None:
        self.bench, self.clock = BotBench(), ManualClock()
        self.settler = Settler(self.bench.broker, self.clock)
        self.bench.book(IntentRecorded(orders, NOON))
        self.bench.book(*(OutcomeUnknown(one.client_order_id, "reset", NOON) for one in orders))

    def settle(self) -> Settled | None:
        """Do one round; None when the broker could not be asked."""
        bench = self.bench
        try:
            settled = self.settler.settle(bench.state, dict(bench.broker.held), bench.now)
        except SystemFault:
            return None
        bench.book(*settled.events)
        return settled

    def look_through(self) -> None:
        """Make every look of rule 10."""
        for _ in LOOKS_AT_S:
            self.settle()
            self.clock.advance(LOOKS_AT_S[-1] + 1)

    def status(self, order: Order) -> OrderStatus:
        """Return where an order stands."""
        return self.bench.state.orders[order.client_order_id].status


@pytest.mark.parametrize(("stuck", "found"), [(FIRST, SECOND), (SECOND, FIRST)])
def test_settling_when_activities_are_unreadable_then_other_orders_are_settled_all_the_same(
    stuck: Order, found: Order
) -> None:
    """What was found before the fault counts, and what fails goes last the next time."""
    desk = Desk(stuck)
    desk.bench.broker.fills_fault = NO_ACTIVITIES
    desk.look_through()
    assert desk.status(stuck) is OrderStatus.UNKNOWN

    desk.bench.book(IntentRecorded((found,), NOON))
    desk.bench.book(OutcomeUnknown(found.client_order_id, "reset", NOON))
    shown = seen_of(found, "b-2", OrderStatus.NEW)
    desk.bench.broker.books["b-2"] = shown
    desk.settle()
    desk.settle()

    assert desk.status(found) is OrderStatus.NEW
    assert desk.status(stuck) is OrderStatus.UNKNOWN

    desk.bench.broker.fills_fault = None
    desk.settle()
    assert desk.status(stuck) is OrderStatus.NOT_SENT


def test_settling_when_one_order_cannot_be_read_then_the_repeat_of_another_goes_out() -> None:
    """A repeat that was counted and never sent would leave shares naked for minutes."""
    entry = an_entry("AAPL")
    close = an_exit(entry, "close-1")
    desk = Desk(SECOND)
    desk.bench.broker.fills_fault = NO_ACTIVITIES
    desk.look_through()
    bought = filled(seen_of(entry, "b-1", OrderStatus.NEW), 10, "100", at(1))
    desk.bench.book(IntentRecorded((entry, close), NOON), OrderSeen(bought, at(1)))
    desk.bench.book(OutcomeUnknown(close.client_order_id, "reset", NOON))

    rounds = [desk.settle() for _ in range(2)]

    sent = [send.request.client_order_id for one in rounds if one for send in one.resend]
    assert sent == [close.client_order_id]


@pytest.mark.parametrize(("what", "asked"), [("shares", 0), ("a fill", 4)])
def test_settling_when_a_person_must_look_then_the_broker_is_not_asked_at_every_turn(
    what: str, asked: int
) -> None:
    """A person may take hours, and every read is taken from the looks at the orders: the activities
    once a minute, and the order behind a fill once.
    """
    desk = Desk(FIRST)
    broker = desk.bench.broker
    if what == "shares":
        broker.held["AAPL"] = a_position()
    else:
        fill = BrokerFill("a-1", "b-9", "AAPL", Side.BUY, D(10), D(10), D(100), at(1))
        broker.activities.append(fill)
    desk.look_through()
    before = broker.reads
    for _ in range(int(3 * FILLS_EVERY_S)):
        settled = desk.settle()
        assert settled is not None
        assert settled.unresolved == (FIRST.client_order_id,)
        desk.clock.advance(1)

    assert broker.reads - before == asked


@pytest.mark.parametrize(
    ("is_shown", "status"), [(True, OrderStatus.NOT_SENT), (False, OrderStatus.UNKNOWN)]
)
def test_settling_when_a_person_bought_the_same_symbol_then_an_absent_entry_is_settled(
    is_shown: bool, status: OrderStatus
) -> None:
    """The order behind the fill tells whose it was; while nobody shows that order, nothing is."""
    desk = Desk(FIRST)
    broker = desk.bench.broker
    by_hand = seen_of(FIRST, "b-9", OrderStatus.FILLED, client_order_id="by hand")
    broker.activities.append(
        BrokerFill("a-1", "b-9", "AAPL", Side.BUY, D(10), D(10), D(100), at(1))
    )
    if is_shown:
        broker.books["b-9"] = by_hand
    desk.look_through()
    desk.settle()

    assert desk.status(FIRST) is status


@pytest.mark.parametrize(
    ("replaces", "status"), [("b-1", OrderStatus.NOT_SENT), (None, OrderStatus.UNKNOWN)]
)
def test_settling_when_a_person_sold_beside_a_lost_exit_then_a_change_is_settled_and_a_group_not(
    replaces: str | None, status: OrderStatus
) -> None:
    """The change of a leg carries our id; the legs of a new group have ids that nobody knows."""
    group = replace(
        an_exit(FIRST, "lost", OrderType.LIMIT), order_class=OrderClass.OCO, replaces=replaces
    )
    desk = Desk(group)
    desk.bench.broker.activities.append(
        BrokerFill("a-1", "b-9", "AAPL", Side.SELL, D(10), D(10), D(100), at(1))
    )
    by_hand = seen_of(group, "b-9", OrderStatus.FILLED, client_order_id="by hand")
    desk.bench.broker.books["b-9"] = by_hand
    desk.look_through()
    desk.settle()

    assert desk.status(group) is status
