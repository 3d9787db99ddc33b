"""apply: positions and trades follow from fills, once each, whatever came first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.events.apply import apply_all
from shared.events.types import (
    Event,
    FillSeen,
    IntentRecorded,
    OrderSeen,
)
from shared.models.broker import BrokerOrder
from shared.models.orders import OrderRole, OrderStatus, Side
from shared.models.trading_state import BotState
from tests.support.builders import (
    NOON,
    D,
    a_fill,
    a_state,
    an_entry,
    an_exit,
    at,
    filled,
    legs_of,
    seen_of,
)

pytestmark = pytest.mark.unit

ENTRY = an_entry()
KEY = ENTRY.position_key
TARGET, STOP = legs_of(ENTRY)
WORKING = seen_of(ENTRY, "b-1", OrderStatus.NEW, legs=(TARGET, STOP))
OPENED = filled(WORKING, 10, "100.00", at(5))


def after(*events: Event, state: BotState | None = None) -> BotState:
    """Return the state after the recorded entry and these events."""
    first = IntentRecorded((ENTRY,), NOON)
    return apply_all(state or a_state(), [first, *events])


def seen(order: BrokerOrder) -> OrderSeen:
    """Return the broker's word on an order."""
    return OrderSeen(order, order.updated_at or NOON)


def test_entry_when_it_fills_then_the_position_opens_with_its_stop() -> None:
    """Quantity, price, owner, stop and target come from the orders."""
    state = after(seen(OPENED))

    position = state.positions["AAPL"]
    assert (position.qty, position.entry_price) == (D(10), D(100))
    assert (position.stop_price, position.target_price) == (D("98.00"), D("103.00"))
    assert (position.strategy, position.opened_at) == ("momentum", at(5))
    assert position.position_key == KEY
    assert state.trade_history == ()


def test_leg_when_known_then_it_belongs_to_the_group() -> None:
    """Legs are learned from the parent's reply, with role, parent and position."""
    state = after(seen(WORKING))

    target, stop = state.orders["leg-t-AAPL"], state.orders["leg-s-AAPL"]
    assert (target.role, stop.role) == (OrderRole.TARGET, OrderRole.STOP)
    assert target.parent_id == stop.parent_id == ENTRY.client_order_id
    assert {order.client_order_id for order in state.orders.group(KEY)} == {
        ENTRY.client_order_id,
        "leg-t-AAPL",
        "leg-s-AAPL",
    }


@pytest.mark.parametrize(
    ("price", "pnl", "counts"),
    [
        ("103.00", "30.00", (1, 0, 0)),
        ("98.00", "-20.00", (0, 1, 0)),
        ("100.00", "0.00", (0, 0, 1)),
        ("100.004", "0.04", (1, 0, 0)),
        ("100.0004", "0.00", (0, 0, 1)),
    ],
)
def test_trade_when_the_exit_fills_then_it_is_booked_to_the_cent(
    price: str, pnl: str, counts: tuple[int, int, int]
) -> None:
    """Won, lost, and breakeven, which is neither; totals, day and cooldown move along."""
    state = after(seen(OPENED), seen(filled(TARGET, 10, price, at(60))))

    trade = state.trade_history[0]
    assert (trade.pnl, trade.qty, trade.exit_reason) == (D(pnl), D(10), "target")
    assert (trade.entered_at, trade.exited_at) == (at(5), at(60))
    assert (state.pnl.wins, state.pnl.losses, state.pnl.breakeven) == counts
    assert state.pnl.realized == D(pnl)
    assert state.day is not None
    assert state.day.realized == D(pnl)
    assert state.cooldowns == {"AAPL": at(60)}
    assert state.positions == {}


def test_trade_when_short_then_a_lower_exit_wins() -> None:
    """The side of the entry decides what is profit."""
    entry = an_entry(side=Side.SELL, stop_loss_price=D("102.00"), take_profit_price=D("97.00"))
    opened = filled(seen_of(entry, "b-1", OrderStatus.NEW), 10, "100.00", at(5))
    close = an_exit(entry, "close")
    closed = filled(seen_of(close, "b-2", OrderStatus.NEW), 10, "97.00", at(9))

    state = apply_all(a_state(), [IntentRecorded((entry, close), NOON), seen(opened)])
    assert state.positions["AAPL"].qty == D(-10)

    state = apply_all(state, [seen(closed)])
    assert state.trade_history[0].pnl == D("30.00")
    assert state.trade_history[0].exit_reason == "test exit"


def test_fill_when_doubled_or_older_then_nothing_changes() -> None:
    """Fills are keyed by order and cumulative quantity."""
    part = filled(WORKING, 4, "99.00", at(4))
    state = after(seen(part), seen(OPENED))

    assert after(seen(part), seen(OPENED), seen(part), seen(OPENED), seen(WORKING)) == state
    keys = [item.key for item in state.outbox if item.kind == "fill"]
    assert keys == ["fill:b-1:4", "fill:b-1:10"]


def test_fill_when_the_position_shrinks_then_the_rest_stays_open() -> None:
    """A partial exit changes the quantity; the trade waits for the last share."""
    state = after(seen(OPENED), seen(filled(TARGET, 4, "103.00", at(60))))

    assert state.positions["AAPL"].qty == D(6)
    assert state.trade_history == ()


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2)]
)
def test_activities_when_they_outrun_the_order_then_their_order_does_not_matter(
    order: tuple[int, int, int],
) -> None:
    """Fills known from activities add up exactly; the order's own total rules later."""
    fills = (
        FillSeen(a_fill(WORKING, 3, 3, "99.97", at(3))),
        FillSeen(a_fill(WORKING, 5, 2, "99.98", at(4))),
        FillSeen(a_fill(WORKING, 9, 4, "100.00", at(5))),
    )

    state = after(seen(WORKING), *(fills[number] for number in order))

    position = state.positions["AAPL"]
    total = 3 * D("99.97") + 2 * D("99.98") + 4 * D("100.00")
    assert (position.qty, position.qty * position.entry_price) == (D(9), total)
    whole = apply_all(state, [seen(OPENED)])
    assert whole.positions["AAPL"].entry_price == D("100.00")
    assert whole.early_fills == {}


def test_fill_when_it_comes_after_the_cancel_then_it_is_booked() -> None:
    """A late fill reopens the position; the order stays what its end was."""
    canceled = replace(
        filled(WORKING, 4, "100.00", at(4)), status=OrderStatus.CANCELED, updated_at=at(6)
    )
    late = replace(canceled, filled_qty=D(5), updated_at=at(7))

    state = after(seen(canceled), seen(late))

    assert state.positions["AAPL"].qty == D(5)
    assert state.orders[ENTRY.client_order_id].status is OrderStatus.CANCELED


def test_trade_when_a_late_fill_reopens_it_then_it_is_rebooked_under_its_key() -> None:
    """The totals are what they had been, had the fills come in their order."""
    part = replace(filled(WORKING, 6, "100.00", at(4)), status=OrderStatus.CANCELED)
    late = replace(part, filled_qty=D(7), updated_at=at(90))
    first, second = (
        replace(an_exit(ENTRY, name), qty=D(qty)) for name, qty in (("x", 6), ("y", 1))
    )
    closed = filled(seen_of(first, "b-x", OrderStatus.NEW), 6, "101.00", at(60))
    rest = filled(seen_of(second, "b-y", OrderStatus.NEW), 1, "99.00", at(95))
    intents = IntentRecorded((first, second), at(50))

    flat = after(seen(part), intents, seen(closed))
    reopened = apply_all(flat, [seen(late)])
    state = apply_all(reopened, [seen(rest)])

    assert (flat.pnl.trades, flat.pnl.realized) == (1, D("6.00"))
    assert (reopened.pnl.trades, reopened.positions["AAPL"].qty) == (0, D(1))
    assert (state.pnl.trades, state.pnl.realized, state.pnl.wins) == (1, D("5.00"), 1)
    straight = after(seen(late), intents, seen(rest), seen(closed))
    assert replace(straight, outbox=()) == replace(state, outbox=())
