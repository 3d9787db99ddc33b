"""A day of drift: every field of every kind of reply broken in every way, against one table.

The table is `SPECIFIED` together with what `PROMISES` says we read. Nothing crashes, nothing that
we read is silently believed, and nothing that nobody reads ever stops anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.contracts import (
    alpaca,
    alpaca_calendar,
    alpaca_history,
    alpaca_market,
    alpaca_movements,
    alpaca_orders,
    unusual_whales,
)
from shared.contracts.drift import SchemaDrift
from shared.contracts.promises import PROMISES
from tests.support import alpaca_payloads as raw
from tests.support import whale_payloads as whale

pytestmark = pytest.mark.unit

Row = dict[str, Any]
WORD = "unheard_of"
BELIEVED, DROPPED, REFUSED = "believed", "dropped", "refused"
"""Read as it is; this row left out and named, its neighbours kept; the whole reply is SCHEMA."""

SPECIFIED = {
    # a field:        removed    nulled     renamed    retyped    unknown word
    "required":      ("broken", "broken", "broken", "broken", "broken"),
    "required text": ("broken", "broken", "broken", "broken", BELIEVED),
    "optional":      (BELIEVED, BELIEVED, BELIEVED, "broken", "broken"),
    "optional text": (BELIEVED, BELIEVED, BELIEVED, "broken", BELIEVED),
    "not read":      (BELIEVED, BELIEVED, BELIEVED, BELIEVED, BELIEVED),
}  # fmt: skip
"""`broken` is what the kind's own verdict is: REFUSED on what is ours, DROPPED on what is not. A
text is free: any word may stand there, since no list of words was promised."""


@dataclass(frozen=True)
class Kind:
    """One kind of object, how it is read, and what is special in this example of it."""

    promise: str
    make: Callable[..., Row]
    read: Callable[[Row, Row], tuple[list[object], int]]
    """(the row, a good neighbour) → what was believed, and how many rows were dropped."""
    broken: str = REFUSED
    texts: str = ""
    """Fields that are free texts."""
    needed: str = ""
    """Optional fields without which this example says nothing."""
    unread: str = ""
    """Optional fields that this example needs not."""
    either: str = ""
    """Fields that come as text or number."""
    names: tuple[str, ...] = ()
    """Fields without which nobody can say whose the row is: then the reply is refused."""
    doubles: Callable[[Row], Row] = field(default=lambda row: row)
    """Makes the neighbour differ where two of the same are refused."""


def _one(read: Callable[[object], object]) -> Callable[[Row, Row], tuple[list[object], int]]:
    return lambda row, _: ([read(row)], 0)


def _orders(row: Row, neighbour: Row) -> tuple[list[object], int]:
    found = alpaca_orders.read_orders([row, neighbour])
    return list(found.orders), len(found.skipped)


def _bars(row: Row, neighbour: Row) -> tuple[list[object], int]:
    page = alpaca_market.read_bars({"bars": {"SPY": [row], "QQQ": [neighbour]}})
    return list(page.candles), len(page.dropped)


def _quotes(row: Row, neighbour: Row) -> tuple[list[object], int]:
    found = alpaca_market.read_latest_quotes({"quotes": {"SPY": row, "QQQ": neighbour}})
    return list(found.quotes), len(found.dropped)


def _whales(read: Callable[[object], Any]) -> Callable[[Row, Row], tuple[list[object], int]]:
    def both(row: Row, neighbour: Row) -> tuple[list[object], int]:
        rows = read({"data": [row, neighbour]})
        return list(rows.good), len(rows.dropped)

    return both


def _pair(read: Callable[[object], Any]) -> Callable[[Row, Row], tuple[list[object], int]]:
    return lambda row, neighbour: (list(read([row, neighbour])), 0)


def _foreign(**changes: Any) -> Row:
    return raw.raw_order(client_order_id="somebody-else", **changes)


def _market_order(**changes: Any) -> Row:
    return raw.raw_order(type="market", limit_price=None) | changes


def _transfer(**changes: Any) -> Row:
    return {
        "id": "20260105::t", "activity_type": "CSD", "date": "2026-01-05",
        "net_amount": "500", "status": "executed",
    } | changes  # fmt: skip


def _split(**changes: Any) -> Row:
    return _transfer(activity_type="SPLIT", symbol="SPY", qty="10", net_amount="0") | changes


def _alert_without_id(**changes: Any) -> Row:
    return whale.raw_alert(id=None) | changes


def _history(**changes: Any) -> Row:
    return {
        "timestamp": [1767645000], "equity": [100000.5], "timeframe": "1D", "base_value": 100000,
    } | changes  # fmt: skip


ORDER_TEXTS = "id client_order_id symbol replaced_by replaces"
KINDS = {
    "account": Kind("account", raw.raw_account, _one(alpaca.read_account), texts="id status"),
    "configurations": Kind(
        "configurations", lambda **c: {"no_shorting": True, "trade_confirm_email": "all"} | c,
        _one(alpaca.read_no_shorting),
    ),
    "clock": Kind("clock", raw.raw_clock, _one(alpaca.read_clock)),
    "calendar": Kind(
        "calendar", raw.raw_calendar_day, _pair(alpaca_calendar.read_calendar),
        doubles=lambda row: row | {"date": "2026-11-30", "close": "16:00"},
    ),
    "position": Kind(
        "position", raw.raw_position, _pair(alpaca.read_positions), texts="symbol",
        doubles=lambda row: row | {"symbol": "QQQ"},
    ),
    "own order": Kind(
        "order", raw.raw_order, _orders, texts=ORDER_TEXTS, needed="limit_price",
    ),
    "own market order": Kind("order", _market_order, _orders, texts=ORDER_TEXTS),
    "foreign order": Kind(
        "order", _foreign, _orders, DROPPED, texts=ORDER_TEXTS, needed="limit_price",
        names=("id", "client_order_id"),
    ),
    "fill": Kind(
        "fill", raw.raw_fill, _pair(alpaca_orders.read_fills), texts="id order_id symbol"
    ),
    "transfer": Kind(
        "movement", _transfer, _pair(alpaca_movements.read_movements),
        texts="id activity_type symbol", unread="qty",
        doubles=lambda row: row | {"id": "other"},
    ),
    "split": Kind(
        "movement", _split, _pair(alpaca_movements.read_movements),
        texts="id symbol activity_type", needed="symbol qty",
        doubles=lambda row: row | {"id": "other"},
    ),
    "portfolio history": Kind(
        "portfolio_history", _history, _one(alpaca_history.read_portfolio_history)
    ),
    "asset": Kind("asset", raw.raw_asset, _one(alpaca.read_asset), texts="symbol class"),
    "fill event": Kind(
        "trade_update", raw.raw_trade_update, _one(alpaca_orders.read_trade_update),
        texts="event", needed="timestamp price qty",
    ),
    "bar": Kind("bar", raw.raw_bar, _bars, DROPPED),
    "quote": Kind("quote", raw.raw_quote, _quotes, DROPPED),
    "streamed bar": Kind(
        "streamed_bar", lambda **c: {"T": "b", "S": "SPY"} | raw.raw_bar() | c,
        _one(alpaca_market.read_stream_item), texts="T S",
    ),
    "streamed quote": Kind(
        "streamed_quote", lambda **c: {"T": "q", "S": "SPY"} | raw.raw_quote() | c,
        _one(alpaca_market.read_stream_item), texts="T S",
    ),
    "flow alert": Kind(
        "alert", whale.raw_alert, _whales(unusual_whales.read_alerts), DROPPED,
        texts="ticker alert_rule id", unread="option_chain start_time",
    ),
    "flow alert without id": Kind(
        "alert", _alert_without_id, _whales(unusual_whales.read_alerts), DROPPED,
        texts="ticker alert_rule id option_chain", needed="option_chain start_time",
        either="start_time",
    ),
    "dark pool print": Kind(
        "print", whale.raw_print, _whales(unusual_whales.read_prints), DROPPED,
        texts="ticker", either="tracking_id",
    ),
    "market tide": Kind("tide", whale.raw_tide, _whales(unusual_whales.read_tide), DROPPED),
}  # fmt: skip
FOREIGN_VALUES: tuple[Any, ...] = (17, 1.5, True, "17", [], [1], {}, {"a": 1})


def _rule(kind: Kind, name: str) -> str:
    promise = PROMISES[kind.promise]
    if name not in promise.fields or name in kind.unread.split():
        return "not read"
    needed = name in promise.required or name in kind.needed.split()
    rule = "required" if needed else "optional"
    return f"{rule} text" if name in f"{kind.texts} {kind.either}".split() else rule


def _broken_rows(kind: Kind, name: str) -> Iterator[tuple[int, Row]]:
    """Yield the row with one field broken, and the column of the table that speaks of it."""
    whole = kind.make()
    without = {key: value for key, value in whole.items() if key != name}
    yield 0, without
    yield 1, whole | {name: None}
    yield 2, without | {f"{name}_v2": whole.get(name)}
    for value in FOREIGN_VALUES:
        if _is_other_type(kind, name, whole.get(name), value):
            yield 3, whole | {name: value}
    yield 4, whole | {name: WORD}


def _is_other_type(kind: Kind, name: str, real: Any, value: Any) -> bool:
    """Whether the value is of a type that the field never has."""
    if name in kind.either.split():
        return isinstance(value, bool | float | list | dict)
    if real is None:  # an optional field of this example: texts all of them, but for the legs
        return not isinstance(value, list if name == "legs" else str)
    if isinstance(real, int | float) and not isinstance(real, bool):
        return isinstance(value, bool) or not isinstance(value, int | float)
    return not isinstance(value, type(real))


def _verdict(kind: Kind, row: Row) -> str:
    """Return what becomes of the row; the neighbour must live unless the reply is refused."""
    neighbour = kind.doubles(kind.make())
    try:
        believed, dropped = kind.read(row, neighbour)
    except SchemaDrift as drift:
        return REFUSED if drift.path and drift.expected and drift.found else "nameless"
    if dropped:
        assert len(believed) == dropped == 1
        return DROPPED
    assert len(believed) == len(kind.read(kind.make(), neighbour)[0])
    return BELIEVED


CASES = [
    (name, one)
    for name, kind in KINDS.items()
    for one in sorted(PROMISES[kind.promise].fields | kind.make().keys())
]


@pytest.mark.parametrize(("name", "one"), CASES)
def test_reply_when_a_field_drifts_then_the_verdict_is_the_tables(name: str, one: str) -> None:
    """Removed, nulled, renamed, retyped in every type, or holding a word that nobody knows."""
    kind = KINDS[name]
    rule = _rule(kind, one)
    broken = REFUSED if one in kind.names else kind.broken
    for column, row in _broken_rows(kind, one):
        specified = SPECIFIED[rule][column]
        assert _verdict(kind, row) == (broken if specified == "broken" else specified), row
        if rule == "not read":
            neighbour = kind.doubles(kind.make())
            assert kind.read(row, neighbour) == kind.read(kind.make(), neighbour)


@pytest.mark.parametrize("name", KINDS)
def test_reply_when_it_only_grows_then_everything_is_believed_as_before(name: str) -> None:
    """Fields of tomorrow, of any type, change nothing."""
    kind = KINDS[name]
    neighbour = kind.doubles(kind.make())
    before = kind.read(kind.make(), neighbour)
    for value in (*FOREIGN_VALUES, None, WORD):
        assert kind.read(kind.make() | {"field_of_tomorrow": value}, neighbour) == before


def test_table_when_kinds_are_counted_then_every_promise_has_one() -> None:
    """No contract is left out of the day of drift."""
    assert {kind.promise for kind in KINDS.values()} == set(PROMISES)
