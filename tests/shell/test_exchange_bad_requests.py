"""Requests that make no sense, over the wire: a sentence each, and the exchange lives on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.exchange_process import ExchangeProcess, wait_until

pytestmark = pytest.mark.integration
WAIT_S = 10
BUY: dict[str, Any] = {
    "symbol": "AAPL",
    "side": "buy",
    "type": "market",
    "time_in_force": "day",
    "qty": "3",
}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as process:
        yield process


def refused_alike(exchange: ExchangeProcess, method: str, path: str, **options: Any) -> None:
    """Expect a JSON refusal of the 400 family."""
    answer = exchange.call(method, path, **options)

    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:200])
    assert answer.json()["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/v2/orders?limit=%C2%B2",
        "/v2/orders?limit=" + "9" * 5000,
        "/v2/orders?after=0001-01-01T00:00:00%2B14:00",
        "/v2/orders?until=9999-12-31T23:59:59-14:00",
        "/v2/account/activities?page_size=%C2%B2",
        "/v2/stocks/bars?symbols=SPY&timeframe=1Min&limit=%C2%B2",
        "/v2/stocks/bars?symbols=SPY&timeframe=1Min&limit=" + "9" * 5000,
    ],
)
def test_query_when_a_number_or_moment_is_beyond_reason_then_it_is_refused(
    exchange: ExchangeProcess, path: str
) -> None:
    """What cannot be read or computed with is the client's fault, never a 500."""
    refused_alike(exchange, "GET", path)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/calendar?start=9999-12-31",
        "/v2/calendar?start=0001-01-01&end=1970-02-01",
        "/v2/account/activities?date=0001-01-01",
        "/v2/account/activities?date=9999-12-31",
        "/v2/stocks/bars?symbols=SPY&timeframe=1Min&start=0001-01-01&end=9999-12-31&limit=2",
        "/v2/stocks/bars?symbols=SPY&timeframe=1Day&start=9999-12-31",
        "/v2/stocks/bars?symbols=SPY&timeframe=12Month&start=1970-01-01&end=9999-12-31",
    ],
)
def test_query_when_its_range_leaves_history_then_it_is_answered(
    exchange: ExchangeProcess, path: str
) -> None:
    """A range reaching beyond what is known is cut, not broken."""
    assert exchange.call("GET", path).status_code == 200


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b"\xff\xfe", b'"x"', b"[" * 100_000, b'{"qty":' + b"9" * 5000]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/orders"),
        ("PATCH", "/v2/orders/none"),
        ("PATCH", "/v2/account/configurations"),
        ("POST", "/sim/lockstep"),
    ],
)
def test_body_when_it_is_no_json_object_then_it_is_refused(
    exchange: ExchangeProcess, method: str, path: str, body: bytes
) -> None:
    """Malformed bodies get a message in JSON."""
    refused_alike(exchange, method, path, data=body)


def test_body_when_it_is_larger_than_any_order_then_413(exchange: ExchangeProcess) -> None:
    """A limit on everything: the exchange does not swallow what it would never use."""
    answer = exchange.call("POST", "/v2/orders", data=b"x" * 3_000_000)

    assert answer.status_code == 413
    assert answer.json()["message"]


@pytest.mark.parametrize("field", ["qty", "limit_price", "stop_price"])
@pytest.mark.parametrize("value", ["1e-99999999999", "1e999999999999", "9" * 5000, "NaN"])
def test_order_when_a_number_is_unbookable_then_the_exchange_lives_on(
    exchange: ExchangeProcess, field: str, value: str
) -> None:
    """An order that could never be settled must not enter the books and end the process."""
    kinds = {"limit_price": "limit", "stop_price": "stop"}

    refused_alike(
        exchange,
        "POST",
        "/v2/orders",
        json=BUY | {"type": kinds.get(field, "market"), field: value},
    )

    assert exchange.call("GET", "/v2/account").status_code == 200


def test_close_position_when_the_part_is_no_quantity_then_it_is_refused(
    exchange: ExchangeProcess,
) -> None:
    """Nothing, everything beyond it, and what rounds to nothing are refused; two thirds of
    whole shares are the whole shares below ("only sell fractional if originally fractional").
    """
    assert exchange.call("POST", "/v2/orders", json=BUY).status_code == 200
    wait_until(lambda: exchange.call("GET", "/v2/positions/AAPL").status_code == 200)

    parts = ("qty=0", "qty=1e30", "qty=NaN", "qty=4", "percentage=33", "percentage=101")
    for words in parts:
        refused_alike(exchange, "DELETE", f"/v2/positions/AAPL?{words}")
    part = exchange.call("DELETE", "/v2/positions/AAPL?percentage=66.666666666")

    assert part.status_code == 200
    assert part.json()["qty"] == "1"
