"""Faults of orders, positions and prices on a real exchange-sim."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.exchange_faults import BUY, RESTING, acted, clear, fault_state, heal, switch_on
from tests.support.exchange_process import ExchangeProcess, wait_until
from tests.support.waiting import wait_until as wait_long

pytestmark = pytest.mark.integration
NIGHT_S = 60.0
"""Whole days pass in it, so that a night missed on a busy machine is followed by another."""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as one:
        yield one


@pytest.fixture
def exchange(process: ExchangeProcess) -> Iterator[ExchangeProcess]:
    yield process
    clear(process)


def named(exchange: ExchangeProcess, name: str, **words: Any) -> str:
    """Send a resting order; return its id."""
    answer = exchange.call("POST", "/v2/orders", json=RESTING | {"client_order_id": name} | words)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_cancel_when_stuck_then_it_stays_pending_until_the_lease_ends(
    exchange: ExchangeProcess,
) -> None:
    """204 was only a request; the order may still fill."""
    order = named(exchange, "stuck-1")
    wait_until(lambda: exchange.call("GET", f"/v2/orders/{order}").json()["status"] == "new")
    fault = switch_on(exchange, "stuck_pending_cancel")
    assert exchange.call("DELETE", f"/v2/orders/{order}").status_code == 204
    wait_until(lambda: acted(exchange, fault) == 1)
    time_before = exchange.call("GET", "/v2/clock").json()["timestamp"]
    wait_until(lambda: exchange.call("GET", "/v2/clock").json()["timestamp"] > time_before)
    assert exchange.call("GET", f"/v2/orders/{order}").json()["status"] == "pending_cancel"

    heal(exchange)

    wait_until(lambda: exchange.call("GET", f"/v2/orders/{order}").json()["status"] == "canceled")


def test_rows_when_refused_then_207_says_so_and_the_order_lives(
    exchange: ExchangeProcess,
) -> None:
    """A 207 is not success: one row 403, the other done; the refused order still works."""
    kept, gone = named(exchange, "row-kept"), named(exchange, "row-gone", symbol="BAC")
    fault = switch_on(exchange, "refused_rows", scope={"symbol": "XOM"})

    answer = exchange.call("DELETE", "/v2/orders")

    rows = {row["id"]: row for row in answer.json()}
    assert answer.status_code == 207
    assert (rows[kept]["status"], rows[kept]["body"]["code"]) == (403, 40310000)
    assert rows[gone]["status"] == 200
    assert acted(exchange, fault) == 1
    wait_until(lambda: exchange.call("GET", f"/v2/orders/{gone}").json()["status"] == "canceled")
    assert exchange.call("GET", f"/v2/orders/{kept}").json()["status"] == "new"


def test_position_when_its_row_is_refused_then_it_is_still_held(
    exchange: ExchangeProcess,
) -> None:
    """Close-all with a refused row leaves the shares; without the fault it sells them."""
    exchange.call("POST", "/v2/orders", json=BUY | {"symbol": "JPM"})
    wait_until(lambda: exchange.call("GET", "/v2/positions/JPM").status_code == 200)
    switch_on(exchange, "refused_rows", parameters={"status": 500})

    (row,) = exchange.call("DELETE", "/v2/positions").json()

    assert (row["symbol"], row["status"]) == ("JPM", 500)
    assert exchange.call("GET", "/v2/positions/JPM").status_code == 200
    heal(exchange)
    assert exchange.call("DELETE", "/v2/positions").json()[0]["status"] == 200
    wait_until(lambda: exchange.call("GET", "/v2/positions").json() == [])


def test_symbol_when_halted_then_orders_rest_until_the_lease_ends(
    exchange: ExchangeProcess,
) -> None:
    """Market orders are taken and nothing trades; afterwards they fill."""
    fault = switch_on(exchange, "halt", scope={"symbol": "AMD"}, lease_s=3)
    halted = exchange.call("POST", "/v2/orders", json=BUY | {"symbol": "AMD"}).json()["id"]
    other = exchange.call("POST", "/v2/orders", json=BUY | {"symbol": "BAC"}).json()["id"]
    wait_until(lambda: exchange.call("GET", f"/v2/orders/{other}").json()["status"] == "filled")
    assert exchange.call("GET", f"/v2/orders/{halted}").json()["status"] == "new"
    assert acted(exchange, fault) == 1

    wait_until(lambda: exchange.call("GET", f"/v2/orders/{halted}").json()["status"] == "filled")
    assert fault_state(exchange, fault)["state"] == "ended"
    exchange.call("DELETE", "/v2/positions")
    wait_until(lambda: exchange.call("GET", "/v2/positions").json() == [])


def test_symbol_when_it_does_not_trade_here_then_422(exchange: ExchangeProcess) -> None:
    """A fault that could never act is refused, not counted as passed."""
    body = {"kind": "halt", "lease_s": 5, "scope": {"symbol": "NONE"}}
    split = {"kind": "overnight_split", "lease_s": 5, "scope": {"symbol": "SPY"}}

    first = exchange.call("POST", "/sim/faults", json=body)
    second = exchange.call("POST", "/sim/faults", json=split | {"parameters": {"ratio": "pi"}})

    assert [first.status_code, second.status_code] == [422, 422]
    assert first.json()["problems"][0]["field"] == "scope.symbol"
    assert second.json()["problems"][0]["field"] == "parameters.ratio"


def test_split_when_it_comes_over_night_then_shares_and_price_follow(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Two for one before the next opening, once; at top speed the night is soon over."""
    folder = tmp_path_factory.mktemp("split")
    # Four hours before the night: from the morning on a busy machine takes too long.
    options = ("--speed", "3600", "--begin", "2026-01-06T01:00:00Z")
    with ExchangeProcess(folder, *options) as exchange:
        exchange.call("POST", "/v2/orders", json=BUY | {"symbol": "SPY", "qty": "3"})
        wait_until(lambda: exchange.call("GET", "/v2/positions/SPY").status_code == 200)
        before = exchange.call("GET", "/v2/positions/SPY").json()
        fault = switch_on(
            exchange, "overnight_split", scope={"symbol": "SPY"}, parameters={"ratio": 2}
        )
        wait_until(lambda: acted(exchange, fault) == 1)

        wait_long(lambda: exchange.call("GET", "/v2/positions/SPY").json()["qty"] == "6", NIGHT_S)
        after = exchange.call("GET", "/v2/positions/SPY").json()

    assert float(after["avg_entry_price"]) == pytest.approx(
        float(before["avg_entry_price"]) / 2, rel=1e-6
    )
    assert before["qty"] == "3"


def test_lasting_faults_when_the_exchange_dies_then_they_hold_from_its_first_moment(
    tmp_path: Path,
) -> None:
    """No accepted cancellation slips through the restart, and nothing is counted twice."""
    with ExchangeProcess(tmp_path) as exchange:
        orders = [named(exchange, f"killed-{number}") for number in range(2)]
        path = f"/v2/orders/{orders[1]}"
        wait_until(lambda: exchange.call("GET", path).json()["status"] == "new")
        stuck = switch_on(exchange, "stuck_pending_cancel")
        halt = switch_on(exchange, "halt", scope={"symbol": "XOM"})
        for order in orders:
            assert exchange.call("DELETE", f"/v2/orders/{order}").status_code == 204
        wait_until(lambda: (acted(exchange, stuck), acted(exchange, halt)) == (2, 1))
        saved = tmp_path / "state" / "exchange_sim_standalone.faults.json"
        wait_until(lambda: '"acted":2' in saved.read_text())

        exchange.kill()
        exchange.start()

        begun = exchange.call("GET", "/v2/clock").json()["timestamp"]
        wait_until(lambda: exchange.call("GET", "/v2/clock").json()["timestamp"] > begun)
        found = [exchange.call("GET", f"/v2/orders/{order}").json()["status"] for order in orders]
        assert found == ["pending_cancel", "pending_cancel"]
        assert (acted(exchange, stuck), acted(exchange, halt)) == (2, 1)
        assert fault_state(exchange, stuck)["seen"] == 2
