"""BotState to the payload of trading_state.json and back (CONTRACTS.md section 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

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
_ITEMS: dict[str, Callable[[Any], Any]] = {
    name: codec_of(kind)[0]
    for name, hint in (_HINTS | {"orders": Mapping[str, Order]}).items()
    for kind in get_args(hint)
    if is_dataclass(kind) and name in _MEMBERS and type(None) not in get_args(hint)
}
"""How one item of a member that holds many records is encoded."""
_REQUIRED = ("mode", "account_id", "id_epoch", "positions", "orders", "plans", "pnl")


def state_to_payload(state: BotState) -> dict[str, Any]:
    """Return the state as a dict of JSON values, money as strings, times as ISO 8601."""
    return StateEncoder().payload(state)


class StateEncoder:
    """Encodes one state after the other: a record that is still the same is not encoded again.

    What it returns shares those records with earlier payloads, so nobody may change them.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, Any]] = {}
        """The records of the state before, by identity; they are held, so none is another's."""

    def payload(self, state: BotState) -> dict[str, Any]:
        """Return what `state_to_payload` returns."""
        known, self._known = self._known, {}

        def once(name: str, record: object) -> object:
            found = known.get(id(record)) or (record, _ITEMS[name](record))
            self._known[id(record)] = found
            return found[1]

        def encoded(name: str, value: Any) -> Any:
            if name not in _ITEMS:
                return _MEMBERS[name][0](value)
            if isinstance(value, Mapping):
                return {key: once(name, record) for key, record in value.items()}
            return [once(name, record) for record in value]

        return {name: encoded(name, getattr(state, name)) for name in _MEMBERS}


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
