"""Alpaca's shapes of account, positions, clock, calendar and assets. Pure.

The account is that of September 2026: no field of the day-trader rule that was retired.
"""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal

from services.exchange_sim.account import INITIAL_MARGIN, MAINTENANCE_LONG, Worth
from services.exchange_sim.admission import plain
from services.exchange_sim.market.calendar import NEW_YORK
from services.exchange_sim.market.port import Session
from services.exchange_sim.naming import asset_id, seeded_uuid
from services.exchange_sim.records import ZERO, AccountRecord, Configuration, SimPosition
from services.exchange_sim.wire import Document, cents, new_york_stamp, stamp
from shared.models.broker import ClockReading

_RATIO = Decimal("0.000001")
_CASH_ONLY = 1
_REG_T = 2
_ETFS = frozenset(
    {"SPY", "QQQ", "IWM", "EEM", "GLD", "SLV", "VOO", "VXXB", "XLP", "TZA", "SHY", "PPLT", "UGA"}
)


def account_document(account: AccountRecord, worth: Worth) -> Document:
    """Return GET /v2/account."""
    suspended = account.configuration.suspend_trade
    maintenance = worth.gross * MAINTENANCE_LONG
    number = seeded_uuid("number", account.account_id).replace("-", "").upper()
    power = cents(worth.buying_power())
    return {
        "id": account.account_id,
        "admin_configurations": {},
        "user_configurations": None,
        "account_number": f"PA{number[:10]}",
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "buying_power": power,
        "regt_buying_power": cents(worth.buying_power(min(_REG_T, worth.margin_multiplier))),
        "effective_buying_power": power,
        "non_marginable_buying_power": cents(worth.buying_power(_CASH_ONLY)),
        "options_buying_power": cents(worth.buying_power(_CASH_ONLY)),
        "options_approved_level": 0,
        "options_trading_level": 0,
        "cash": cents(account.cash),
        "accrued_fees": "0",
        "pending_transfer_in": "0",
        "portfolio_value": cents(worth.equity),
        "equity": cents(worth.equity),
        "last_equity": cents(account.last_equity),
        "position_market_value": cents(worth.long_value + worth.short_value),
        "long_market_value": cents(worth.long_value),
        "short_market_value": cents(worth.short_value),
        "initial_margin": cents(worth.gross * INITIAL_MARGIN),
        "maintenance_margin": cents(maintenance),
        "last_maintenance_margin": cents(maintenance),
        "sma": "0",
        "multiplier": str(worth.margin_multiplier),
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": suspended,
        "shorting_enabled": not account.configuration.no_shorting,
        "created_at": stamp(account.created_at),
        "balance_asof": account.now.astimezone(NEW_YORK).date().isoformat(),
        "crypto_tier": 0,
        "intraday_adjustments": "0",
        "pending_reg_taf_fees": "0",
    }


def configuration_document(configuration: Configuration) -> Document:
    """Return GET /v2/account/configurations."""
    document = asdict(configuration)
    document["max_margin_multiplier"] = str(configuration.max_margin_multiplier)
    document["max_options_trading_level"] = None
    return document


def _ratio(part: Decimal, whole: Decimal) -> str:
    return "0" if whole == 0 else plain((part / whole).quantize(_RATIO))


def position_document(
    position: SimPosition, available: Decimal, prices: tuple[Decimal, Decimal]
) -> Document:
    """Return a position; `prices` are the current and the prior close."""
    current, lastday = prices
    value = position.qty * current
    basis = position.qty * position.avg_entry_price
    gain = value - basis
    today = position.qty * (current - lastday)
    return {
        "asset_id": asset_id(position.symbol),
        "symbol": position.symbol,
        "exchange": exchange_of(position.symbol),
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": plain(position.qty),
        "qty_available": plain(available),
        "avg_entry_price": plain(position.avg_entry_price),
        "side": "long" if position.qty > 0 else "short",
        "market_value": plain(value),
        "cost_basis": plain(basis),
        "unrealized_pl": plain(gain),
        "unrealized_plpc": _ratio(gain, abs(basis)),
        "unrealized_intraday_pl": plain(today),
        "unrealized_intraday_plpc": _ratio(today, abs(position.qty * lastday)),
        "current_price": plain(current),
        "lastday_price": plain(lastday),
        "change_today": _ratio(current - lastday, lastday),
    }


def clock_document(reading: ClockReading) -> Document:
    """Return GET /v2/clock."""
    return {
        "timestamp": new_york_stamp(reading.now),
        "is_open": reading.is_open,
        "next_open": new_york_stamp(reading.next_open),
        "next_close": new_york_stamp(reading.next_close),
    }


def calendar_document(session: Session) -> Document:
    """Return one day of GET /v2/calendar."""
    return {
        "date": session.day.isoformat(),
        "open": session.open_text,
        "close": session.close_text,
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": session.day.isoformat(),
    }


def exchange_of(symbol: str) -> str:
    """Return where the symbol is listed, near enough for a simulation."""
    return "ARCA" if symbol in _ETFS else "NASDAQ"


def asset_document(symbol: str) -> Document:
    """Return one asset, with the fields that leave in September 2026 and their successors."""
    return {
        "id": asset_id(symbol),
        "class": "us_equity",
        "exchange": exchange_of(symbol),
        "symbol": symbol,
        "name": f"{symbol} (simulated)",
        "status": "active",
        "tradable": True,
        "marginable": True,
        "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30",
        "margin_requirement_short": "30",
        "shortable": True,
        "easy_to_borrow": True,
        "borrow_status": "easy_to_borrow",
        "fractionable": True,
        "attributes": ["fractional_eh_enabled"],
    }


def history_document(days: list[tuple[int, Decimal]], base: Decimal) -> Document:
    """Return the portfolio history by day: epoch seconds and equity of each close."""
    gains = [equity - base for _, equity in days]
    return {
        "timestamp": [at for at, _ in days],
        "equity": [float(equity) for _, equity in days],
        "profit_loss": [float(gain) for gain in gains],
        "profit_loss_pct": [float(gain / base) if base > ZERO else 0.0 for gain in gains],
        "base_value": float(base),
        "timeframe": "1D",
    }
