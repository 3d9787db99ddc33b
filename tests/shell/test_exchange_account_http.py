"""The account side of a real exchange-sim process over plain HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.support.exchange_process import ExchangeProcess, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as process:
        yield process


def get(exchange: ExchangeProcess, path: str) -> Any:
    """Return a reply's document; it must be 200."""
    answer = exchange.call("GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def buy(exchange: ExchangeProcess, symbol: str, qty: str, **fields: Any) -> Any:
    """Buy at market and wait until it is filled."""
    body = {"symbol": symbol, "side": "buy", "type": "market", "time_in_force": "day", "qty": qty}
    answer = exchange.call("POST", "/v2/orders", json=body | fields)
    assert answer.status_code == 200, answer.text
    order = answer.json()
    wait_until(lambda: get(exchange, f"/v2/orders/{order['id']}")["status"] == "filled")
    return order


def audit_is_whole(exchange: ExchangeProcess) -> bool:
    """Return whether the books are what their activities make of the opening cash."""
    found = get(exchange, "/sim/account/audit")
    assert found["differences"] == []
    return bool(found["is_whole"])


def test_account_when_cash_moves_then_activities_and_cash_agree(
    exchange: ExchangeProcess,
) -> None:
    """A deposit and a withdrawal are activities of their own kind; too much is refused."""
    before = Decimal(get(exchange, "/v2/account")["cash"])

    paid = exchange.call("POST", "/sim/account/cash", json={"kind": "CSD", "amount": "1000.50"})
    taken = exchange.call("POST", "/sim/account/cash", json={"kind": "csw", "amount": 0.5})
    much = exchange.call("POST", "/sim/account/cash", json={"kind": "CSW", "amount": "1e9"})
    odd = exchange.call("POST", "/sim/account/cash", json={"kind": "LUCK", "amount": "1"})
    fine = exchange.call("POST", "/sim/account/cash", json={"amount": "0.001"})

    assert (paid.status_code, taken.status_code) == (200, 200)
    assert (much.status_code, odd.status_code, fine.status_code) == (403, 422, 422)
    assert Decimal(get(exchange, "/v2/account")["cash"]) == before + 1000
    rows = get(exchange, "/v2/account/activities?activity_types=CSD,CSW&direction=asc")
    assert [(row["activity_type"], row["net_amount"]) for row in rows] == [
        ("CSD", "1000.5"),
        ("CSW", "-0.5"),
    ]
    assert get(exchange, "/v2/account/activities/CSW")[0]["id"] == taken.json()["id"]
    assert audit_is_whole(exchange)


def test_activities_when_paged_then_each_comes_once_in_both_directions(
    exchange: ExchangeProcess,
) -> None:
    """Pages follow the last id; date, after and until bound them; the sum of fills is told."""
    for _ in range(5):
        buy(exchange, "MSFT", "1")

    for direction in ("asc", "desc"):
        seen: list[str] = []
        token = ""
        while True:
            path = f"/v2/account/activities/FILL?page_size=2&direction={direction}"
            rows = get(exchange, path + (f"&page_token={token}" if token else ""))
            if not rows:
                break
            seen += [row["id"] for row in rows]
            token = seen[-1]
        assert len(seen) == len(set(seen)) >= 5
        assert seen == sorted(seen, reverse=direction == "desc")
    last = get(exchange, "/v2/account/activities/FILL?page_size=1")[0]
    assert (last["cum_qty"], last["leaves_qty"], last["order_status"]) == ("1", "0", "filled")
    day = get(exchange, "/v2/clock")["timestamp"][:10]
    assert last["id"] in [row["id"] for row in get(exchange, f"/v2/account/activities?date={day}")]
    after = last["transaction_time"]
    assert get(exchange, f"/v2/account/activities/FILL?after={after}") == []
    assert get(exchange, "/v2/account/activities/FILL?page_token=nothing") == []
    assert get(exchange, "/v2/account/activities/DIV") == []
    shown = get(exchange, "/v2/account/activities?category=trade_activity&page_size=1")
    assert shown == [last]
    wrong = ("page_size=101", "direction=up", "date=soon", f"date={day}&after={after}")
    for words in (*wrong, "category=gifts", "category=trade_activity&activity_types=FILL"):
        assert exchange.call("GET", f"/v2/account/activities?{words}").status_code == 422


def test_position_when_shares_are_held_then_403_says_how_many(exchange: ExchangeProcess) -> None:
    """A resting exit holds shares: closing names what is there, held and free; the close of
    all has a 403 row inside the 207, and with `cancel_orders` none.
    """
    buy(exchange, "JPM", "10")
    exit_body = {
        "symbol": "JPM", "side": "sell", "type": "limit", "time_in_force": "gtc",
        "qty": "4", "limit_price": "9999",
    }  # fmt: skip
    assert exchange.call("POST", "/v2/orders", json=exit_body).status_code == 200
    held = get(exchange, "/v2/positions/JPM")
    by_id = get(exchange, f"/v2/positions/{held['asset_id']}")

    refused = exchange.call("DELETE", "/v2/positions/JPM")
    both = exchange.call("DELETE", "/v2/positions/JPM?qty=1&percentage=10")
    rows = {row["symbol"]: row for row in exchange.call("DELETE", "/v2/positions").json()}
    closed = exchange.call("DELETE", "/v2/positions?cancel_orders=True")
    wait_until(lambda: get(exchange, "/v2/positions") == [])

    assert (held["qty"], held["qty_available"], by_id["symbol"]) == ("10", "6", "JPM")
    assert refused.status_code == 403
    assert refused.json() == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 10, available: 6)",
        "available": "6",
        "existing_qty": "10",
        "held_for_orders": "4",
        "symbol": "JPM",
    }
    assert both.status_code == 422
    assert (rows["JPM"]["status"], rows["JPM"]["body"]["code"]) == (403, 40310000)
    assert closed.status_code == 207
    assert {row["status"] for row in closed.json()} <= {200}
    assert exchange.call("DELETE", "/v2/positions/JPM").json() == {
        "code": 40410000,
        "message": "position does not exist",
    }
    assert audit_is_whole(exchange)


def test_position_when_fractional_then_a_percentage_sells_fractions(
    exchange: ExchangeProcess,
) -> None:
    """Of 2.5 shares 10 % is a quarter share."""
    buy(exchange, "AMZN", "2.5")

    part = exchange.call("DELETE", "/v2/positions/AMZN?percentage=10")

    assert (part.status_code, part.json()["qty"]) == (200, "0.25")


def test_configuration_when_trading_is_suspended_then_orders_are_refused(
    exchange: ExchangeProcess,
) -> None:
    """Suspended: 403 in the broker's words, shown on the account; lifted, orders go again.
    No shorting: a sell of what is not held is refused.
    """
    path = "/v2/account/configurations"
    body = {"symbol": "XOM", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}

    assert exchange.call("PATCH", path, json={"suspend_trade": "True"}).status_code == 200
    suspended = exchange.call("POST", "/v2/orders", json=body)
    flagged = get(exchange, "/v2/account")["trade_suspended_by_user"]
    assert exchange.call("PATCH", path, json={"suspend_trade": "soon"}).status_code == 422
    answer = exchange.call("PATCH", path, json={"suspend_trade": False, "no_shorting": True})
    short = exchange.call("POST", "/v2/orders", json=body | {"side": "sell"})
    exchange.call("PATCH", path, json={"no_shorting": False})

    assert (suspended.status_code, flagged) == (403, True)
    assert suspended.json()["message"] == "new orders are rejected by user request"
    assert (answer.json()["no_shorting"], answer.json()["suspend_trade"]) == (True, False)
    assert (short.status_code, short.json()["code"]) == (403, 40310000)
    assert get(exchange, path)["no_shorting"] is False


def test_split_when_declared_now_then_shares_and_prices_change_together(
    exchange: ExchangeProcess,
) -> None:
    """Four for one: four times the shares at about a quarter of the price, equity unmoved."""
    buy(exchange, "NVDA", "10")
    before = get(exchange, "/v2/positions/NVDA")

    declared = exchange.call(
        "POST", "/sim/account/splits", json={"symbol": "NVDA", "ratio": "4", "now": True}
    )
    after = get(exchange, "/v2/positions/NVDA")

    assert declared.status_code == 200
    assert (after["qty"], after["cost_basis"]) == ("40", before["cost_basis"])
    change = Decimal(after["market_value"]) / Decimal(before["market_value"])
    assert Decimal("0.9") < change < Decimal("1.1")
    row = get(exchange, "/v2/account/activities/SPLIT")[0]
    assert (row["symbol"], row["qty"], row["net_amount"]) == ("NVDA", "30", "0")
    assert audit_is_whole(exchange)
    bad = exchange.call("POST", "/sim/account/splits", json={"symbol": "NVDA", "ratio": "0"})
    assert bad.status_code == 422


def test_history_when_asked_then_its_arrays_are_parallel_and_end_with_the_equity(
    exchange: ExchangeProcess,
) -> None:
    """One value per window, the last one near the account's own equity; bad words are 422."""
    history = get(exchange, "/v2/account/portfolio/history?period=1D&timeframe=5Min")
    days = get(exchange, "/v2/account/portfolio/history")
    equity = float(get(exchange, "/v2/account")["equity"])

    for document in (history, days):
        lengths = {
            len(document[name])
            for name in ("timestamp", "equity", "profit_loss", "profit_loss_pct")
        }
        assert len(lengths) == 1
        assert lengths != {0}
        assert document["equity"][-1] == pytest.approx(equity, rel=0.01)
    assert (history["timeframe"], days["timeframe"]) == ("5Min", "1D")
    for words in ("date_end=0001-01-01", "date_end=9999-12-31", "period=999A", "period=all"):
        far = exchange.call("GET", f"/v2/account/portfolio/history?timeframe=1D&{words}")
        assert far.status_code == 200
    wrong = exchange.call("GET", "/v2/account/portfolio/history?timeframe=7Min")
    assert wrong.status_code == 422


def test_calendar_and_clock_when_asked_then_they_are_in_new_york(
    exchange: ExchangeProcess,
) -> None:
    """Offsets of New York, the range 1970 to 2029, assets by symbol and by id."""
    clock = get(exchange, "/v2/clock")
    late = get(exchange, "/v2/calendar?start=2029-12-30&end=2031-01-01")
    asset = get(exchange, "/v2/assets/spy")

    for name in ("timestamp", "next_open", "next_close"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}-0[45]:00", clock[name])
    assert late[-1]["date"] == "2029-12-31"
    assert exchange.call("GET", "/v2/calendar?start=2026-02-01&end=2026-01-01").status_code == 422
    assert get(exchange, f"/v2/assets/{asset['id']}") == asset
    assert get(exchange, "/v2/assets?asset_class=crypto") == []
    assert exchange.call("GET", "/v2/assets/NOPE").status_code == 404


@pytest.mark.parametrize("switch", ["positions_lag_s=60", "activities_lag_s=60"])
def test_reads_when_they_lag_then_a_filled_order_is_not_seen_yet(
    exchange: ExchangeProcess, tmp_path_factory: pytest.TempPathFactory, switch: str
) -> None:
    """The order is filled, the position or the activity follows a market minute later."""
    folder = tmp_path_factory.mktemp("lag")
    path = "/v2/positions" if switch.startswith("positions") else "/v2/account/activities"
    with ExchangeProcess(folder, "--speed", "20", "--switch", switch) as behind:
        buy(behind, "AAPL", "1")
        assert get(behind, path) == []
        wait_until(lambda: len(get(behind, path)) == 1)
