"""Every call of our doors to the broker, to market data and to Unusual Whales, ready to be made
against a real exchange-sim with short waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from shared.clock import SystemClock
from shared.models.broker import OrderRequest
from shared.models.orders import OrderClass, OrderType, Purpose, Side, TimeInForce
from shared.resilience.door_rules import DoorHost, FailedCall
from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor
from shared.risk.approved import Approved, seal_for_guard
from shared.vendors.alpaca_broker import AlpacaBroker, trading_client
from shared.vendors.alpaca_market_data import DAY, MarketDataRest
from shared.vendors.unusual_whales import UnusualWhales
from tests.support.exchange_process import HEADERS

WHOLE = DoorRules(reads_per_minute=None)
"""The waits of the product, for faults that answer at once."""
SHORT = DoorRules(connect_s=1.0, silence_s=0.9, total_s=6.0, reads_per_minute=None)
"""Short ones for faults that answer late or never; long enough for three tries of a read of which
each waits for a busy machine, too: the largest reply takes it a third of the silence by itself.
"""
LATE = frozenset({"silence", "dribble", "slow_reply"})
MARGIN_S = 0.7
"""So much longer than its deadline a call may seem on a busy machine."""


def rules_for(fault: str) -> DoorRules:
    """Return the rules under which a fault is tried."""
    return SHORT if fault.partition(" ")[0] in LATE else WHOLE


SYMBOL, RESTING_SYMBOL = "XOM", "SPY"
"""Held, to be protected and closed; and one with resting buys, so that nothing is a wash trade."""
CLOCK = SystemClock()

BROKER, DATA, FLOW = "broker", "market data", "option flow"
READ, ENTRY, SAFETY = "read", "entry", "safety"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: which door, which lane, its name, and how it is made."""

    door: str
    lane: str
    name: str
    make: Callable[[Doors], object]


@dataclass(frozen=True, slots=True)
class Target:
    """What the calls speak about; made anew where a call consumes it."""

    order_id: str
    client_order_id: str
    number: int


class Doors:
    """Fresh doors to an exchange: closed breakers, nothing learned, failures noted."""

    def __init__(
        self,
        url: str,
        target: Target,
        rules: DoorRules,
        on_failed: Callable[[FailedCall], None],
    ) -> None:
        host = DoorHost(on_failed=on_failed)
        self.target = target
        client = trading_client(url, "key", "secret")
        adapter = DoorAdapter(rules, CLOCK, host=host)
        self.broker = AlpacaBroker(client, adapter, CLOCK, lambda: False)
        self._data_door = HttpDoor(DoorAdapter(rules, CLOCK, host=host), HEADERS)
        self.data = MarketDataRest(self._data_door, url, None)
        token = {"Authorization": "Bearer token-of-the-test"}
        self._flow_door = HttpDoor(DoorAdapter(rules, CLOCK, host=host), token)
        self.whales = UnusualWhales(self._flow_door, url, lambda *_: None)

    def close(self) -> None:
        """Let the connections go."""
        self.broker.stop()
        self._data_door.close()
        self._flow_door.close()


def _request(number: int) -> OrderRequest:
    """A bracket far below the market: accepted, and never filled."""
    return OrderRequest(
        client_order_id=f"sht-h5salyam-momentum-{number:012x}",
        purpose=Purpose.ENTRY,
        symbol=RESTING_SYMBOL,
        side=Side.BUY,
        qty=Decimal(1),
        type=OrderType.LIMIT,
        order_class=OrderClass.BRACKET,
        time_in_force=TimeInForce.GTC,
        limit_price=Decimal("10.00"),
        stop_price=None,
        take_profit_price=Decimal("12.00"),
        stop_loss_price=Decimal("9.00"),
        strategy="momentum",
        created_at=datetime.now(UTC),
        reason="table of faults",
    )


def _approved(request: OrderRequest) -> Approved:
    return Approved(request, (), CLOCK.monotonic_s() + 60, seal=seal_for_guard())


def _entry(doors: Doors) -> object:
    return doors.broker.submit(_approved(_request(doors.target.number)))


def _protect(doors: Doors) -> object:
    stop = replace(
        _request(doors.target.number),
        purpose=Purpose.PROTECT,
        symbol=SYMBOL,
        side=Side.SELL,
        type=OrderType.STOP,
        order_class=OrderClass.SIMPLE,
        limit_price=None,
        stop_price=Decimal("5.00"),
        take_profit_price=None,
        stop_loss_price=None,
    )
    return doors.broker.submit(_approved(stop))


def _replace(doors: Doors) -> object:
    moved = replace(
        _request(doors.target.number),
        purpose=Purpose.PROTECT,
        order_class=OrderClass.SIMPLE,
        limit_price=Decimal("9.50"),
        take_profit_price=None,
        stop_loss_price=None,
        replaces=doors.target.order_id,
    )
    return doors.broker.submit(_approved(moved))


def _days(count: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=count)


FIELDS = {
    "account": "equity",
    "positions": "*.qty",
    "position": "qty",
    "order": "status",
    "order_by_client_id": "status",
    "orders": "*.status",
    "fills": "*.price",
    "asset": "tradable",
    "clock_reading": "is_open",
    "forbids_shorting": "no_shorting",
    "forbid_shorting": "no_shorting",
    "submit entry": "status",
    "submit protection": "status",
    "replace": "status",
    "close_position": "status",
    "bars": f"bars.{SYMBOL}.*.c",
    "last_bars": f"bars.{SYMBOL}.*.c",
    "latest_quotes": f"quotes.{SYMBOL}.ap",
    "alerts": "data.*.ticker",
    "prints": "data.*.price",
    "tide": "data.*.timestamp",
}
"""The field of each reply that the faults of shape bend; a call that is missing has no reply."""

CALLS: tuple[Call, ...] = (
    Call(BROKER, READ, "account", lambda d: d.broker.account()),
    Call(BROKER, READ, "positions", lambda d: d.broker.positions()),
    Call(BROKER, READ, "position", lambda d: d.broker.position(SYMBOL)),
    Call(BROKER, READ, "order", lambda d: d.broker.order(d.target.order_id)),
    Call(
        BROKER,
        READ,
        "order_by_client_id",
        lambda d: d.broker.order_by_client_id(d.target.client_order_id),
    ),
    Call(BROKER, READ, "orders", lambda d: d.broker.orders("all")),
    Call(BROKER, READ, "fills", lambda d: d.broker.fills(_days(9000))),
    Call(BROKER, READ, "movements", lambda d: d.broker.movements(date(2025, 1, 1))),
    Call(BROKER, READ, "asset", lambda d: d.broker.asset(SYMBOL)),
    Call(BROKER, READ, "clock_reading", lambda d: d.broker.clock_reading()),
    Call(BROKER, READ, "forbids_shorting", lambda d: d.broker.forbids_shorting()),
    Call(BROKER, SAFETY, "forbid_shorting", lambda d: d.broker.forbid_shorting()),
    Call(BROKER, ENTRY, "submit entry", _entry),
    Call(BROKER, SAFETY, "submit protection", _protect),
    Call(BROKER, SAFETY, "replace", _replace),
    Call(BROKER, SAFETY, "cancel", lambda d: d.broker.cancel(d.target.order_id)),
    Call(BROKER, SAFETY, "close_position", lambda d: d.broker.close_position(SYMBOL)),
    Call(DATA, READ, "bars", lambda d: d.data.bars((SYMBOL,), DAY, _days(9000), _days(-9000))),
    Call(DATA, READ, "last_bars", lambda d: d.data.last_bars(SYMBOL, 5, _days(0))),
    Call(DATA, READ, "latest_quotes", lambda d: d.data.latest_quotes((SYMBOL,))),
    Call(FLOW, READ, "alerts", lambda d: d.whales.alerts(None)),
    Call(FLOW, READ, "prints", lambda d: d.whales.prints(None)),
    Call(FLOW, READ, "tide", lambda d: d.whales.tide()),
)
