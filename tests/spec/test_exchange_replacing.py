"""Replacing orders and closing positions on the simulated exchange: what is refused, and how."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.exchange_sim.records import Refusal, SimOrder
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit


def test_replace_when_order_is_queued_or_done_then_422() -> None:
    """A replacement needs a working order, a change, and prices on the right sides."""
    venue = Venue()
    _, target, stop = venue.bracket()
    venue.trade("AAA", "100")

    cases: tuple[tuple[SimOrder, dict[str, Any], str], ...] = (
        (stop, {}, "at least one of"),
        (stop, {"stop_price": "101"}, "less than current price"),
        (stop, {"qty": "5"}, "only the prices"),
        (target, {"limit_price": "94"}, "must be >"),
        (target, {"stop_price": "94"}, "no stop price"),
    )
    for order, body, words in cases:
        with pytest.raises(Refusal, match=words):
            venue.replace(order, **body)
    venue.is_open = False
    queued = venue.send(symbol="BBB")
    with pytest.raises(Refusal, match="isn't sent to exchange yet"):
        venue.replace(queued, qty="11")


@pytest.mark.parametrize("status", ["accepted", "pending_new", "pending_cancel", "pending_replace"])
def test_replace_when_the_order_is_between_two_states_then_422(status: str) -> None:
    """Neither before the exchange has it nor while another request is under way."""
    venue = Venue()
    venue.is_open = status != "accepted"
    order = venue.send(settle=False, type="limit", limit_price="90")
    if status == "pending_cancel":
        venue.settle()
        venue.cancel(order, settle=False)
    elif status == "pending_replace":
        venue.settle()
        venue.replace(order, settle=False, limit_price="91")
    assert venue.status(order) == status

    with pytest.raises(Refusal) as caught:
        venue.replace(order, limit_price="92")

    assert (caught.value.status, caught.value.code) == (422, 42210000)


def test_position_close_when_there_is_none_then_404() -> None:
    """Closing what is not there is `position does not exist`; unknown orders are 404 too."""
    venue = Venue()

    with pytest.raises(Refusal) as caught:
        venue.desk.close_position("AAA", None, venue.moment())
    assert (caught.value.status, caught.value.code) == (404, 40410000)
    with pytest.raises(Refusal) as caught:
        venue.desk.order("nobody")
    assert caught.value.status == 404


@pytest.mark.parametrize("over_close", [False, True])
def test_position_close_when_too_much_or_nothing_then_refused_with_the_quantities(
    over_close: bool,
) -> None:
    """Closing never opens anything; the refusal has the fields of held shares."""
    venue = Venue()
    venue.switch(f"over_close={over_close}")
    venue.send()
    venue.trade("AAA", "100")
    venue.send(side="sell", qty="4", type="limit", limit_price="120")

    with pytest.raises(Refusal) as caught:
        venue.desk.close_position("AAA", Decimal(11), venue.moment())

    assert (caught.value.status, caught.value.code) == (403, 40310000)
    assert caught.value.fields == {
        "available": "6",
        "existing_qty": "10",
        "held_for_orders": "4",
        "symbol": "AAA",
    }
    with pytest.raises(Refusal, match="qty must be > 0"):
        venue.desk.close_position("AAA", Decimal("1e-12"), venue.moment())


@pytest.mark.parametrize("is_open", [True, False])
def test_replacement_when_it_takes_its_place_then_its_change_has_a_later_stamp(
    is_open: bool,
) -> None:
    """Else a reader who goes by the newest stamp would keep the word `pending_new` for ever."""
    venue = Venue()
    venue.switch("replace_lag_s=1.5")
    _, target, _ = venue.bracket()
    venue.trade("AAA", "100")
    new = venue.replace(venue.again(target), limit_price="108")
    venue.is_open = is_open
    venue.now += timedelta(seconds=2)
    venue.settle()

    after = venue.again(new)
    assert after.status.value == ("new" if is_open else "accepted")
    assert after.updated_at > new.updated_at
