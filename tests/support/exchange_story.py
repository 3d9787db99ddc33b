"""Stories of a simulated broker: anything that clients and the market may do, in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from services.exchange_sim.changes import Changes
from services.exchange_sim.order_splits import split_orders
from services.exchange_sim.records import Refusal, SimOrder
from tests.support.exchange_venue import NOON, Venue

Action = tuple[str, int]
_TIME = ("trade", "bar", "settle", "wait", "night", "halt", "resume", "split", "close")
_CHANGES = ("cancel", "raise", "lower", "resize")
_SIMPLE = (
    "buy",
    "sell",
    "limit",
    "offer",
    "stop",
    "stop_limit",
    "trailing",
    "chase",
    "ioc",
    "fok",
    "cls",
)
WORDS = (*_TIME, *_CHANGES, *_SIMPLE, "notional", "fraction", "oco", "bracket", "oto")
ACTIONS = st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 60)), max_size=40)
SWITCHED: list[tuple[str, ...]] = [
    (),
    ("partial_fill_rate=0.7",),
    ("cancel_lag_s=2", "replace_lag_s=2", "partial_fill_rate=0.3"),
    ("sibling_end=replaced", "over_close=true"),
    ("stuck_cancels=true", "sibling_end=silent"),
    ("split_groups=adjust", "split_reverse=adjust", "split_trailing=adjust"),
]
SWITCHES = st.sampled_from(SWITCHED)


class Story:
    """A venue, what was done to it, and everything that it would have written."""

    def __init__(self, switches: Sequence[str]) -> None:
        self.venue = Venue()
        self.venue.switch(*switches)
        self.log: list[Changes] = []
        self.snapshots: list[dict[str, SimOrder]] = []

    def do(self, action: Action) -> None:
        """Do one thing; a refusal is an answer like any other. Then write."""
        try:
            self._do(*action)
        except Refusal:
            self.venue.books.changes.events.clear()
        books = self.venue.books
        changes = books.take_changes()
        self.log.append(changes)
        self.snapshots.append({name: books.orders[name] for name in changes.orders})

    def _do(self, what: str, number: int) -> None:
        venue = self.venue
        last = venue.tape.last("AAA", venue.now) or Decimal(100)
        bodies = _bodies(last, number + 1)
        orders = list(venue.books.orders.values())
        changes: dict[str, Callable[[SimOrder], object]] = {
            "cancel": lambda order: venue.cancel(order, settle=False),
            "raise": lambda order: venue.replace(order, settle=False, stop_price=str(last - 1)),
            "lower": lambda order: venue.replace(order, settle=False, limit_price=str(last - 2)),
            "resize": lambda order: venue.replace(order, settle=False, qty=number + 1),
        }
        if what in bodies:
            venue.send(settle=number % 2 == 0, **bodies[what])
        elif what in changes:
            if orders:
                changes[what](orders[number % len(orders)])
        else:
            self._pass(what, number, last)

    def _pass(self, what: str, number: int, last: Decimal) -> None:
        venue = self.venue
        moved = max(Decimal(5), last + Decimal(number - 30) / 5)
        deeds: dict[str, Callable[[], object]] = {
            "trade": lambda: venue.trade("AAA", moved),
            "bar": lambda: venue.bar((last, max(last, moved) + 1, min(last, moved) - 1, moved)),
            "settle": venue.settle,
            "wait": lambda: setattr(venue, "now", venue.now + timedelta(seconds=3)),
            "close": lambda: venue.desk.close_position("AAA", None, venue.moment()),
            "halt": lambda: venue.switch("halted=AAA"),
            "resume": lambda: venue.switch("halted="),
            "night": self._night,
            "split": lambda: split_orders(
                venue.books, "AAA", Decimal(2) if number % 2 else Decimal("0.5"), venue.now
            ),
        }
        deeds[what]()

    def _night(self) -> None:
        self.venue.end_session()
        self.venue.begin_session()
        self.venue.now = NOON + timedelta(hours=1)


def _bodies(last: Decimal, qty: int) -> dict[str, dict[str, Any]]:
    """Return an order of each kind around the last price."""
    oco = {"take_profit": {"limit_price": last + 5}, "stop_loss": {"stop_price": last - 5}}
    below = {"type": "limit", "limit_price": last - 1, "qty": qty}
    return {
        "buy": {"qty": qty, "time_in_force": "day"},
        "sell": {"side": "sell", "qty": qty},
        "limit": below,
        "offer": {"side": "sell", "type": "limit", "limit_price": last + 2, "qty": qty},
        "ioc": {"qty": qty, "time_in_force": "ioc"},
        "fok": below | {"time_in_force": "fok"},
        "cls": {"qty": qty, "time_in_force": "cls"},
        "stop": {"side": "sell", "type": "stop", "stop_price": last - 2, "qty": qty},
        "stop_limit": {
            "type": "stop_limit",
            "stop_price": last + 1,
            "limit_price": last + 2,
            "qty": qty,
        },
        "trailing": {"side": "sell", "type": "trailing_stop", "trail_price": "2", "qty": qty},
        "chase": {"type": "trailing_stop", "trail_price": "2", "qty": qty},
        "notional": {"qty": None, "notional": qty * 50, "time_in_force": "day"},
        "fraction": {"qty": f"{qty}.5", "time_in_force": "day"},
        "oco": {"side": "sell", "type": "limit", "order_class": "oco", "qty": qty} | oco,
        "bracket": {"type": "limit", "limit_price": last + 1, "order_class": "bracket", "qty": qty}
        | oco
        | {"take_profit": {"limit_price": last + 6}},
        "oto": {"order_class": "oto", "qty": qty, "stop_loss": {"stop_price": last - 4}},
    }
