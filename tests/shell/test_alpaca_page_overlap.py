"""Pages that overlap lose nothing at their edges (ORDER_PATH.md rule 19)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.errors import TransientFault
from shared.resilience.http_door import DoorAdapter, DoorRules
from shared.vendors.alpaca_broker import AlpacaBroker, trading_client
from shared.vendors.alpaca_reads import PAGING_S_MAX
from tests.support.alpaca_payloads import raw_fill, raw_order
from tests.support.scripted_alpaca import Asked, ScriptedAlpaca

pytestmark = pytest.mark.integration

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def _three_a_second(asked: Asked) -> Any:
    """700 orders, three with each moment: a page ends between two of one moment."""
    after = datetime.fromisoformat(asked.query.get("after", "2000-01-01T00:00:00Z"))
    moments = [AT + timedelta(seconds=n // 3) for n in range(700)]
    rows = [
        raw_order(id=f"id-{n}", client_order_id=f"c-{n}", submitted_at=moment.isoformat())
        for n, moment in enumerate(moments)
        if moment > after
    ]
    return 200, rows[: int(asked.query["limit"])]


def test_orders_when_a_page_ends_between_two_of_one_moment_then_none_is_skipped(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """`after` is exclusive: asking from the last moment on would lose its other orders."""
    alpaca.on("GET", "/v2/orders", _three_a_second)

    orders = broker.orders("all", after=AT - timedelta(days=1))

    assert [order.broker_order_id for order in orders] == [f"id-{n}" for n in range(700)]


def test_fills_when_one_is_listed_late_before_a_pages_end_then_it_is_read(
    alpaca: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    """Activities lag: a neighbour of the last one may appear between two pages."""
    late = "f-0097"

    def answer(asked: Asked) -> Any:
        token = asked.query.get("page_token", "")
        ids = [f"f-{n:04}" for n in range(150)]
        shown = [one for one in ids if one > token and (token or one != late)]
        return 200, [raw_fill(id=one) for one in shown][: int(asked.query["page_size"])]

    alpaca.on("GET", "/v2/account/activities/FILL", answer)

    assert late in [fill.activity_id for fill in broker.fills(AT)]


def test_lists_when_they_never_end_then_given_up_in_time_and_never_believed(
    alpaca: ScriptedAlpaca,
) -> None:
    """A server that always has another page must not hold the look at positions for an hour."""

    class Slow(SystemClock):
        """Each look at it is five seconds later."""

        looks = 0

        def monotonic_s(self) -> float:
            self.looks += 1
            return 5.0 * self.looks

    def endless(asked: Asked) -> Any:
        first = len(alpaca.asked) * 1_000
        ids = [f"{first + n:09}" for n in range(500)]
        if asked.path.endswith("FILL"):
            return 200, [raw_fill(id=one) for one in ids[:100]]
        return 200, [raw_order(id=one, client_order_id=f"c-{one}") for one in ids]

    alpaca.on("GET", "/v2/orders", endless)
    alpaca.on("GET", "/v2/account/activities/FILL", endless)
    rules = DoorRules(reads_per_minute=None)
    client = trading_client(alpaca.url, "key", "secret")
    broker = AlpacaBroker(client, DoorAdapter(rules, SystemClock()), Slow(), lambda: False)
    for ask in (lambda: broker.orders("all", after=AT), lambda: broker.fills(AT)):
        alpaca.asked.clear()
        with pytest.raises(TransientFault, match="cannot be paged to its end"):
            ask()
        assert len(alpaca.asked) <= PAGING_S_MAX / 5.0
    broker.stop()
