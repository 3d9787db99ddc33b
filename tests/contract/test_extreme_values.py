"""Values that are of the right type and beyond all reason: a drift or a dropped bar, never worse.

A number that no market has, a year that no clock shows: further in they would overflow Decimal,
datetime or SQLite, and those errors belong to no class of failure.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.alpaca import read_account, read_asset, read_clock, read_position
from shared.contracts.alpaca_calendar import read_calendar
from shared.contracts.alpaca_history import read_portfolio_history
from shared.contracts.alpaca_market import (
    read_bar,
    read_bars,
    read_latest_quotes,
    read_quote,
    read_stream_item,
)
from shared.contracts.alpaca_movements import read_movement
from shared.contracts.alpaca_orders import (
    read_fill,
    read_order,
    read_orders,
    read_trade_update,
)
from shared.contracts.drift import SchemaDrift
from shared.contracts.unusual_whales import read_alerts, read_prints, read_tide
from shared.persistence.market_store import MarketStoreReader
from shared.persistence.market_writer import MarketStoreWriter
from tests.support import alpaca_payloads as raw
from tests.support.clock import ManualClock
from tests.support.nested import parent_of, places
from tests.support.whale_payloads import raw_alert, raw_print, raw_tide

pytestmark = pytest.mark.unit

Reader = Callable[[object], object]
SEED, ROUNDS = 20_260, 4_000
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 17, 1.5, 1e308, 5e-324, float("nan"), float("-inf"), 10**400,
    "", " ", "x", "\u0664", "1_000", " 1", "+1", "1e999999", "1E-999999", "NaN", "-0", "9" * 5_000,
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-01T00:00:00Z",
    "0001-01-01", "9999-12-31", "23:59:59.999999", "23:59+14:00",
    [], [[]], {}, {"id": "x"}, "\ud800", "x" * 100_000, Decimal("-0.0"), Decimal("NaN"),
    Decimal("1e1000000"), Decimal("-1e1000000"), Decimal("1e-1000000"), Decimal("0." + "3" * 5_000),
)  # fmt: skip


def _deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


READERS: dict[str, tuple[Reader, dict[str, Any]]] = {
    "account": (read_account, raw.raw_account()),
    "position": (read_position, raw.raw_position()),
    "order": (read_order, raw.raw_bracket()),
    "orders": (lambda value: read_orders([value]), raw.raw_bracket()),
    "fill": (read_fill, raw.raw_fill()),
    "clock": (read_clock, raw.raw_clock()),
    "asset": (read_asset, raw.raw_asset()),
    "bar": (lambda value: read_bar(value, "SPY"), raw.raw_bar()),
    "bars": (read_bars, {"bars": {"SPY": [raw.raw_bar()]}, "next_page_token": None}),
    "quote": (lambda value: read_quote(value, "SPY"), raw.raw_quote()),
    "quotes": (read_latest_quotes, {"quotes": {"SPY": raw.raw_quote()}}),
    "trade_update": (read_trade_update, raw.raw_trade_update()),
    "stream": (read_stream_item, {"T": "b", "S": "SPY", **raw.raw_bar()}),
    "calendar": (lambda value: read_calendar([value]), raw.raw_calendar_day()),
    "history": (read_portfolio_history, {"timestamp": [1_767_625_200], "equity": [100_000.5]}),
    "split": (
        read_movement,
        {
            "id": "20260105::1",
            "activity_type": "SPLIT",
            "date": "2026-01-05",
            "symbol": "SPY",
            "net_amount": "0",
            "qty": "10",
            "created_at": "2026-01-05T15:00:00Z",
        },
    ),
    "alerts": (read_alerts, {"data": [raw_alert()]}),
    "alerts without id": (read_alerts, {"data": [raw_alert(id=None)]}),
    "prints": (read_prints, {"data": [raw_print()]}),
    "tide": (read_tide, {"data": [raw_tide()]}),
}


def _told(read: Reader, payload: object) -> str:
    """Return the drift's message, empty when the payload was read and can be shown."""
    try:
        json.dumps(str(read(payload)))
    except SchemaDrift as drift:
        return str(drift)
    return ""


@pytest.mark.parametrize("name", READERS)
def test_contract_when_any_field_is_absurd_then_a_value_or_a_drift(name: str) -> None:
    """Every field of every payload, legs and nested orders too, holds each absurd value once."""
    read, payload = READERS[name]
    for path in places(payload):
        for value in (*VALUES, _deep(900)):
            broken = copy.deepcopy(payload)
            parent_of(broken, path)[path[-1]] = value
            assert len(_told(read, broken)) < 500, path


@pytest.mark.parametrize("name", READERS)
def test_contract_when_fields_are_mixed_at_random_then_a_value_or_a_drift(name: str) -> None:
    """Several wrong fields at once, by a seed: nothing but a drift ever comes out."""
    chance = random.Random(SEED)
    read, payload = READERS[name]
    paths = list(places(payload))
    refused = 0
    for _ in range(ROUNDS // len(READERS)):
        broken = copy.deepcopy(payload)
        for path in sorted(chance.sample(paths, min(3, len(paths))), key=len, reverse=True):
            parent_of(broken, path)[path[-1]] = chance.choice(VALUES)
        refused += _told(read, broken) != ""
    assert refused > 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("qty", "1e999999"), ("qty", "1_0"), ("qty", " 10"), ("qty", "\u0661\u0660"),
        ("qty", "9" * 40), ("current_price", "1E-999999"), ("market_value", "1e400"),
    ],
)  # fmt: skip
def test_position_when_an_amount_is_no_plain_decimal_then_drift_names_it(
    field: str, value: str
) -> None:
    """Exponents, blanks, underscores and foreign digits are nothing that the broker writes."""
    with pytest.raises(SchemaDrift) as caught:
        read_position(raw.raw_position(**{field: value}))
    assert field in caught.value.path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", 1e19), ("v", 10**30), ("h", 1e308), ("t", "0001-01-01T00:00:00Z"),
        ("t", "9999-12-31"), ("h", Decimal("1e1000000")), ("l", Decimal("1e-400")), ("l", 5e-324),
        ("o", Decimal("10." + "3" * 5_000)),
    ],
)  # fmt: skip
def test_bar_when_a_number_or_a_time_is_absurd_then_drift(field: str, value: object) -> None:
    """What SQLite could not hold or the calendar not convert must not reach them."""
    with pytest.raises(SchemaDrift) as caught:
        read_bar(raw.raw_bar(**{field: value}), "SPY")
    assert field in caught.value.path


def test_order_when_an_optional_time_was_never_set_then_it_is_absent() -> None:
    """A Go server writes a time that was never set as the year 1."""
    order = read_order(raw.raw_order(filled_at="0001-01-01T00:00:00Z"))
    assert order.filled_at is None
    assert order.created_at.year == 2026


def test_bar_when_it_is_as_large_as_allowed_then_the_store_takes_it(tmp_path: Path) -> None:
    """The contract's bounds lie within what market.db can hold."""
    candle = read_bar(raw.raw_bar(h=10**15, v=10**15, t="2199-12-31T00:00:00Z"), "SPY")
    writer = MarketStoreWriter(tmp_path / "market.db", ManualClock())
    writer.put_candles([candle])
    reader = MarketStoreReader(tmp_path / "market.db")
    assert reader.last_candles("SPY", 1) == [candle]
    assert reader.prior_close("SPY", datetime(2199, 12, 31, tzinfo=UTC)) is None
    writer.close()
    reader.close()


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "9999-12-31"])
def test_day_when_no_market_can_have_had_it_then_drift_names_it(day: str) -> None:
    """Its neighbours, or its hours in another time zone, would lie beyond every calendar."""
    session = raw.raw_calendar_day(date=day, close="23:59")
    split = {
        "id": "1", "activity_type": "SPLIT", "symbol": "SPY", "net_amount": "0", "qty": "1",
    }  # fmt: skip
    for read in (lambda: read_calendar([session]), lambda: read_movement(split | {"date": day})):
        with pytest.raises(SchemaDrift) as caught:
            read()
        assert caught.value.path.endswith(".date")
