"""BotState to the payload of trading_state.json and back (CONTRACTS.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from shared.models.json_values import codec_of
from shared.models.order_book import OrderBook
from shared.models.orders import Order
from shared.models.shown import shown
from shared.models.trading_state import BotState

_HINTS = get_type_hints(BotState)
_ORDERS = codec_of(Mapping[str, Order])
_MEMBERS = {
    field.name: _ORDERS if field.name == "orders" else codec_of(_HINTS[field.name])
    for field in fields(BotState)
}
_REQUIRED = ("mode", "account_id", "id_epoch", "positions", "orders", "plans", "pnl")


def state_to_payload(state: BotState) -> dict[str, Any]:
    """Return the state as a dict of JSON values, money as strings, times as ISO 8601."""
    return {name: codec[0](getattr(state, name)) for name, codec in _MEMBERS.items()}


def state_from_payload(payload: object) -> BotState:
    """Rebuild the state; ValueError naming the path of the first thing that does not fit."""
    if not isinstance(payload, dict):
        raise ValueError(f"payload must be an object, not {type(payload).__name__}")
    absent = [name for name in _REQUIRED if name not in payload]
    if absent:
        raise ValueError(f"payload lacks {', '.join(absent)}")
    values = {
        name: codec[1](payload[name], name) for name, codec in _MEMBERS.items() if name in payload
    }
    _check_names({name: one.symbol for name, one in values["positions"].items()})
    _check_names({name: one.client_order_id for name, one in values["orders"].items()})
    values["orders"] = OrderBook(values["orders"].values())
    return BotState(**values)


def _check_names(own_names: Mapping[str, str]) -> None:
    """Raise ValueError for a value that stands under a name which is not its own."""
    for name, own_name in own_names.items():
        if name != own_name:
            raise ValueError(f"{shown(own_name)} stands under the name {shown(name)}")
