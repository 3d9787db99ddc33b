"""The wash table of the simulated exchange, cell by cell, and its exemptions."""

from __future__ import annotations

from typing import Any

import pytest

from services.exchange_sim.records import Refusal
from services.exchange_sim.wash import LIMIT, MARKET_OR_STOP
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit

BUYS: dict[str, dict[str, Any]] = {
    "market": {"type": "market"},
    "limit": {"type": "limit", "limit_price": "99"},
    "stop": {"type": "stop", "stop_price": "103"},
    "stop_limit": {"type": "stop_limit", "stop_price": "103", "limit_price": "104"},
    "trailing": {"type": "trailing_stop", "trail_price": "5"},
    "bracket": {
        "type": "limit",
        "limit_price": "99",
        "order_class": "bracket",
        "take_profit": {"limit_price": "110"},
        "stop_loss": {"stop_price": "95"},
    },
}
SELLS: dict[str, dict[str, Any]] = {
    "market": {"type": "market"},
    "limit crossing": {"type": "limit", "limit_price": "99"},
    "limit apart": {"type": "limit", "limit_price": "99.01"},
    "stop": {"type": "stop", "stop_price": "97"},
    "stop_limit": {"type": "stop_limit", "stop_price": "97", "limit_price": "96"},
    "trailing": {"type": "trailing_stop", "trail_price": "5"},
    "oco": {
        "type": "limit",
        "order_class": "oco",
        "take_profit": {"limit_price": "110"},
        "stop_loss": {"stop_price": "95"},
    },
}
EXEMPT = {"trailing", "bracket", "oco"}


def expected(buy: str, sell: str) -> str:
    """Return the reason that the table names for a pair; empty when both may stand."""
    if buy in EXEMPT or sell in EXEMPT:
        return ""
    if buy == "limit" and sell.startswith("limit"):
        return LIMIT if sell == "limit crossing" else ""
    return MARKET_OR_STOP


def holding() -> Venue:
    """Return a venue with twenty AAA at 100."""
    venue = Venue()
    venue.send(qty="20")
    venue.trade("AAA", "100")
    return venue


@pytest.mark.parametrize("first", ["buy", "sell"])
@pytest.mark.parametrize("sell", sorted(SELLS))
@pytest.mark.parametrize("buy", sorted(BUYS))
def test_opposite_orders_when_one_rests_then_the_table_decides(
    buy: str, sell: str, first: str
) -> None:
    """Whichever of the two rests, the other is refused with the very body Alpaca sends."""
    venue = holding()
    bodies = {"buy": BUYS[buy], "sell": SELLS[sell]}
    second = "sell" if first == "buy" else "buy"
    resting = venue.send(side=first, **bodies[first])
    reason = expected(buy, sell)

    if not reason:
        assert venue.send(side=second, **bodies[second]).side.value == second
        return
    with pytest.raises(Refusal) as caught:
        venue.send(side=second, **bodies[second])

    assert caught.value.status == 403
    assert caught.value.document() == {
        "code": 40310000,
        "message": "potential wash trade detected. use complex orders",
        "reject_reason": reason,
        "existing_order_id": resting.id,
    }


def test_same_side_or_other_symbol_when_sent_then_no_wash() -> None:
    """Only opposite orders of one symbol can trade with each other."""
    venue = holding()
    venue.send(type="limit", limit_price="99")

    venue.send(type="stop", stop_price="103")
    venue.send(symbol="BBB", type="limit", limit_price="45")
    assert len(venue.books.live_orders()) == 3


@pytest.mark.parametrize("settled", [False, True])
def test_resting_order_when_its_cancel_is_pending_then_it_still_counts(settled: bool) -> None:
    """204 is only a request: until `canceled` the opposite order is refused."""
    venue = holding()
    resting = venue.send(type="limit", limit_price="99")
    venue.cancel(resting, settle=settled)

    if settled:
        assert venue.send(side="sell", type="stop", stop_price="97").is_live
        return
    with pytest.raises(Refusal, match="wash trade"):
        venue.send(side="sell", type="stop", stop_price="97")


def test_replacement_when_it_would_cross_then_refused_but_not_by_its_own_old_order() -> None:
    """PATCH obeys the table too, the replaced order itself left out."""
    venue = holding()
    buy = venue.send(type="limit", limit_price="98")
    sell = venue.send(side="sell", type="limit", limit_price="105")

    with pytest.raises(Refusal, match="wash trade"):
        venue.replace(sell, limit_price="98")
    assert venue.again(venue.replace(buy, limit_price="99")).limit_price == 99


@pytest.mark.parametrize(
    ("side", "rest", "crossing", "apart", "best"),
    [
        ("buy", ("97", "99", "98"), "98.5", "99.01", 1),
        ("sell", ("103", "101", "102"), "101.5", "100.99", 1),
    ],
)
def test_limits_when_several_rest_then_the_best_of_them_decides(
    side: str, rest: tuple[str, ...], crossing: str, apart: str, best: int
) -> None:
    """A limit that crosses only one of them is refused beside that one; one beyond all is not."""
    venue = holding()
    resting = [venue.send(side=side, qty=1, type="limit", limit_price=price) for price in rest]
    other = "sell" if side == "buy" else "buy"

    with pytest.raises(Refusal) as caught:
        venue.send(side=other, qty=1, type="limit", limit_price=crossing)

    assert caught.value.fields["existing_order_id"] == resting[best].id
    assert venue.send(side=other, qty=1, type="limit", limit_price=apart).is_live
