"""The broker's reads against a scripted Alpaca: a failed read is never an empty answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.contracts.drift import SchemaDrift
from shared.errors import ConfigFault, TransientFault
from shared.resilience.door_rules import DoorRules
from shared.resilience.http_door import DoorAdapter, HttpDoor
from shared.vendors.alpaca_broker import AlpacaBroker
from shared.vendors.alpaca_market_data import DAY, MINUTE, MarketDataRest
from tests.support.alpaca_payloads import (
    raw_account,
    raw_bracket,
    raw_clock,
    raw_fill,
    raw_order,
    raw_position,
)
from tests.support.scripted_alpaca import LOST, Asked, ScriptedAlpaca

pytestmark = pytest.mark.integration

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def test_reads_when_broker_says_none_then_none_but_only_then(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """`None` is the broker's own 404; a gateway's page is a failed read."""
    assert broker.position("SPY") is None
    assert broker.order("x") is None
    assert broker.order_by_client_id("x") is None
    assert broker.asset("NONE") is None
    for page in ((404, b"<html>"), (404, {"message": "no route"}), (502, b"")):
        alpaca.on("GET", "/v2/positions/SPY", page)
        with pytest.raises(TransientFault):
            broker.position("SPY")


def test_reads_when_good_then_values(alpaca: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    """Account, positions and clock come as values of ours."""
    alpaca.on("GET", "/v2/account", (200, raw_account()))
    alpaca.on("GET", "/v2/positions", (200, [raw_position()]))
    alpaca.on("GET", "/v2/clock", (200, raw_clock()))
    assert broker.account().may_trade
    assert broker.positions()[0].qty == 10
    assert broker.clock_reading().is_open


@pytest.mark.parametrize(
    ("answer", "family"),
    [
        ((401, {"message": "unauthorized."}), ConfigFault),
        ((503, b""), TransientFault),
        (LOST, TransientFault),
        ((200, b"<html>"), TransientFault),
        ((200, b""), TransientFault),
        ((200, raw_account(equity=None)), SchemaDrift),
        ((200, None), SchemaDrift),
    ],
)
def test_reads_when_bad_then_fault_of_its_family(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker, answer: Any, family: type[Exception]
) -> None:
    """A failed read always raises; it is never an empty answer."""
    alpaca.on("GET", "/v2/account", answer)
    with pytest.raises(family):
        broker.account()


def _many_orders(asked: Asked) -> Any:
    """1,203 orders, 0.4 s apart, by Alpaca's rules: after is exclusive, oldest first."""
    assert asked.query["nested"] == "True"
    moments = [AT + timedelta(seconds=0.4 * n) for n in range(1_203)]
    after = datetime.fromisoformat(asked.query.get("after", "2000-01-01T00:00:00Z"))
    rows = [
        raw_order(id=f"id-{n}", client_order_id=f"c-{n}", submitted_at=moment.isoformat())
        for n, moment in enumerate(moments)
        if moment > after
    ]
    return 200, rows[: int(asked.query["limit"])]


def test_orders_when_many_then_all_pages_once_each(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """Pages overlap, doubles are dropped, the order is kept."""
    alpaca.on("GET", "/v2/orders", _many_orders)
    orders = broker.orders("all", after=AT - timedelta(days=1), symbols=("SPY",))
    assert [order.broker_order_id for order in orders] == [f"id-{n}" for n in range(1_203)]
    assert alpaca.asked[0].query["symbols"] == "SPY"
    assert alpaca.count("GET") == 3


def test_orders_when_paging_does_not_advance_then_fault(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """A list that cannot be read to its end is no list."""
    page = [raw_order(id=f"id-{n}", client_order_id=f"c-{n}") for n in range(500)]
    alpaca.on("GET", "/v2/orders", (200, page))
    with pytest.raises(TransientFault):
        broker.orders("open")


def test_orders_when_leg_of_ours_drifts_later_then_raises(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """Legs seen once under their parent stay ours when they are listed alone."""
    leg = raw_order(id=raw_bracket()["legs"][1]["id"], client_order_id="r", status="teleported")
    alpaca.on("GET", "/v2/orders", (200, [leg]))
    assert broker.orders("all") == ()
    alpaca.on("GET", "/v2/orders", (200, [raw_bracket()]))
    broker.orders("all")
    alpaca.on("GET", "/v2/orders", (200, [leg]))
    with pytest.raises(SchemaDrift):
        broker.orders("all")


def _many_fills(asked: Asked) -> Any:
    rows = [raw_fill(id=f"f-{n:04}") for n in range(250)]
    token = asked.query.get("page_token", "")
    return 200, [row for row in rows if row["id"] > token][: int(asked.query["page_size"])]


def test_fills_when_many_then_all_pages_once_each(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """Activities come a hundred at a time, overlapping."""
    alpaca.on("GET", "/v2/account/activities/FILL", _many_fills)
    assert [fill.activity_id for fill in broker.fills(AT)] == [f"f-{n:04}" for n in range(250)]


def test_shorting_when_forbidden_then_said(alpaca: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    """Long-only needs the broker's own switch; it is read, set, and read back."""
    path = "/v2/account/configurations"
    alpaca.on("GET", path, (200, {"no_shorting": False}))
    alpaca.on("PATCH", path, (200, {"no_shorting": True}))
    assert not broker.forbids_shorting()
    assert broker.forbid_shorting()
    assert alpaca.asked[-1].body == {"no_shorting": True}


def test_bars_when_asked_for_then_in_the_shares_of_today(alpaca: ScriptedAlpaca) -> None:
    """Else the close before a split lies far outside every band on the day of the split, and every
    indicator sees a fall that nobody suffered.
    """
    alpaca.on("GET", "/v2/stocks/bars", (200, {"bars": {}, "next_page_token": None}))
    door = HttpDoor(DoorAdapter(DoorRules(), SystemClock()), {})
    rest = MarketDataRest(door, alpaca.url, None)

    for timeframe in (DAY, MINUTE):
        rest.bars(("AAPL",), timeframe, AT, AT)
    rest.last_bars("AAPL", 5, AT)

    asked = [one.query.get("adjustment") for one in alpaca.asked]
    assert asked == ["split"] * 3
    door.close()
