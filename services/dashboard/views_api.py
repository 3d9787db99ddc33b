"""Pure: the documents of the HTTP API (CONTRACTS.md section 7). Money stays decimal text."""

from __future__ import annotations

import math
from typing import Any

from services.dashboard.documents import Reading, bot_status_age_s, is_bot_status_fresh
from services.dashboard.tolerant import EMPTY, Row, flag_of, integer_of, rows_of, text_of
from services.dashboard.views_trading import trading_word
from shared.health.judge import Judgement

SCHEMA_VERSION = 1

_FIGURES = (
    "account_id",
    "market_time",
    "is_open",
    "equity",
    "buying_power",
    "day_pnl",
    "total_pnl",
    "win_rate",
    "max_drawdown_pct",
    "peak_equity",
    "coverage_pct",
    "causes",
    "reconcile",
    "feeds",
    "budgets",
    "breakers",
    "gates",
)
"""Figures of the bot's status that the API passes on as they are; null when it has none."""


def finite(value: Any) -> Any:
    """Return the document with NaN and infinities as null: JSON knows neither."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return value


def health_document(judgement: Judgement, *, with_metrics: bool = True) -> dict[str, Any]:
    """Return health.json after the age rule: our own verdict stands over what the file says.

    `with_metrics` false leaves out what services measure, which may be money.
    """
    document = dict(judgement.document) if judgement.document is not None else {}
    document.setdefault("schema_version", SCHEMA_VERSION)
    document.setdefault("services", {})
    document.update(
        overall=str(judgement.overall),
        code=judgement.code,
        reason=judgement.reason,
        next_action=judgement.next_action,
        age_s=None if judgement.age_s is None else round(judgement.age_s, 3),
        standing=str(judgement.standing),
    )
    services = document["services"]
    if not with_metrics and isinstance(services, dict):
        document["services"] = {
            name: {key: fact for key, fact in entry.items() if key != "metrics"}
            for name, entry in services.items()
            if isinstance(entry, dict)
        }
    return finite(document)  # type: ignore[no-any-return]  # a dict stays a dict


def status_document(reading: Reading, judgement: Judgement, configured_mode: str) -> dict[str, Any]:
    """Return the one-look status: mode, money, trading state, limits."""
    status: Row = reading.bot_status or EMPTY
    health: Row = judgement.document or EMPTY
    word = trading_word(reading, judgement)
    document: dict[str, Any] = {key: status.get(key) for key in _FIGURES}
    document.update(
        schema_version=SCHEMA_VERSION,
        overall=str(judgement.overall),
        code=judgement.code,
        reason=judgement.reason,
        mode=text_of(health, "mode", configured_mode),
        chaos_mode=text_of(health, "chaos_mode", "off"),
        balance=status.get("cash"),
        open_positions=len(rows_of(status, "positions")),
        emergency_stop_active=reading.emergency_stop is not None,
        paused=flag_of(status, "paused") is True,
        trading_state=word.state,
        trading_state_cause=word.cause,
        total_trades=integer_of(status, "total_trades"),
        limits=[dict(row) for row in rows_of(status, "limits")],
        numbers_fresh=is_bot_status_fresh(reading),
        numbers_age_s=bot_status_age_s(reading),
    )
    return finite(document)  # type: ignore[no-any-return]  # a dict stays a dict


def rows_document(name: str, rows: tuple[Any, ...], reading: Reading) -> dict[str, Any]:
    """Return a list under its name, with its count and whether the bot's numbers are fresh."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "count": len(rows),
        "numbers_fresh": is_bot_status_fresh(reading),
        name: [dict(row) for row in rows],
    }
    return finite(document)  # type: ignore[no-any-return]  # a dict stays a dict


def incident_documents(judgement: Judgement) -> tuple[Row, ...]:
    """Return the incidents, newest first."""
    return tuple(reversed(rows_of(judgement.document, "incidents")))
