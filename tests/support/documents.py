"""Sample documents of the other processes, as the dashboard and the heartbeat read them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.clock import utc_text

NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
BOOT_ID = "00000000-0000-0000-0000-000000000001"
BOOTTIME_S = 2_000.0
SERVICES = ("exchange-sim", "data-daemon", "trading-bot", "dashboard", "heartbeat")
CRITICAL = ("exchange-sim", "data-daemon", "trading-bot")


def stamp(seconds_ago: float = 0.0, now: datetime = NOW) -> str:
    """A UTC stamp that many seconds before now."""
    return utc_text(now - timedelta(seconds=seconds_ago))


def service_entry(name: str, now: datetime = NOW, **changed: Any) -> dict[str, Any]:
    """One healthy service of health.json."""
    entry: dict[str, Any] = {
        "status": "OK",
        "critical": name in CRITICAL,
        "phase": "running",
        "since": stamp(120, now),
        "reason": "running",
        "pid": 4242,
        "started_at": stamp(125, now),
        "restarts": 0,
        "adopted": False,
        "failures_in_window": 0,
        "max_failures": 5,
        "window_s": 600.0,
        "last_beat_at": stamp(0.4, now),
        "progress": 42,
        "last_exit": None,
        "cpu_percent": 0.4,
        "rss_bytes": 48_234_496,
        "metrics": {"turns": 42.0},
    }
    return {**entry, **changed}


def health_document(
    *,
    now: datetime = NOW,
    boot_id: str = BOOT_ID,
    boottime_s: float = BOOTTIME_S,
    services: dict[str, dict[str, Any]] | None = None,
    **changed: Any,
) -> dict[str, Any]:
    """A healthy health.json; `services` replaces facts of single services."""
    changes = services or {}
    document: dict[str, Any] = {
        "schema_version": 1,
        "seq": 1234,
        "written_at": stamp(0, now),
        "valid_until": stamp(-5, now),
        "overall": "OK",
        "code": "OK",
        "reason": "all critical services are OK",
        "next_action": "Nobody needs to act.",
        "mode": "sim",
        "chaos_mode": "off",
        "trading_state": "ACTIVE",
        "trading_state_cause": "none",
        "boot_id": boot_id,
        "boottime_s": boottime_s,
        "supervisor": {"pid": 1, "started_at": stamp(130, now), "version": "0.1.0"},
        "services": {name: service_entry(name, now, **changes.get(name, {})) for name in SERVICES},
        "incidents": [
            {
                "at": stamp(90, now),
                "service": "trading-bot",
                "from": "OK",
                "to": "DEGRADED",
                "class": "TRANSIENT",
                "reason": "ended by signal 9, restarting",
                "recovered_after_s": 1.2,
            }
        ],
    }
    return {**document, **changed}


def health_bytes(**changed: Any) -> bytes:
    """The bytes of a healthy health.json with changes."""
    return json.dumps(health_document(**changed)).encode()


def position(symbol: str = "AAPL", **changed: Any) -> dict[str, Any]:
    """One protected position of bot_status.json."""
    row: dict[str, Any] = {
        "symbol": symbol,
        "qty": "12",
        "entry_price": "187.50",
        "current_price": "189.10",
        "market_value": "2269.20",
        "unrealized_pnl": "19.20",
        "stop_price": "184.20",
        "target_price": "194.10",
        "stop_confirmed": True,
        "strategy": "momentum",
        "opened_at": stamp(600),
    }
    return {**row, **changed}


def order(number: int, status: str = "filled", **changed: Any) -> dict[str, Any]:
    """One order of bot_status.json."""
    row: dict[str, Any] = {
        "client_order_id": f"sht-00000001-momentum-{number:012x}",
        "symbol": "AAPL",
        "side": "buy",
        "qty": "12",
        "filled_qty": "12" if status == "filled" else "0",
        "type": "market",
        "role": "entry",
        "status": status,
        "limit_price": None,
        "stop_price": None,
        "created_at": stamp(600 - number),
        "reason": "momentum 2.1 ATR above its mean",
    }
    return {**row, **changed}


_CONDITION: dict[str, Any] = {
    "coverage_pct": 100.0,
    "external_positions": [],
    "external_coverage_pct": 100.0,
    "unknown_outcomes": 0,
    "limits": [
        {"name": "daily_loss", "limit": "2000.00", "used": "0.00", "used_pct": 0.0},
        {"name": "drawdown", "limit": "10050.00", "used": "67.82", "used_pct": 0.7},
        {"name": "exposure", "limit": "30129.65", "used": "5218.50", "used_pct": 17.3},
        {"name": "open_positions", "limit": "10", "used": "9", "used_pct": 90.0},
    ],
    "feeds": [
        {"name": "alpaca stream", "state": "live", "reason": "", "age_s": 0.8},
        {"name": "flow", "state": "down", "reason": "no token", "age_s": None},
    ],
    "budgets": [],
    "breakers": [],
    "gates": [],
}
"""Coverage, limits, feeds and what else stands beside the account."""


def bot_status(
    *,
    now: datetime = NOW,
    boot_id: str = BOOT_ID,
    boottime_s: float = BOOTTIME_S,
    **changed: Any,
) -> dict[str, Any]:
    """A bot_status.json in the middle of a good day."""
    document: dict[str, Any] = {
        "schema_version": 1,
        "written_at": stamp(0, now),
        "boot_id": boot_id,
        "boottime_s": boottime_s,
        "mode": "sim",
        "account_id": "SIM00000001",
        "market_time": stamp(0, now),
        "is_open": True,
        "equity": "100432.18",
        "cash": "95212.98",
        "last_equity": "100000.00",
        "buying_power": "95212.98",
        "day_pnl": "432.18",
        "total_pnl": "389.50",
        "total_trades": 9,
        "wins": 5,
        "losses": 3,
        "breakeven": 1,
        "win_rate": 0.5556,
        "max_drawdown_pct": 0.0042,
        "peak_equity": "100500.00",
        "trading_state": "ACTIVE",
        "trading_state_cause": "none",
        "causes": [],
        "emergency_stop_active": False,
        "paused": False,
        "positions": [
            position(),
            position("NVDA", qty="30", unrealized_pnl="-14.70", current_price="98.31"),
        ],
        "orders": [
            order(1),
            order(2, "new", role="stop", side="sell", type="stop", stop_price="184.20"),
            order(3, "canceled", role="target", side="sell", type="limit", limit_price="194.10"),
        ],
        **_CONDITION,
        "reconcile": {"at": stamp(20, now), "outcome": "clean", "items": {}},
    }
    return {**document, **changed}


def denial(number: int = 1, **changed: Any) -> dict[str, Any]:
    """One refusal of the guard, with its trace."""
    row: dict[str, Any] = {
        "id": number,
        "at": stamp(30 * number),
        "client_order_id": f"sht-00000001-momentum-{number:012x}",
        "symbol": "TSLA",
        "side": "buy",
        "qty": "40",
        "purpose": "ENTRY",
        "code": "POSITION_SIZE",
        "limit_value": "5021.60",
        "value": "8400.00",
        "trace": [
            {"code": "EMERGENCY_STOP", "passed": True, "limit": "absent", "value": "absent"},
            {"code": "POSITION_SIZE", "passed": False, "limit": "5021.60", "value": "8400.00"},
        ],
    }
    return {**row, **changed}


def trade(number: int = 1, **changed: Any) -> dict[str, Any]:
    """One closed trade of the ledger."""
    row: dict[str, Any] = {
        "trade_key": f"trade-{number}",
        "symbol": "BAC",
        "side": "buy",
        "qty": "107",
        "entry_price": "46.38",
        "exit_price": "46.57",
        "entered_at": stamp(900),
        "exited_at": stamp(300 * number),
        "pnl": "20.33",
        "strategy": "momentum",
        "exit_reason": "target filled",
    }
    return {**row, **changed}


def equity_points(count: int = 240) -> list[dict[str, Any]]:
    """A day of equity: up, a dip, up again; oldest first."""
    points: list[dict[str, Any]] = []
    for index in range(count):
        rise = Decimal(index) * Decimal("1.9")
        dip = Decimal(max(0, 40 - abs(index - 120))) * Decimal("6.5")
        wave = Decimal((index * 37) % 23) * Decimal("1.7")
        points.append(
            {
                "at": stamp((count - index) * 60),
                "equity": str(Decimal("100000.00") + rise - dip + wave),
                "cash": "95000.00",
            }
        )
    return points
