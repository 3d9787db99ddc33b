"""A person with keys of the same account, who trades beside the bot, and whose shares are whose."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

from shared.models.externals import EXTERNAL
from shared.models.ids import parse_own_id
from tests.crash.history import SYMBOLS, Order
from tests.crash.venue import Request, Venue

PREFIX = "person-"
BUYS, SELLS = "buys", "sells"
PERSONAL = (BUYS, SELLS)
"""What a person does; every other word is the operator's."""
ZERO = Decimal(0)
_FILLS = ("fill", "partial_fill")
_HEADERS = (
    (b"apca-api-key-id", b"crash-key"),
    (b"apca-api-secret-key", b"crash-secret"),
    (b"content-type", b"application/json"),
)


def moves_others(client_order_id: str) -> bool:
    """Whether an order trades shares that are not the bot's: a person's, or the bot's own stop for
    those shares (ADOPT_EXTERNAL).
    """
    own = parse_own_id(client_order_id)
    return client_order_id.startswith(PREFIX) or (own is not None and own.strategy == EXTERNAL)


class Person:
    """Trades, and keeps the account of everything that is not the bot's."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._orders = 0
        self._held: dict[str, Decimal] = {}
        self.traded_at: datetime | None = None
        """Market time of the newest fill."""
        self.spent = ZERO
        """Dollars for what was bought, less those for what was sold."""

    def held(self, symbol: str) -> Decimal:
        """Return how many shares of a symbol at the broker are not the bot's."""
        return self._held.get(symbol, ZERO)

    @property
    def waits(self) -> bool:
        """Whether an order of theirs works, as one of the night for the next session."""
        books = self._venue.exchange.books
        orders = (one for symbol in SYMBOLS for one in books.live_orders(symbol))
        return any(one.client_order_id.startswith(PREFIX) for one in orders)

    def give(self, order: Order) -> None:
        """Buy shares, or sell all that are left."""
        qty = order.qty if order.word == BUYS else int(self.held(order.symbol))
        if qty <= 0:
            return
        self._orders += 1
        body = {
            "symbol": order.symbol,
            "side": order.word.removesuffix("s"),
            "qty": str(qty),
            "type": "market",
            "time_in_force": "day",
            "client_order_id": f"{PREFIX}{self._orders:03d}",
        }
        self._venue.answer(Request("POST", "/v2/orders", _HEADERS, json.dumps(body).encode()))

    def hear(self, data: dict[str, object]) -> None:
        """Take one event of the trade stream, as the exchange tells it."""
        order = data["order"]
        assert isinstance(order, dict)
        if data["event"] not in _FILLS or not moves_others(str(order["client_order_id"])):
            return
        qty, price = Decimal(str(data["qty"])), Decimal(str(data["price"]))
        signed = qty if order["side"] == "buy" else -qty
        symbol = str(order["symbol"])
        self._held[symbol] = self.held(symbol) + signed
        self.spent += signed * price
        self.traded_at = self._venue.exchange.now
