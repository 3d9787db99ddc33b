"""What Unusual Whales promises over REST: `{"data": [...]}` with money as texts.

Only what is read is checked, per endpoint; extra fields and unknown rules pass. A broken row is
dropped and reported; a reply whose frame is broken, or all of whose rows are, raises SchemaDrift:
then it is the contract that changed. Sources: the vendor's OpenAPI of 2025 and 2026, live samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from shared.contracts.drift import SchemaDrift
from shared.contracts.fields import Fields, as_list
from shared.models.flow import DarkPrint, FlowAlert, TidePoint

Row = TypeVar("Row")

_ZERO = Decimal(0)
_NUMBER_END = 10**16
"""Beyond any id, count or moment in milliseconds, within what SQLite holds."""
_KINDS = {"call": True, "put": False}


@dataclass(frozen=True, slots=True)
class Rows(Generic[Row]):
    """The good rows of a page as they came, and the drifts of the bad ones."""

    good: tuple[Row, ...]
    dropped: tuple[SchemaDrift, ...]


@dataclass(frozen=True, slots=True)
class PrintRow:
    """A dark pool print, and whether it was taken back."""

    dark_print: DarkPrint
    is_canceled: bool


def read_alerts(raw: object) -> Rows[FlowAlert]:
    """Return a page of GET /api/option-trades/flow-alerts."""
    return _rows(raw, "alerts", _alert)


def read_prints(raw: object) -> Rows[PrintRow]:
    """Return a page of GET /api/darkpool/recent."""
    return _rows(raw, "prints", _print)


def read_tide(raw: object) -> Rows[TidePoint]:
    """Return the reply of GET /api/market/market-tide."""
    return _rows(raw, "tide", _tide)


def _rows(raw: object, name: str, read: Callable[[Fields], Row]) -> Rows[Row]:
    frame = Fields(raw, "reply")
    good: list[Row] = []
    dropped: list[SchemaDrift] = []
    for index, row in enumerate(as_list(frame.raw.get("data"), "reply.data")):
        try:
            good.append(read(Fields(row, f"{name}[{index}]")))
        except SchemaDrift as drift:
            dropped.append(drift)
    if dropped and not good:
        raise dropped[0]
    return Rows(tuple(good), tuple(dropped))


def _alert(fields: Fields) -> FlowAlert:
    kind = fields.text("type")
    if kind not in _KINDS:
        raise fields.drift("type", "call or put")
    return FlowAlert(
        alert_id=_alert_key(fields),
        symbol=fields.text("ticker"),
        at=fields.moment("created_at"),
        premium=fields.money_from("total_premium", _ZERO),
        is_call=_KINDS[kind],
        is_sweep=fields.flag("has_sweep"),
        rule=fields.text("alert_rule"),
    )


def _alert_key(fields: Fields) -> str:
    """Return the alert's id; older replies have none: then contract, begin and rule tell it."""
    known = fields.optional_text("id")
    if known is not None:
        return known
    chain, rule = fields.text("option_chain"), fields.text("alert_rule")
    return f"{chain}|{_number_or_text(fields, 'start_time')}|{rule}"


def _number_or_text(fields: Fields, name: str) -> str:
    value = fields.raw.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _NUMBER_END:
        return str(value)
    return fields.text(name)


def _print(fields: Fields) -> PrintRow:
    found = DarkPrint(
        print_id=_number_or_text(fields, "tracking_id"),
        symbol=fields.text("ticker"),
        at=fields.moment("executed_at"),
        price=fields.money_above("price", _ZERO),
        size=int(fields.number("size")),
        premium=fields.money_from("premium", _ZERO),
    )
    return PrintRow(found, fields.flag("canceled"))


def _tide(fields: Fields) -> TidePoint:
    volume = fields.raw.get("net_volume")
    if not isinstance(volume, int) or isinstance(volume, bool) or abs(volume) >= _NUMBER_END:
        raise fields.drift("net_volume", "a whole number")
    return TidePoint(
        at=fields.moment("timestamp"),
        net_call_premium=fields.money("net_call_premium"),
        net_put_premium=fields.money("net_put_premium"),
        net_volume=volume,
    )
