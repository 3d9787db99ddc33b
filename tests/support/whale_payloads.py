"""Rows as Unusual Whales sends them, with live fields that no document names."""

from __future__ import annotations

from typing import Any


def raw_alert(**changes: Any) -> dict[str, Any]:
    """One flow alert."""
    return {
        "id": "5a6f1c0e-5d6b-4f0e-9d53-0a0a0a0a0a01",
        "rule_id": "r1",
        "alert_rule": "RepeatedHits",
        "ticker": "SPY",
        "option_chain": "SPY260109C00690000",
        "type": "call",
        "created_at": "2026-01-05T15:00:01.354429Z",
        "start_time": 1767625200000,
        "total_premium": "186705",
        "has_sweep": True,
        "sector": None,
        "field_of_tomorrow": {"a": 1},
    } | changes


def raw_print(**changes: Any) -> dict[str, Any]:
    """One dark pool print."""
    return {
        "tracking_id": 71984388012245,
        "ticker": "SPY",
        "executed_at": "2026-01-05T15:00:02Z",
        "price": "689.94",
        "size": 6400,
        "premium": "4415616",
        "canceled": False,
        "trade_settlement": "regular",
    } | changes


def raw_tide(**changes: Any) -> dict[str, Any]:
    """One step of the market tide, stamped in New York."""
    return {
        "timestamp": "2026-01-05T10:00:00-05:00",
        "date": "2026-01-05",
        "net_call_premium": "-29138464.0000",
        "net_put_premium": "23924325.0000",
        "net_volume": -68082,
    } | changes
