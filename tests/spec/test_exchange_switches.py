"""The switches of the simulated exchange: each behaviour that nobody has verified, both ways."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal

import pytest

from services.exchange_sim.listing import OrderQuery, is_visible, list_orders
from services.exchange_sim.records import Refusal
from services.exchange_sim.switches import Switches, switched
from services.exchange_sim.wire import event_document, order_document
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit


def venue_with(*settings: str) -> Venue:
    """Return a venue with these switches."""
    venue = Venue()
    venue.switch(*settings)
    return venue


def test_switches_when_set_by_text_then_every_kind_of_value_is_read() -> None:
    """Truth, chances, seconds, words and symbols are read; the rest stays as it was."""
    found = switched(
        Switches(over_close=True),
        ["stuck-cancels=on", "both_exits_rate=0.5", "cancel_lag_s=2", "sibling_end=silent"],
    )
    found = switched(found, ["halted=aaa, bbb"])

    assert found == Switches(
        over_close=True,
        stuck_cancels=True,
        both_exits_rate=0.5,
        cancel_lag_s=2.0,
        sibling_end=found.sibling_end,
        halted=frozenset({"AAA", "BBB"}),
    )
    assert found.sibling_end.value == "silent"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("nonsense=1", "NAME one of"),
        ("stuck_cancels", "NAME=VALUE"),
        ("stuck_cancels=perhaps", "write true or false"),
        ("both_exits_rate=1.1", "a chance from 0 to 1"),
        ("cancel_lag_s=-1", "seconds from 0 on"),
        ("cancel_lag_s=nan", "seconds from 0 on"),
        ("trading_streams_max=1.5", "whole number"),
        ("trading_streams_max=-1", "whole number"),
        ("sibling_end=gone", r"one of \['canceled', 'replaced', 'silent'\]"),
    ],
)
def test_switch_when_it_cannot_be_read_then_told_how(setting: str, words: str) -> None:
    """The error names the switch, the value and what may be written."""
    with pytest.raises(ValueError, match=words) as caught:
        switched(Switches(), [setting])
    assert setting.partition("=")[0] in str(caught.value)


def test_switches_when_listed_then_each_one_is_documented() -> None:
    """Every switch has a default, so that nothing must be set."""
    assert len(fields(Switches)) == len(set(Switches.__slots__))
    assert switched(Switches(), []) == Switches()


@pytest.mark.parametrize(
    ("sibling_end", "status", "announced"),
    [
        ("canceled", "canceled", ["canceled"]),
        ("replaced", "replaced", ["replaced"]),
        ("silent", "canceled", []),
    ],
)
def test_other_exit_when_one_fills_then_it_ends_as_switched(
    sibling_end: str, status: str, announced: list[str]
) -> None:
    """It is canceled, or shown as replaced by nothing, or canceled without a word."""
    venue = venue_with(f"sibling_end={sibling_end}")
    _, target, stop = venue.bracket()
    venue.trade("AAA", "100")

    venue.trade("AAA", "111")

    assert (venue.status(target), venue.status(stop)) == ("filled", status)
    assert venue.again(stop).replaced_by is None
    assert venue.events()[-1 - len(announced) :] == ["fill", *announced]


@pytest.mark.parametrize(("rate", "left"), [("0", 0), ("1", -10)])
def test_both_exits_when_switched_then_the_group_over_closes(rate: str, left: int) -> None:
    """Rarely both exits fill before the cancellation: the position turns short."""
    venue = venue_with(f"both_exits_rate={rate}")
    _, target, stop = venue.bracket()
    venue.trade("AAA", "100")

    venue.trade("AAA", "111")

    assert venue.status(target) == "filled"
    assert venue.status(stop) == ("filled" if left else "canceled")
    assert venue.held() == left


@pytest.mark.parametrize("over_close", [False, True])
def test_sell_when_more_than_is_held_then_refused_or_short(over_close: bool) -> None:
    """403 by default; switched, the rest opens a short, but never past shares that are held."""
    venue = venue_with(f"over_close={over_close}")
    venue.send()
    venue.trade("AAA", "100")

    if not over_close:
        with pytest.raises(Refusal, match=r"requested: 15, available: 10"):
            venue.send(side="sell", qty="15")
        return
    venue.send(side="sell", qty="15")
    venue.trade("AAA", "100")
    assert venue.held() == -5


@pytest.mark.parametrize("lag_s", [0, 3])
def test_cancel_when_it_lags_then_the_order_works_on_until_then(lag_s: int) -> None:
    """The window between 204 and `canceled`: fills still win it."""
    venue = venue_with(f"cancel_lag_s={lag_s}")
    order = venue.send(type="limit", limit_price="99")

    venue.cancel(order)
    assert venue.status(order) == ("pending_cancel" if lag_s else "canceled")
    venue.now += timedelta(seconds=4)
    venue.settle()

    assert venue.status(order) == "canceled"


def test_cancel_when_stuck_then_it_stays_pending_over_the_close_until_switched_back() -> None:
    """Cancellations are accepted and nothing follows; a day order is not even expired."""
    venue = venue_with("stuck_cancels=true")
    order = venue.send(type="limit", limit_price="99", time_in_force="day")
    venue.cancel(order)

    venue.end_session()
    venue.settle()
    assert venue.status(order) == "pending_cancel"
    venue.switch("stuck_cancels=false")
    venue.settle()

    assert venue.status(order) == "canceled"


def test_replacement_when_it_lags_then_pending_replace_until_then() -> None:
    """Old and new wait for each other; a cancel is refused meanwhile."""
    venue = venue_with("replace_lag_s=3")
    order = venue.send(type="limit", limit_price="99")

    new = venue.replace(order, limit_price="98")
    assert (venue.status(order), venue.status(new)) == ("pending_replace", "pending_new")
    with pytest.raises(Refusal, match="pending replacement"):
        venue.cancel(order)
    with pytest.raises(Refusal, match="pending_replace"):
        venue.replace(order, limit_price="97")
    venue.now += timedelta(seconds=4)
    venue.settle()

    assert (venue.status(order), venue.status(new)) == ("replaced", "new")


@pytest.mark.parametrize("lag_s", [0, 2])
def test_order_when_look_ups_lag_then_it_is_not_found_at_first(lag_s: int) -> None:
    """It works at once, its id is taken, but reading does not show it yet."""
    venue = venue_with(f"lookup_lag_s={lag_s}")
    order = venue.send(type="limit", limit_price="99", client_order_id="mine")

    assert is_visible(venue.books, order) is (lag_s == 0)
    assert len(list_orders(venue.books, OrderQuery())) == (0 if lag_s else 1)
    with pytest.raises(Refusal, match="must be unique"):
        venue.send(client_order_id="mine")
    venue.books.update_account(now=order.created_at + timedelta(seconds=2))
    assert is_visible(venue.books, order)


@pytest.mark.parametrize("own", [False, True])
def test_stream_ids_when_switched_then_they_differ_from_the_activities(own: bool) -> None:
    """Executions of the stream and of the activities have the same id, or not."""
    venue = venue_with(f"own_stream_ids={own}")
    venue.send()
    venue.trade("AAA", "100")
    event, fill = venue.books.changes.events[-1], venue.books.fills[-1]

    shown = event_document(venue.books, event)["data"]["execution_id"]

    assert (shown != fill.execution_id) is own


@pytest.mark.parametrize(
    ("shown", "kind", "limit"), [(False, "stop", None), (True, "stop_limit", "102.5")]
)
def test_buy_stop_when_switched_then_it_shows_its_limit(
    shown: bool, kind: str, limit: str | None
) -> None:
    """The cap binds in either case; only what is shown differs."""
    venue = venue_with(f"buy_stop_shown_as_limit={shown}")
    venue.quote("AAA", "99")
    order = venue.send(type="stop", stop_price="100")

    document = order_document(venue.books, venue.again(order))

    assert (document["type"], document["limit_price"]) == (kind, limit)
    venue.trade("AAA", "103")
    assert (venue.status(order), venue.again(order).triggered) == ("new", True)
    venue.trade("AAA", "102")
    assert venue.again(order).filled_avg_price == Decimal("102.01")


def test_halt_when_on_then_orders_are_taken_and_rest() -> None:
    """Nothing of the symbol trades, whatever its quotes say; others go on."""
    venue = venue_with("halted=AAA")
    order = venue.send()
    other = venue.send(symbol="BBB")

    venue.trade("AAA", "100")
    venue.trade("BBB", "50")
    venue.bar(("100", "120", "80", "100"))
    assert (venue.status(order), venue.status(other)) == ("new", "filled")
    venue.switch("halted=")
    venue.trade("AAA", "70")

    assert venue.again(order).filled_avg_price == Decimal("70.01")
