"""A made-up market in the exchange's hours, over HTTP: orders of the night and before the bell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.exchange_orders import send, until_status
from tests.support.exchange_process import ExchangeProcess, wait_until

pytestmark = pytest.mark.integration

EARLY = ("--hours", "exchange", "--begin", "2026-01-05T14:00:00Z", "--speed", "1")
BUY = {"symbol": "AAPL", "qty": "1", "side": "buy"}


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path, *EARLY) as process:
        yield process


def get(exchange: ExchangeProcess, path: str) -> Any:
    """Return a reply's document; it must be 200."""
    answer = exchange.call("GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_orders_when_sent_before_the_bell_then_only_extended_ones_trade_until_it_rings(
    exchange: ExchangeProcess,
) -> None:
    """Half an hour before the session; a restart by SIGKILL in between loses neither."""
    clock, days = get(exchange, "/v2/clock"), get(exchange, "/v2/calendar?end=2026-01-09")
    ask = float(get(exchange, "/v2/stocks/AAPL/quotes/latest")["quote"]["ap"])
    limit = {"type": "limit", "limit_price": str(round(ask * 1.02, 2)), "time_in_force": "day"}

    early = send(exchange, **BUY, **limit, extended_hours=True)
    queued = send(exchange, **BUY, type="market", time_in_force="day")

    assert (clock["is_open"], clock["next_open"][11:16]) == (False, "09:30")
    assert [day["date"] for day in days] == [f"2026-01-0{day}" for day in range(5, 10)]
    assert (days[0]["open"], days[0]["close"]) == ("09:30", "16:00")
    filled = until_status(exchange, early["id"], "filled")
    assert filled["extended_hours"] is True
    assert queued["status"] == "accepted"
    exchange.restart("--speed", "600")
    after = until_status(exchange, queued["id"], "filled")
    assert after["filled_at"] >= "2026-01-05T14:30:00"
    assert filled["filled_at"] < "2026-01-05T14:30:00"
    assert get(exchange, "/sim/account/audit")["is_whole"]
    wait_until(lambda: get(exchange, "/v2/clock")["is_open"])


def test_market_when_restarted_with_a_later_beginning_then_it_goes_on_from_the_accounts(
    exchange: ExchangeProcess,
) -> None:
    """`--begin now` is another moment at each start: it opens new accounts and moves no market
    under one that stands.
    """
    before = get(exchange, "/v2/stocks/AAPL/quotes/latest")["quote"]

    exchange.restart("--begin", "2027-03-09T15:00:00Z")

    assert get(exchange, "/v2/clock")["timestamp"][:10] == "2026-01-05"
    after = get(exchange, "/v2/stocks/AAPL/quotes/latest")["quote"]
    assert after["t"][:13] == before["t"][:13]
    bars = get(exchange, "/v2/stocks/bars?symbols=AAPL&timeframe=1Day&start=2025-12-01")
    assert bars["bars"]["AAPL"]
