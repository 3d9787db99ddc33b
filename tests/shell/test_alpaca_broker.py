"""The broker's door over alpaca-py against a scripted Alpaca: outcomes, paging, refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.errors import FailureClass
from shared.models.broker import (
    Accepted,
    CancelRequested,
    CloseRequested,
    NoPosition,
    OrderRequest,
    Rejected,
    Unknown,
)
from shared.models.orders import OrderClass, OrderType, Purpose, Side, TimeInForce
from shared.risk.approved import Approved, seal_for_guard
from shared.vendors.alpaca_broker import AlpacaBroker
from tests.support.alpaca_payloads import raw_bracket, raw_order
from tests.support.scripted_alpaca import LOST, ScriptedAlpaca, broker_at

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
OWN_ID = "sht-h5salyam-momentum-0123456789ab"
ENTRY = OrderRequest(
    client_order_id=OWN_ID,
    purpose=Purpose.ENTRY,
    symbol="SPY",
    side=Side.BUY,
    qty=Decimal("1E+1"),
    type=OrderType.LIMIT,
    order_class=OrderClass.BRACKET,
    time_in_force=TimeInForce.GTC,
    limit_price=Decimal("500.25"),
    stop_price=None,
    take_profit_price=Decimal("520.00"),
    stop_loss_price=Decimal("490"),
    strategy="momentum",
    created_at=AT,
    reason="test",
)
STOP_PATCH = replace(
    ENTRY,
    purpose=Purpose.PROTECT,
    side=Side.SELL,
    type=OrderType.STOP,
    order_class=OrderClass.SIMPLE,
    limit_price=None,
    stop_price=Decimal("495.10"),
    take_profit_price=None,
    stop_loss_price=None,
    replaces="11111111-0000-4000-8000-000000000002",
)


def approved(request: OrderRequest = ENTRY, valid_s: float = 60) -> Approved:
    return Approved(request, (), CLOCK.monotonic_s() + valid_s, seal=seal_for_guard())


class Stop:
    """An emergency stop that a test sets."""

    is_set = False


@pytest.fixture
def broker(alpaca: ScriptedAlpaca) -> AlpacaBroker:
    return broker_at(alpaca.url, lambda: Stop.is_set)


def test_submit_when_bracket_is_accepted_then_exact_body_and_legs(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """Amounts go out as plain decimal texts, once; the reply comes back with its legs."""
    alpaca.on("POST", "/v2/orders", (200, raw_bracket()))
    outcome = broker.submit(approved())
    assert isinstance(outcome, Accepted)
    assert len(outcome.order.legs) == 2
    assert [asked.body for asked in alpaca.asked] == [
        {
            "symbol": "SPY",
            "qty": "10",
            "side": "buy",
            "type": "limit",
            "time_in_force": "gtc",
            "client_order_id": OWN_ID,
            "limit_price": "500.25",
            "order_class": "bracket",
            "take_profit": {"limit_price": "520.00"},
            "stop_loss": {"stop_price": "490"},
        }
    ]


def test_submit_when_replacing_then_patch_with_price_and_id_only(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """A replacement sends what changes and our new id, never a quantity."""
    path = f"/v2/orders/{STOP_PATCH.replaces}"
    new = raw_order(side="sell", type="stop", limit_price=None, stop_price="495.10")
    alpaca.on("PATCH", path, (200, new))
    assert isinstance(broker.submit(approved(STOP_PATCH)), Accepted)
    assert alpaca.asked[0].body == {"client_order_id": OWN_ID, "stop_price": "495.10"}


def test_submit_when_trailing_then_distance_goes_as_trail_price(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """A trailing stop's distance stands in stop_price of the request."""
    request = replace(STOP_PATCH, type=OrderType.TRAILING_STOP, replaces=None)
    reply = raw_order(side="sell", type="trailing_stop", limit_price=None)
    alpaca.on("POST", "/v2/orders", (200, reply))
    assert isinstance(broker.submit(approved(request)), Accepted)
    assert alpaca.asked[0].body["trail_price"] == "495.10"


OUTCOMES: list[tuple[str, Any, type, str]] = [
    ("lost reply", LOST, Unknown, "connection_lost"),
    ("500", (500, {"message": "x"}), Unknown, "broker_error"),
    ("504 HTML, on which the vendor would repeat", (504, b"<html>"), Unknown, "broker_error"),
    ("200 HTML", (200, b"<html>"), Unknown, "unreadable_reply"),
    ("200 empty", (200, b""), Unknown, "order"),
    ("200 null", (200, None), Unknown, "order"),
    ("200 of another shape", (200, {"id": 3}), Unknown, "order"),
    ("200 of another order", (200, raw_order(client_order_id="other")), Unknown, "another"),
    ("429, on which the vendor would repeat", (429, {"message": "slow"}), Rejected,
     "rate_limited"),
    ("401", (401, {"message": "unauthorized."}), Rejected, "unauthorized"),
    ("403", (403, {"code": 40310000, "message": "insufficient buying power"}), Rejected,
     "insufficient_buying_power"),
    ("422", (422, {"code": 42210000, "message": "sub-penny increment"}), Rejected,
     "tick_refused"),
    ("301", (301, b""), Rejected, "fault"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer", "kind", "word"), OUTCOMES)
def test_submit_when_answered_so_then_closed_outcome_and_one_post(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker, name: str, answer: Any, kind: type, word: str
) -> None:
    """Whatever comes back, the outcome is closed, and the POST was sent exactly once."""
    alpaca.on("POST", "/v2/orders", answer)
    outcome = broker.submit(approved())
    assert isinstance(outcome, kind), name
    assert word in (outcome.code if isinstance(outcome, Rejected) else str(outcome))
    assert alpaca.count("POST") == 1


def test_submit_when_nobody_listens_then_rejected_as_not_placed() -> None:
    """A refused connection is known: nothing was placed."""
    with ScriptedAlpaca() as gone:
        url = gone.url
    broker = broker_at(url, lambda: False)
    outcome = broker.submit(approved())
    assert isinstance(outcome, Rejected)
    assert (outcome.failure_class, outcome.code) == (FailureClass.TRANSIENT, "connection_refused")


def _id_is_taken(alpaca: ScriptedAlpaca) -> None:
    refusal = {"code": 40010001, "message": "client_order_id must be unique"}
    alpaca.on("POST", "/v2/orders", (422, refusal))


def test_submit_when_id_is_taken_then_the_order_is_fetched(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """`must be unique` means that it exists: it is read, and its status is the caller's."""
    _id_is_taken(alpaca)
    path = "/v2/orders:by_client_order_id"
    assert isinstance(broker.submit(approved()), Unknown)  # not found, although it exists
    alpaca.on("GET", path, (500, b""))
    assert isinstance(broker.submit(approved()), Unknown)
    alpaca.on("GET", path, (200, raw_order(status="canceled")))
    outcome = broker.submit(approved())
    assert isinstance(outcome, Accepted)
    assert outcome.order.status == "canceled"
    alpaca.on("GET", path, (200, raw_order(symbol="QQQ")))
    assert isinstance(broker.submit(approved()), Rejected)


def test_submit_when_expired_or_stopped_then_nothing_is_sent(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """An old approval sends nothing; the emergency stop holds entries, never protection."""
    alpaca.on("POST", "/v2/orders", (200, raw_order(side="sell", type="stop", stop_price="495.1")))
    expired = broker.submit(approved(valid_s=-1))
    assert isinstance(expired, Rejected)
    assert expired.code == "approval_expired"
    Stop.is_set = True
    try:
        stopped = broker.submit(approved())
        assert isinstance(stopped, Rejected)
        assert stopped.code == "emergency_stop"
        assert alpaca.asked == []
        assert isinstance(broker.submit(approved(replace(STOP_PATCH, replaces=None))), Accepted)
    finally:
        Stop.is_set = False
    with pytest.raises(TypeError):
        broker.submit(ENTRY)  # type: ignore[arg-type]  # the guard's ticket is required


def test_cancel_when_answered_then_closed_outcome(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """204 is a request taken; a refusal is known; a lost reply is not."""
    path = "/v2/orders/x1"
    alpaca.on("DELETE", path, (204, b""))
    assert broker.cancel("x1") == CancelRequested()
    alpaca.on("DELETE", path, (422, {"code": 42210000, "message": "order is not cancelable"}))
    refused = broker.cancel("x1")
    assert isinstance(refused, Rejected)
    assert refused.code == "not_cancelable"
    alpaca.on("DELETE", path, LOST)
    assert isinstance(broker.cancel("x1"), Unknown)
    assert alpaca.count("DELETE") == 3


def test_close_position_when_answered_then_closed_outcome(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """The broker computes the quantity; what its status code says holds, whatever the body is."""
    assert broker.close_position("SPY") == NoPosition()
    sale = raw_order(side="sell", type="market", limit_price=None, client_order_id="b-1")
    alpaca.on("DELETE", "/v2/positions/SPY", (200, sale))
    taken = broker.close_position("SPY")
    assert isinstance(taken, CloseRequested)
    assert taken.order is not None
    alpaca.on("DELETE", "/v2/positions/SPY", (200, {"drifted": True}))
    assert broker.close_position("SPY", Decimal("10")) == CloseRequested(None)
    assert [asked.query for asked in alpaca.asked[-2:]] == [{}, {"qty": "10"}]
    held = (403, {"code": 40310000, "message": "insufficient qty available for order"})
    alpaca.on("DELETE", "/v2/positions/SPY", held)
    assert isinstance(broker.close_position("SPY"), Rejected)
    alpaca.on("DELETE", "/v2/positions/SPY", (404, b"<html>a gateway</html>"))
    assert not isinstance(broker.close_position("SPY"), NoPosition)
    alpaca.on("DELETE", "/v2/positions/SPY", LOST)
    assert isinstance(broker.close_position("SPY"), Unknown)


def test_writes_when_a_207_hides_a_refusal_then_it_is_no_success(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """The head of a 207 says nothing about its rows: a refused row was not done."""
    held = {"code": 40310000, "message": "insufficient qty available for order"}
    alpaca.on(
        "DELETE", "/v2/positions/SPY", (207, [{"symbol": "SPY", "status": 403, "body": held}])
    )
    refused = broker.close_position("SPY")
    assert isinstance(refused, Rejected)
    assert refused.code == "insufficient_qty"
    alpaca.on("DELETE", "/v2/orders/x1", (207, [{"id": "x1", "status": 500}]))
    assert isinstance(broker.cancel("x1"), Unknown)
    alpaca.on("DELETE", "/v2/orders/x1", (207, [{"id": "x1", "status": 200}]))
    assert broker.cancel("x1") == CancelRequested()
