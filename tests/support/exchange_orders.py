"""Orders for a real exchange process, and what is asked about them."""

from __future__ import annotations

from typing import Any

from tests.support.exchange_process import ExchangeProcess, wait_until

FAR_BUY: dict[str, Any] = {
    "symbol": "AAPL",
    "side": "buy",
    "qty": "1",
    "type": "limit",
    "limit_price": "5",
    "time_in_force": "gtc",
}
BRACKET = FAR_BUY | {
    "order_class": "bracket",
    "take_profit": {"limit_price": "6"},
    "stop_loss": {"stop_price": "4"},
}


def send(exchange: ExchangeProcess, **body: Any) -> dict[str, Any]:
    """Send an order that must be taken."""
    answer = exchange.call("POST", "/v2/orders", json=body)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def listed(exchange: ExchangeProcess, query: str) -> list[str]:
    """Return the ids of a list."""
    answer = exchange.call("GET", f"/v2/orders?{query}")
    assert answer.status_code == 200, answer.text
    return [order["id"] for order in answer.json()]


def until_status(exchange: ExchangeProcess, order_id: str, status: str) -> dict[str, Any]:
    """Wait for an order to get there and return it."""

    path = f"/v2/orders/{order_id}"
    wait_until(lambda: exchange.call("GET", path).json()["status"] == status)
    document: dict[str, Any] = exchange.call("GET", path).json()
    return document
