"""What a client sent, read once: JSON body to a typed ticket, or the refusal Alpaca gives.

Clients differ: numbers or strings, unknown fields, `True` as text. Only the form is judged
here; the rules of fields are in order_rules.py, those of books and prices in admission.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from services.exchange_sim.records import ZERO, Refusal
from shared.models.orders import OrderClass, OrderType, Side, TimeInForce

BAD_FORM = 40010001
BAD_ORDER = 42210000
UNPROCESSABLE = 422
CLIENT_ID_CHARACTERS_MAX = 128
NUMBER_MAX = Decimal(1_000_000_000)
"""Shares or dollars; the product of two such numbers keeps its cents in Decimal's 28 digits."""
_FINEST = Decimal("0.000000001")
_INTENTS = frozenset({"buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"})
_SPELLING = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|inf\w*)", re.I)
Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order request whose form is right."""

    symbol: str
    side: Side
    qty: Decimal
    """Zero when `notional` says how much."""
    type: OrderType
    time_in_force: TimeInForce
    order_class: OrderClass
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    client_order_id: str | None = None
    extended_hours: bool = False
    take_profit: Decimal | None = None
    """Limit price of the target leg."""
    stop_loss: Decimal | None = None
    """Stop price of the protective leg."""
    stop_loss_limit: Decimal | None = None
    notional: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    position_intent: str = ""
    """Empty: the broker infers it."""


@dataclass(frozen=True, slots=True)
class Amendment:
    """A PATCH whose form is right; None leaves a field as it is."""

    qty: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    """New dollars or percent, whichever the trailing stop has."""
    time_in_force: TimeInForce | None = None
    client_order_id: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing but the name would change."""
        prices = (self.limit_price, self.stop_price, self.trail)
        return all(value is None for value in (self.qty, self.time_in_force, *prices))


def bad_form(message: str) -> Refusal:
    """Return the refusal of a request that cannot be read."""
    return Refusal(UNPROCESSABLE, BAD_FORM, message)


def bad_order(message: str, **fields: object) -> Refusal:
    """Return the refusal of an order that breaks a rule of the market."""
    return Refusal(UNPROCESSABLE, BAD_ORDER, message, fields)


def flag(value: object) -> bool:
    """Read a boolean as any client spells it."""
    return str(value).lower() in ("true", "1", "yes", "on")


def number(body: Mapping[str, Any], name: str) -> Decimal | None:
    """Read a positive number or numeric string; None when absent or null."""
    value = body.get(name)
    if value is None or value == "":
        return None
    return positive(str(value), name)


def positive(text: str, name: str) -> Decimal:
    """Read a number that the books can compute with; raises Refusal."""
    # Decimal also reads 1_000, blanks around and the digits of every script: Alpaca does not.
    if _SPELLING.fullmatch(text) is None:
        raise bad_form(f"{name} is not a number")
    try:
        result = Decimal(text)
    except InvalidOperation:
        raise bad_form(f"{name} is not a number") from None
    if not result.is_finite() or result <= 0:
        raise bad_form(f"{name} must be > 0")
    if result > NUMBER_MAX:
        raise bad_form(f"{name} must be at most {NUMBER_MAX}")
    if result != result.quantize(_FINEST):
        raise bad_form(f"{name} must have at most 9 decimals")
    return result


def _word(body: Mapping[str, Any], name: str, words: type[Word], default: Word | None) -> Word:
    value = body.get(name)
    if value is None or value == "":
        if default is None:
            raise bad_form(f"{name} is required")
        return default
    try:
        return words(str(value).lower())
    except ValueError:
        raise bad_form(f"invalid {name}: {value}") from None


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_form(f"{name} must be an object")
    return value


def client_id(body: Mapping[str, Any]) -> str | None:
    """Read the client's own id; None when it sent none."""
    value = body.get("client_order_id")
    if value is None or value == "":
        return None
    if len(str(value)) > CLIENT_ID_CHARACTERS_MAX:
        raise bad_form(f"client_order_id must be at most {CLIENT_ID_CHARACTERS_MAX} characters")
    try:
        str(value).encode()
    except UnicodeEncodeError:
        raise bad_form("client_order_id is no text") from None
    return str(value)


def _quantity(body: Mapping[str, Any]) -> tuple[Decimal, Decimal | None]:
    qty, notional = number(body, "qty"), number(body, "notional")
    if qty is not None and notional is not None:
        raise bad_form("only one of qty or notional is accepted")
    if qty is None and notional is None:
        raise bad_form("qty or notional is required")
    return qty or ZERO, notional


def _intent(body: Mapping[str, Any], side: Side) -> str:
    intent = str(body.get("position_intent") or "").lower()
    if intent and intent not in _INTENTS:
        raise bad_form(f"invalid position_intent: {intent}")
    if intent and not intent.startswith(side.value):
        raise bad_form(f"position_intent {intent} does not match side {side.value}")
    return intent


def read_ticket(body: Mapping[str, Any]) -> Ticket:
    """Return the ticket of a POST body; raises Refusal naming the first fault."""
    symbol = str(body.get("symbol") or "").upper()
    if not symbol:
        raise bad_form("symbol is required")
    target, stop = _part(body, "take_profit"), _part(body, "stop_loss")
    qty, notional = _quantity(body)
    side = _word(body, "side", Side, None)
    return Ticket(
        symbol=symbol,
        side=side,
        qty=qty,
        notional=notional,
        trail_price=number(body, "trail_price"),
        trail_percent=number(body, "trail_percent"),
        position_intent=_intent(body, side),
        type=_word(body, "type", OrderType, None),
        time_in_force=_word(body, "time_in_force", TimeInForce, None),
        order_class=_word(body, "order_class", OrderClass, OrderClass.SIMPLE),
        limit_price=number(body, "limit_price"),
        stop_price=number(body, "stop_price"),
        client_order_id=client_id(body),
        extended_hours=flag(body.get("extended_hours")),
        take_profit=number(target, "limit_price"),
        stop_loss=number(stop, "stop_price"),
        stop_loss_limit=number(stop, "limit_price"),
    )


def read_amendment(body: Mapping[str, Any]) -> Amendment:
    """Return what a PATCH body changes; raises Refusal naming the first fault."""
    tif = body.get("time_in_force")
    return Amendment(
        qty=number(body, "qty"),
        limit_price=number(body, "limit_price"),
        stop_price=number(body, "stop_price"),
        trail=number(body, "trail"),
        time_in_force=_word(body, "time_in_force", TimeInForce, None) if tif else None,
        client_order_id=client_id(body),
    )
