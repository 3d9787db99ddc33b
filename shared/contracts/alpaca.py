"""What Alpaca's trading API promises of account, positions, clock and assets.

Each function takes decoded JSON (texts and numbers as they came) and returns a value of
shared.models, or raises SchemaDrift. Checked is what we use: presence, type, range, and the
relations between fields; extra fields pass.
"""

from __future__ import annotations

from decimal import Decimal

from shared.contracts.drift import broken
from shared.contracts.fields import Fields, as_list
from shared.contracts.growth import GROWTH
from shared.models.broker import Asset, ClockReading
from shared.models.numbers import decimal_of
from shared.models.portfolio import Account, BrokerPosition, Position

_ZERO = Decimal(0)
VALUE_TOLERANCE = Decimal("0.02")
"""market_value may differ from qty x price by this share: both move while being read."""


def read_account(raw: object) -> Account:
    """Return the account of GET /v2/account."""
    fields = Fields(raw, "account")
    GROWTH.see("account", fields.raw)
    return Account(
        account_id=fields.text("id"),
        status=fields.text("status"),
        equity=fields.money("equity"),
        last_equity=fields.money("last_equity"),
        cash=fields.money("cash"),
        buying_power=fields.money_from("buying_power", _ZERO),
        trading_blocked=fields.flag("trading_blocked"),
        account_blocked=fields.flag("account_blocked"),
        trade_suspended=fields.flag("trade_suspended_by_user"),
    )


def read_position(raw: object, path: str = "position") -> BrokerPosition:
    """Return one open position; `side`, `qty` and `market_value` must agree."""
    fields = Fields(raw, path)
    GROWTH.see("position", fields.raw)
    qty = fields.money("qty")
    if qty == 0:
        raise fields.drift("qty", "a decimal that is not 0")
    side = fields.text("side")
    if side != ("long" if qty > 0 else "short"):
        raise fields.drift("side", f"long or short as qty {qty} says")
    price = fields.optional_money_above("current_price", _ZERO)
    if price is not None and fields.raw.get("market_value") is not None:
        value = fields.money("market_value")
        if abs(value - qty * price) > abs(qty * price) * VALUE_TOLERANCE:
            raise fields.drift("market_value", f"about qty x current_price, {qty * price}")
    return BrokerPosition(
        symbol=fields.text("symbol"),
        qty=qty,
        entry_price=fields.money_from("avg_entry_price", _ZERO),
        current_price=price,
        available_qty=_available(fields, qty),
    )


def _available(fields: Fields, qty: Decimal) -> Decimal | None:
    """Return the shares that no order holds, None when they are not told or make no sense: only
    external shares are judged by them, and no position is lost for their sake.
    """
    try:
        free = decimal_of(fields.raw.get("qty_available"), "qty_available")
    except ValueError:
        return None
    return free if free * qty >= 0 and abs(free) <= abs(qty) else None


def read_positions(raw: object) -> tuple[Position, ...]:
    """Return every position of GET /v2/positions; one broken row breaks the whole read,
    because a missing position is a wrong exposure.
    """
    rows = as_list(raw, "positions")
    positions = tuple(read_position(row, f"positions[{i}]") for i, row in enumerate(rows))
    symbols = [position.symbol for position in positions]
    if len(set(symbols)) != len(symbols):
        raise broken("positions", "each symbol once", raw)
    return positions


def read_clock(raw: object) -> ClockReading:
    """Return the broker's clock of GET /v2/clock, in UTC."""
    fields = Fields(raw, "clock")
    GROWTH.see("clock", fields.raw)
    reading = ClockReading(
        now=fields.moment("timestamp"),
        is_open=fields.flag("is_open"),
        next_open=fields.moment("next_open"),
        next_close=fields.moment("next_close"),
    )
    if reading.is_open is not (reading.next_close <= reading.next_open):
        word = "before" if reading.is_open else "after"
        raise fields.drift("next_close", f"a moment {word} next_open, as is_open says")
    return reading


def read_asset(raw: object) -> Asset:
    """Return one asset; only what the guard asks is required, since assets change often."""
    fields = Fields(raw, "asset")
    return Asset(
        symbol=fields.text("symbol"),
        asset_class=fields.text("class"),
        tradable=fields.flag("tradable"),
        fractionable=fields.flag("fractionable"),
        shortable=fields.flag("shortable"),
    )


def read_no_shorting(raw: object) -> bool:
    """Return whether the account's configuration forbids shorting."""
    return Fields(raw, "configurations").flag("no_shorting")
