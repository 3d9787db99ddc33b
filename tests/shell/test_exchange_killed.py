"""A real exchange-sim process, killed again and again under a stream of orders: nothing that a
client was told is lost, nothing is there that nobody sent, and the books stay whole.
"""

from __future__ import annotations

import os
import random
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.exchange_process import CALL_S, HEADERS, ExchangeProcess

pytestmark = pytest.mark.integration
KILLS = int(os.environ.get("EXCHANGE_KILLS", "12"))
SYMBOLS = ("AAPL", "MSFT", "SPY")
GONE = frozenset({"canceled", "pending_cancel"})
LIVE = frozenset({"new", "accepted", "pending_new"})


@dataclass(slots=True)
class Told:
    """What the client sent, and what it was told."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Acknowledged with 200, by client id."""
    unanswered: set[str] = field(default_factory=set)
    """Client ids of orders whose reply never came."""
    canceled: set[str] = field(default_factory=set)
    """Client ids whose cancellation was acknowledged with 204."""
    maybe_canceled: set[str] = field(default_factory=set)

    def resting(self) -> list[str]:
        """Return client ids of far limits that nobody asked to cancel."""
        touched = self.canceled | self.maybe_canceled
        return [
            name
            for name, order in self.orders.items()
            if order["type"] == "limit" and name not in touched
        ]


class Client:
    """Sends one order after the other over one connection until it breaks."""

    def __init__(self, url: str, told: Told, rng: random.Random) -> None:
        self._url = url
        self._told = told
        self._rng = rng

    def send_until_it_breaks(self) -> None:
        """Market orders, resting limits and cancellations in a seeded mix."""
        with requests.Session() as session:
            session.headers.update(HEADERS)
            while True:
                resting = self._told.resting()
                try:
                    if resting and self._rng.random() < 0.3:
                        self._cancel(session, self._rng.choice(resting))
                    else:
                        self._send(session)
                except requests.RequestException:
                    return

    def _send(self, session: requests.Session) -> None:
        told, rng = self._told, self._rng
        name = f"c-{len(told.orders) + len(told.unanswered):06}"
        body: dict[str, Any] = {
            "symbol": rng.choice(SYMBOLS),
            "side": "buy",
            "qty": str(rng.randint(1, 3)),
            "type": "market",
            "time_in_force": "gtc",
            "client_order_id": name,
        }
        kind = rng.random()
        if kind < 0.5:
            body |= {"type": "limit", "limit_price": "1.00"}
        if kind < 0.15:
            stop, target = {"stop_price": "0.50"}, {"limit_price": "2.00"}
            body |= {"order_class": "bracket", "stop_loss": stop, "take_profit": target}
        told.unanswered.add(name)
        answer = session.post(f"{self._url}/v2/orders", json=body, timeout=CALL_S)
        document = answer.json()
        assert answer.status_code == 200, document
        told.unanswered.discard(name)
        told.orders[name] = document

    def _cancel(self, session: requests.Session, name: str) -> None:
        self._told.maybe_canceled.add(name)
        path = f"{self._url}/v2/orders/{self._told.orders[name]['id']}"
        answer = session.delete(path, timeout=CALL_S)
        if answer.status_code == 204:
            self._told.canceled.add(name)


def all_orders(exchange: ExchangeProcess) -> list[dict[str, Any]]:
    """Return every order of the account, page by page, legs within their entries."""
    found: list[dict[str, Any]] = []
    while True:
        words = {"status": "all", "limit": "500", "direction": "asc", "nested": "true"}
        if found:
            words["after_order_id"] = found[-1]["id"]
        page = exchange.call("GET", "/v2/orders", params=words).json()
        found += page
        if len(page) < 500:
            return found


def ids_of_legs(order: dict[str, Any]) -> list[str]:
    """Return the ids of an order's legs."""
    return [leg["id"] for leg in order["legs"] or ()]


def check(exchange: ExchangeProcess, told: Told) -> int:
    """Compare the exchange with what the client knows; return how many orders there are."""
    orders = all_orders(exchange)
    by_name = {order["client_order_id"]: order for order in orders}
    assert len(by_name) == len({order["id"] for order in orders}) == len(orders)
    assert set(told.orders) <= set(by_name) <= set(told.orders) | told.unanswered
    for name, order in told.orders.items():
        kept = by_name[name]
        assert [kept[word] for word in ("id", "qty", "symbol")] == [
            order[word] for word in ("id", "qty", "symbol")
        ]
        assert ids_of_legs(kept) == ids_of_legs(order)
        if name in told.canceled:
            assert kept["status"] in GONE
    assert {by_name[name]["status"] for name in told.resting()} <= LIVE
    audit = exchange.call("GET", "/sim/account/audit").json()
    assert audit == {"is_whole": True, "differences": []}
    fills = exchange.call("GET", "/v2/account/activities/FILL?page_size=100").json()
    assert len({fill["id"] for fill in fills}) == len(fills)
    return len(orders)


def test_exchange_when_killed_again_and_again_then_nothing_acknowledged_is_lost(
    tmp_path: Path,
) -> None:
    """SIGKILL at a random moment under a stream of orders, many times: every 200 and 204 that
    was given holds afterwards, ids stay unique, open orders stay open, the books are whole.
    """
    rng = random.Random(20)
    told = Told()
    with ExchangeProcess(tmp_path) as exchange:
        for _ in range(KILLS):
            killer = threading.Timer(rng.uniform(0.02, 0.4), exchange.kill)
            killer.start()
            Client(exchange.url, told, rng).send_until_it_breaks()
            killer.join(CALL_S)
            exchange.start()
            check(exchange, told)
        count = check(exchange, told)
        again = exchange.call(
            "POST",
            "/v2/orders",
            json={
                "symbol": "SPY", "side": "buy", "qty": "1", "type": "market",
                "time_in_force": "day", "client_order_id": next(iter(told.orders)),
            },
        )  # fmt: skip

    assert count >= len(told.orders) >= KILLS
    assert told.canceled
    assert any(ids_of_legs(order) for order in told.orders.values())
    assert (again.status_code, again.json()["message"]) == (422, "client_order_id must be unique")
