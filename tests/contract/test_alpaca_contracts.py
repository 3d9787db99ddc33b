"""Payloads whole and broken: containers, ranges, relations between fields, and whose rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.contracts.alpaca import (
    read_account,
    read_asset,
    read_clock,
    read_no_shorting,
    read_position,
    read_positions,
)
from shared.contracts.alpaca_market import read_bar, read_quote
from shared.contracts.alpaca_orders import (
    read_fill,
    read_fills,
    read_order,
    read_orders,
    read_trade_update,
)
from shared.contracts.drift import SchemaDrift
from shared.contracts.simulator import read_lock_step, read_sim_status
from shared.models.orders import OrderClass, OrderStatus, Side
from tests.support import alpaca_payloads as raw

pytestmark = pytest.mark.unit

Reader = Callable[[object], object]
Maker = Callable[..., dict[str, Any]]


def _bar(value: object) -> object:
    return read_bar(value, "SPY")


def _quote(value: object) -> object:
    return read_quote(value, "SPY")


def _lock_step(**changes: Any) -> dict[str, Any]:
    return {
        "minute": "2026-01-05T14:30:00Z",
        "now": "2026-01-05T14:31:00Z",
        "is_open": True,
        "next_open": "2026-01-06T14:30:00Z",
        "next_close": "2026-01-05T21:00:00Z",
        "ended": False,
    } | changes


def _status(**changes: Any) -> dict[str, Any]:
    return {
        "source": "seeded",
        "account_id": "a",
        "epoch": "h5salyam",
        "symbols": ["SPY"],
        "ended": False,
    } | changes


CONTRACTS: dict[str, tuple[Reader, Maker, str, str]] = {
    # name: reader, maker, required fields, fields that may be absent or null. Those of the
    # vendors stand in PROMISES and are broken one by one in test_day_of_drift.py.
    "account": (read_account, raw.raw_account, "", ""),
    "position": (read_position, raw.raw_position, "", ""),
    "order": (read_order, raw.raw_order, "", ""),
    "fill": (read_fill, raw.raw_fill, "", ""),
    "clock": (read_clock, raw.raw_clock, "", ""),
    "asset": (read_asset, raw.raw_asset, "", ""),
    "bar": (_bar, raw.raw_bar, "", ""),
    "quote": (_quote, raw.raw_quote, "", ""),
    "trade_update": (read_trade_update, raw.raw_trade_update, "", ""),
    "configurations": (read_no_shorting, lambda **c: {"no_shorting": True} | c, "", ""),
    "lockstep": (read_lock_step, _lock_step, "now is_open next_open next_close ended", "minute"),
    "sim_status": (read_sim_status, _status, "source account_id epoch symbols ended", ""),
}
REQUIRED = [(name, field) for name, row in CONTRACTS.items() for field in row[2].split()]
OPTIONAL = [(name, field) for name, row in CONTRACTS.items() for field in row[3].split()]


@pytest.mark.parametrize("name", CONTRACTS)
def test_contract_when_extended_or_whole_then_passes(name: str) -> None:
    """A payload as promised passes, and so does one with a field nobody has heard of."""
    read, make, *_ = CONTRACTS[name]
    assert read(make()) == read(make(brand_new_field={"x": [1]}))


@pytest.mark.parametrize(("name", "field"), REQUIRED)
def test_contract_when_required_field_breaks_then_drift_names_it(name: str, field: str) -> None:
    """A required field removed, nulled or retyped is a drift that names the field."""
    read, make, *_ = CONTRACTS[name]
    removed = make()
    del removed[field]
    for broken in (removed, make(**{field: None}), make(**{field: [1]})):
        with pytest.raises(SchemaDrift) as caught:
            read(broken)
        assert field in caught.value.path
        assert caught.value.expected
        assert caught.value.found


@pytest.mark.parametrize(("name", "field"), OPTIONAL)
def test_contract_when_optional_field_is_gone_then_passes(name: str, field: str) -> None:
    """An optional field may be absent or null, but not of another type."""
    read, make, *_ = CONTRACTS[name]
    removed = make()
    removed.pop(field, None)
    assert read(removed) == read(make(**{field: None}))
    with pytest.raises(SchemaDrift) as caught:
        read(make(**{field: 17}))
    assert field in caught.value.path


@pytest.mark.parametrize("name", CONTRACTS)
@pytest.mark.parametrize("value", [None, [], "text", 3, True])
def test_contract_when_container_is_wrong_then_drift(name: str, value: object) -> None:
    """Null, a list, a text or a number where an object was promised is a drift."""
    with pytest.raises(SchemaDrift):
        CONTRACTS[name][0](value)


WRONG_VALUES: list[tuple[str, dict[str, Any]]] = [
    ("account", {"equity": "NaN"}),
    ("account", {"equity": "Infinity"}),
    ("account", {"equity": "abc"}),
    ("account", {"equity": 100000.5}),
    ("account", {"buying_power": "-1"}),
    ("account", {"trading_blocked": "false"}),
    ("account", {"trading_blocked": 0}),
    ("account", {"id": ""}),
    ("position", {"qty": "0"}),
    ("position", {"qty": 5}),
    ("position", {"qty": "-10"}),
    ("position", {"side": "short"}),
    ("position", {"avg_entry_price": "-1"}),
    ("position", {"current_price": "0"}),
    ("position", {"market_value": "9999"}),
    ("order", {"qty": "0"}),
    ("order", {"qty": "-5"}),
    ("order", {"filled_qty": "11"}),
    ("order", {"filled_qty": "3"}),
    ("order", {"status": "filled", "filled_qty": "9", "filled_avg_price": "500"}),
    ("order", {"filled_qty": "-1"}),
    ("order", {"status": "teleported"}),
    ("order", {"status": "unknown"}),
    ("order", {"type": "iceberg"}),
    ("order", {"side": "hold"}),
    ("order", {"time_in_force": "gtd"}),
    ("order", {"order_class": "mleg"}),
    ("order", {"limit_price": "-500"}),
    ("order", {"type": "stop"}),
    ("order", {"created_at": "2026-01-05T14:30:01"}),
    ("order", {"created_at": "yesterday"}),
    ("order", {"legs": [3]}),
    ("order", {"legs": [{"id": "x"}]}),
    ("order", {"legs": [raw.raw_order()] * 11}),
    ("fill", {"activity_type": "DIV"}),
    ("fill", {"side": "short"}),
    ("fill", {"cum_qty": "1"}),
    ("fill", {"price": "0"}),
    ("clock", {"timestamp": "2026-01-05T09:31:00"}),
    ("clock", {"is_open": 1}),
    ("clock", {"is_open": False}),
    ("clock", {"next_close": "2026-01-06T16:00:00-05:00"}),
    ("bar", {"o": "10.1"}),
    ("bar", {"o": True}),
    ("bar", {"l": 11}),
    ("bar", {"c": 99}),
    ("bar", {"o": -1}),
    ("bar", {"v": -1}),
    ("bar", {"h": float("nan")}),
    ("quote", {"bp": 10.5}),
    ("quote", {"bp": -1}),
    ("quote", {"ap": float("inf")}),
]


@pytest.mark.parametrize(("name", "changes"), WRONG_VALUES)
def test_contract_when_value_is_out_of_range_then_drift(name: str, changes: dict[str, Any]) -> None:
    """Values that a lax model lets through (NaN, wrong sign, crossed) are drifts."""
    read, make, *_ = CONTRACTS[name]
    with pytest.raises(SchemaDrift):
        read(make(**changes))


def test_drift_message_when_value_is_long_then_is_cut() -> None:
    """A drift never carries a whole payload into a log."""
    with pytest.raises(SchemaDrift) as caught:
        read_account(raw.raw_account(equity="9" * 10_000 + "x"))
    assert len(str(caught.value)) < 200


def test_account_when_read_then_money_is_exact() -> None:
    """Amounts become Decimals with every digit, and the flags say whether we may trade."""
    account = read_account(raw.raw_account(equity="100000.123456789"))
    assert account.equity == Decimal("100000.123456789")
    assert account.may_trade
    assert not read_account(raw.raw_account(trade_suspended_by_user=True)).may_trade


def test_clock_when_read_then_utc() -> None:
    """The New York offset becomes UTC."""
    assert read_clock(raw.raw_clock()).now == datetime(2026, 1, 5, 14, 31, 0, 500_000, UTC)


def test_order_when_bracket_then_legs_stand_under_it() -> None:
    """Legs are read with their parent; an empty class means simple."""
    order = read_order(raw.raw_bracket())
    assert [leg.status for leg in order.legs] == [OrderStatus.NEW, OrderStatus.HELD]
    assert order.order_class is OrderClass.BRACKET
    assert read_order(raw.raw_order()).order_class is OrderClass.SIMPLE


def test_orders_when_foreign_word_is_unknown_then_skipped_and_reported() -> None:
    """A novelty on somebody else's order leaves ours readable."""
    foreign = raw.raw_order(id="f", client_order_id="someone-else", type="iceberg")
    checked = read_orders([foreign, raw.raw_order()])
    assert [order.client_order_id for order in checked.orders] == [
        "sht-h5salyam-momentum-0123456789ab"
    ]
    assert [drift.path for drift in checked.skipped] == ["orders[0].type"]


def test_orders_when_own_order_drifts_then_raises() -> None:
    """The same novelty on an order of ours stops us, and so does an order without a name."""
    with pytest.raises(SchemaDrift):
        read_orders([raw.raw_order(status="teleported")])
    with pytest.raises(SchemaDrift):
        read_orders([raw.raw_order(client_order_id=None)])
    with pytest.raises(SchemaDrift):
        read_orders(None)


def test_orders_when_known_leg_drifts_then_raises() -> None:
    """A leg has a foreign-looking id; the caller's memory says that it is ours."""
    leg = raw.raw_order(id="leg-1", client_order_id="random", status="teleported")
    assert read_orders([leg]).skipped
    with pytest.raises(SchemaDrift):
        read_orders([leg], lambda broker_id, _client_id: broker_id == "leg-1")


def test_positions_when_one_row_is_broken_or_doubled_then_whole_read_fails() -> None:
    """A missing position would be a wrong exposure."""
    with pytest.raises(SchemaDrift):
        read_positions([raw.raw_position(), raw.raw_position(symbol="X", qty=None)])
    with pytest.raises(SchemaDrift):
        read_positions([raw.raw_position(), raw.raw_position()])
    assert read_positions([]) == ()


def test_fills_when_side_is_sell_short_then_sell() -> None:
    """Activities have a word of their own for short sales."""
    assert read_fills([raw.raw_fill(side="sell_short")])[0].side is Side.SELL


def test_trade_update_when_event_is_new_then_passes() -> None:
    """An unknown event is a hint like others; without a stamp the order's own is taken."""
    update = raw.raw_trade_update(event="teleported", timestamp=None, price=None, qty=None)
    read = read_trade_update(update)
    assert read.event == "teleported"
    assert read.at == read.order.updated_at


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        ("4", Decimal(4)),
        ("0", Decimal(0)),
        (None, None),
        (4, Decimal(4)),
        ("many", None),
        ("NaN", None),
        ("-4", None),
        ("11", None),
        ([], None),
    ],
)
def test_position_when_its_free_shares_make_no_sense_then_only_they_are_unknown(
    told: object, believed: Decimal | None
) -> None:
    """External shares alone are judged by them: no position is lost for their sake."""
    position = read_position(raw.raw_position(qty_available=told))

    assert position.qty == 10
    assert position.available_qty == believed
