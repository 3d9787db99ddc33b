"""Alpaca's shapes of account, positions, clock and calendar. Pure.

The account is that of September 2026: no field of the day-trader rule that was retired.
"""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal

from services.exchange_sim.account import Worth
from services.exchange_sim.admission import plain
from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.market.port import Session
from services.exchange_sim.naming import asset_id, seeded_uuid
from services.exchange_sim.records import ZERO, AccountRecord, Configuration, SimPosition
from services.exchange_sim.wire import Document, cents, new_york_stamp, stamp
from services.exchange_sim.wire_assets import exchange_of
from shared.models.broker import ClockReading

_RATIO = Decimal("0.000001")
_CASH_ONLY = 1
_REG_T = 2


def account_document(account: AccountRecord, worth: Worth, *, day_trade_fields: bool) -> Document:
    """Return GET /v2/account; `day_trade_fields` brings back what left in July 2026."""
    configuration = account.configuration
    number = seeded_uuid("number", account.account_id).replace("-", "").upper()
    power = cents(worth.buying_power())
    unlevered = cents(min(worth.buying_power(_CASH_ONLY), max(ZERO, account.cash)))
    document: Document = {
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
        "non_marginable_buying_power": unlevered,
        "options_buying_power": unlevered,
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
        "initial_margin": cents(worth.initial_margin),
        "maintenance_margin": cents(worth.maintenance_margin),
        "last_maintenance_margin": cents(account.last_maintenance),
        "sma": "0",
        "multiplier": str(worth.margin_multiplier),
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": configuration.suspend_trade,
        "shorting_enabled": worth.may_short and not configuration.no_shorting,
        "created_at": stamp(account.created_at),
        "balance_asof": account.closed_day or new_york_day(account.created_at).isoformat(),
        "crypto_tier": 0,
        "intraday_adjustments": "0",
        "pending_reg_taf_fees": "0",
    }
    return document | (_day_trade_fields(power) if day_trade_fields else {})


def _day_trade_fields(power: str) -> Document:
    return {
        "pattern_day_trader": False,
        "daytrade_count": 0,
        "daytrading_buying_power": power,
        "bod_dtbp": power,
    }


def configuration_document(configuration: Configuration, *, day_trade_fields: bool) -> Document:
    """Return GET /v2/account/configurations."""
    document = asdict(configuration)
    document["max_margin_multiplier"] = str(configuration.max_margin_multiplier)
    if day_trade_fields:
        document |= {"dtbp_check": "entry", "pdt_check": "entry"}
    return document


def _ratio(part: Decimal, whole: Decimal) -> str:
    return "0" if whole == 0 else plain((part / whole).quantize(_RATIO))


def position_document(
    position: SimPosition, available: Decimal, prices: tuple[Decimal, Decimal]
) -> Document:
    """Return a position; `prices` are the current and the prior close."""
    current, lastday = prices
    value = position.qty * current
    basis = position.cost
    gain = value - basis
    begun = (position.qty - position.today_qty) * lastday + position.today_cost
    today = value - begun
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
        "unrealized_intraday_plpc": _ratio(today, abs(begun)),
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


def calendar_document(session: Session, settles: Session | None) -> Document:
    """Return one day of GET /v2/calendar; trades settle at the next session (T+1, since
    2024-05-28).
    """
    return {
        "date": session.day.isoformat(),
        "open": session.open_text,
        "close": session.close_text,
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": (settles or session).day.isoformat(),
    }
