"""The shape of a reply: names and types, never values; and what differs between two days."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.promises import PROMISES, is_read, version_of
from shared.contracts.shapes import PATHS_MAX, changes, fingerprint, shape_of, updated
from tests.support import alpaca_payloads as raw

pytestmark = pytest.mark.unit


def told(reply: str, before: object, after: object) -> list[str]:
    """Return the lines that tell one reply from another."""
    return [change.line for change in changes(shape_of(reply, before), shape_of(reply, after))]


def test_shape_when_taken_then_it_says_types_and_no_value() -> None:
    """An account's shape holds neither its number nor its money."""
    shape = shape_of("account", raw.raw_account(created_at="2026-01-05T14:30:01.1Z", x=1.5, d=None))

    assert shape["account.equity"] == {"amount"}
    assert shape["account.trading_blocked"] == {"flag"}
    assert shape["account.created_at"] == {"moment"}
    assert shape["account.x"] == {"number"}
    assert shape["account.d"] == {"null"}
    assert "100000.5" not in str(shape)
    assert raw.raw_account()["id"] not in str(shape)


def test_shape_when_rows_or_symbols_repeat_then_they_share_their_paths() -> None:
    """A list of orders with legs, bars of two symbols: one path per field."""
    orders = shape_of("orders", [raw.raw_bracket(), raw.raw_order(limit_price=None)])
    bars = shape_of("bars", {"bars": {"SPY": [raw.raw_bar()], "BRK.B": [raw.raw_bar()]}})

    assert orders["orders[].limit_price"] == {"amount", "null"}
    assert orders["orders[].legs[].status"] == {"text"}
    assert bars["bars.bars.*[].o"] == {"number"}
    assert not [path for path in bars if "SPY" in path or "BRK" in path]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"bonus": "x"}, "+ account.bonus: text (nobody reads it)"),
        ({"equity": 100000.5}, "~ account.equity: amount → number (WE READ IT)"),
        ({"multiplier": 4}, "~ account.multiplier: amount → number (nobody reads it)"),
        ({"equity": None}, None),
        ({"multiplier": "2"}, None),
    ],
)
def test_change_when_a_field_differs_then_its_line_says_whom_it_concerns(
    change: dict[str, Any], line: str | None
) -> None:
    """Added, retyped, read or not; another value, or none today, is no change of the shape."""
    found = told("account", raw.raw_account(), raw.raw_account(**change))

    assert found == ([] if line is None else [line])


def test_change_when_a_field_is_renamed_then_both_names_are_told() -> None:
    """What left and what came stand beside each other."""
    after = raw.raw_account()
    after["total_equity"] = after.pop("equity")

    assert told("account", raw.raw_account(), after) == [
        "- account.equity: amount (WE READ IT)",
        "+ account.total_equity: amount (nobody reads it)",
    ]


@pytest.mark.parametrize(
    ("reply", "before", "after"),
    [
        ("positions", [raw.raw_position()], []),
        ("positions", [], [raw.raw_position()]),
        ("bars", {"bars": {}}, {"bars": {"SPY": [raw.raw_bar()]}}),
        ("orders", [raw.raw_order(legs=None)], [raw.raw_bracket()]),
    ],
)
def test_change_when_one_day_had_no_rows_then_nothing_is_said(
    reply: str, before: object, after: object
) -> None:
    """What could not be seen is not gone, and what is seen again is not new."""
    assert told(reply, before, after) == []


def test_fingerprint_when_only_values_differ_then_it_is_the_same() -> None:
    """Equal shapes have one name, whatever the day's values and order of fields."""
    one = shape_of("account", raw.raw_account())
    backwards = dict(reversed(raw.raw_account(equity="7").items()))

    assert fingerprint(one) == fingerprint(shape_of("account", backwards))
    assert fingerprint(one) != fingerprint(shape_of("account", raw.raw_account(equity=7)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.decimals(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=20,
)


@given(JSON, JSON)
def test_shape_when_a_reply_is_anything_then_it_has_one(one: object, other: object) -> None:
    """Whatever a vendor sends has a shape, equal to itself; after a look nothing of it is news."""
    first, second = shape_of("x", one), shape_of("x", other)

    assert changes(first, first) == []
    assert changes(updated(first, second), second) == []


def test_shape_when_a_reply_is_huge_or_deep_then_it_stays_small() -> None:
    """A flood of invented names, or a well without a bottom, costs a bounded record."""
    flood = {f"name{number}": number for number in range(3 * PATHS_MAX)}
    well: object = 1
    for _ in range(500):
        well = [well]

    assert len(shape_of("x", flood)) == PATHS_MAX
    assert len(json.dumps(sorted(shape_of("x", well)))) < 1_000


def test_shape_when_stamps_come_from_a_binary_frame_then_they_are_moments() -> None:
    """A datetime is a moment, a Decimal a number."""
    shape = shape_of("x", {"t": datetime(2026, 1, 5, tzinfo=UTC), "p": Decimal("1.5")})

    assert shape["x.t"] == {"moment"}
    assert shape["x.p"] == {"number"}


def test_promise_when_asked_then_only_what_is_read_concerns_us() -> None:
    """The table speaks of rows where they stand in a reply, legs included."""
    assert is_read("orders[].legs[].stop_price")
    assert is_read("bars.bars.*[].o")
    assert not is_read("bars.bars.*[].vw")
    assert not is_read("orders[].legs[].hwm")
    assert not is_read("account")
    assert version_of("orders") == PROMISES["order"].version
    assert version_of("nothing of ours") == 0
