"""A bench whose account holds shares that nobody of ours bought."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from shared.models.broker import OrderRequest
from shared.models.externals import external_key
from shared.models.orders import (
    Order,
    OrderClass,
    OrderType,
    Purpose,
    Side,
    TimeInForce,
)
from shared.models.portfolio import BrokerPosition
from tests.support.bot_bench import POLICY, BotBench

KEY = external_key("GOOG")


def a_bench(qty: str = "10", *, adopts: bool = True) -> BotBench:
    """A bench whose account holds GOOG at 200, which nobody of ours bought."""
    bench = BotBench(policy=replace(POLICY, adopt_external=adopts))
    hold_external(bench, qty)
    bench.reconcile()
    return bench


def hold_external(bench: BotBench, qty: str, free: str | None = None) -> None:
    """Let the broker show so many shares, `free` of them held by no order."""
    available = Decimal(free) if free is not None else None
    price = Decimal(200)
    bench.broker.held["GOOG"] = BrokerPosition(
        "GOOG", Decimal(qty), price, current_price=price, available_qty=available
    )


def own_stops(bench: BotBench) -> list[Order]:
    """Our orders for the external shares that still work."""
    return [order for order in bench.state.orders.group(KEY) if order.status.is_live]


def by_hand(bench: BotBench, qty: str, side: Side = Side.SELL) -> str:
    """Let somebody else place an order that rests; returns the broker's id."""
    request = OrderRequest(
        client_order_id="by-hand",
        purpose=Purpose.PROTECT,
        symbol="GOOG",
        side=side,
        qty=Decimal(qty),
        type=OrderType.STOP,
        order_class=OrderClass.SIMPLE,
        time_in_force=TimeInForce.GTC,
        stop_price=Decimal(150),
        strategy="",
        created_at=bench.now,
        reason="by hand",
    )
    return bench.broker.open(request).broker_order_id
