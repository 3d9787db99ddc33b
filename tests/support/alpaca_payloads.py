"""Raw JSON as Alpaca writes it, for contract tests and scripted servers."""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]


def raw_account(**changes: Any) -> Raw:
    """The fields of GET /v2/account that we use, and some that we do not."""
    return {
        "id": "a521e182-fe1d-4cf1-959e-5cfaef084602",
        "status": "ACTIVE",
        "equity": "100000.5",
        "last_equity": "99000",
        "cash": "90000",
        "buying_power": "200000",
        "trading_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "currency": "USD",
        "multiplier": "4",
    } | changes


def raw_position(**changes: Any) -> Raw:
    """One long position."""
    return {
        "symbol": "SPY",
        "qty": "10",
        "side": "long",
        "avg_entry_price": "500.25",
        "current_price": "501",
        "market_value": "5010",
        "asset_class": "us_equity",
        "qty_available": "0",
    } | changes


def raw_order(**changes: Any) -> Raw:
    """One simple limit order of ours."""
    return {
        "id": "904837e3-3b76-47ec-b432-046db621571b",
        "client_order_id": "sht-h5salyam-momentum-0123456789ab",
        "symbol": "SPY",
        "side": "buy",
        "qty": "10",
        "filled_qty": "0",
        "filled_avg_price": None,
        "type": "limit",
        "order_class": "",
        "time_in_force": "gtc",
        "status": "new",
        "limit_price": "500.25",
        "stop_price": None,
        "created_at": "2026-01-05T14:30:01.123456789Z",
        "submitted_at": "2026-01-05T14:30:01.2Z",
        "updated_at": "2026-01-05T14:30:01.3Z",
        "filled_at": None,
        "expires_at": "2026-04-05T20:00:00Z",
        "replaced_by": None,
        "replaces": None,
        "legs": None,
        "asset_class": "us_equity",
        "source": "access_key",
    } | changes


def raw_bracket(**changes: Any) -> Raw:
    """A bracket with both legs, whose client ids are random as at the broker."""
    target = raw_order(
        id="11111111-0000-4000-8000-000000000001",
        client_order_id="f6a8b5a2-random",
        side="sell",
        limit_price="520",
        order_class="bracket",
    )
    stop = raw_order(
        id="11111111-0000-4000-8000-000000000002",
        client_order_id="c0ffee00-random",
        side="sell",
        type="stop",
        status="held",
        limit_price=None,
        stop_price="490",
        order_class="bracket",
    )
    return raw_order(order_class="bracket", legs=[target, stop]) | changes


def raw_fill(**changes: Any) -> Raw:
    """One FILL activity."""
    return {
        "id": "20260105143001123::8efc7b9a",
        "activity_type": "FILL",
        "order_id": "904837e3-3b76-47ec-b432-046db621571b",
        "symbol": "SPY",
        "side": "buy",
        "qty": "4",
        "cum_qty": "7",
        "price": "500.1",
        "transaction_time": "2026-01-05T14:30:02Z",
        "type": "partial_fill",
        "leaves_qty": "3",
    } | changes


def raw_clock(**changes: Any) -> Raw:
    """The broker's clock inside a session."""
    return {
        "timestamp": "2026-01-05T09:31:00.5-05:00",
        "is_open": True,
        "next_open": "2026-01-06T09:30:00-05:00",
        "next_close": "2026-01-05T16:00:00-05:00",
    } | changes


def raw_calendar_day(**changes: Any) -> Raw:
    """A half day of the broker's calendar."""
    return {
        "date": "2026-11-27",
        "open": "09:30",
        "close": "13:00",
        "session_open": "0400",
        "session_close": "1700",
        "settlement_date": "2026-11-30",
    } | changes


def raw_asset(**changes: Any) -> Raw:
    """One asset, without the fields that leave the API in 2026."""
    return {
        "symbol": "SPY",
        "class": "us_equity",
        "tradable": True,
        "fractionable": True,
        "shortable": True,
        "status": "active",
    } | changes


def raw_bar(**changes: Any) -> Raw:
    """One bar."""
    return {
        "t": "2026-01-05T14:30:00Z",
        "o": 10.1,
        "h": 10.4,
        "l": 10,
        "c": 10.25,
        "v": 1200,
        "n": 10,
        "vw": 10.2,
    } | changes


def raw_quote(**changes: Any) -> Raw:
    """One quote."""
    return {"t": "2026-01-05T14:30:59Z", "bp": 10.2, "ap": 10.3, "bs": 3, "as": 4} | changes


def raw_trade_update(**changes: Any) -> Raw:
    """One fill of the trade_updates stream."""
    return {
        "event": "fill",
        "timestamp": "2026-01-05T14:30:02Z",
        "price": "500.1",
        "qty": "10",
        "position_qty": "10",
        "execution_id": "e-1",
        "order": raw_order(status="filled", filled_qty="10", filled_avg_price="500.1"),
    } | changes
