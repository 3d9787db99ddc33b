"""Pure: the documents of the HTTP API (CONTRACTS.md section 7). Money stays decimal text."""

from __future__ import annotations

import math
from typing import Any

from services.dashboard.documents import Reading, bot_status_age_s, is_bot_status_fresh
from services.dashboard.tolerant import (
    EMPTY,
    Row,
    count_of,
    flag_of,
    known_rows,
    mapping_of,
    rows_of,
    text_of,
)
from services.dashboard.views_external import COVERAGE, KEY, is_adopted
from services.dashboard.views_trading import trading_word
from shared.health.judge import Judgement, Standing
from shared.models.health import Status

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
    COVERAGE,
    "causes",
    "reconcile",
    "feeds",
    "budgets",
    "breakers",
    "gates",
)
"""Figures of the bot's status that the API passes on as they are; null when it has none."""


DEPTH_MAX = 32
"""Deeper than anything that our processes write; what lies below is left out."""


def finite(value: Any, depth: int = 0) -> Any:
    """Return the document as JSON can carry it: NaN and infinities become null, a half
    character a question mark, and what is nested beyond measure null.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if not isinstance(value, dict | list | tuple):
        return value
    if depth > DEPTH_MAX:
        return None
    if isinstance(value, dict):
        return {finite(key): finite(entry, depth + 1) for key, entry in value.items()}
    return [finite(entry, depth + 1) for entry in value]


def health_document(
    judgement: Judgement, reading: Reading, *, with_metrics: bool = True
) -> dict[str, Any]:
    """Return health.json after the age rule: our own verdict stands over what the file says.

    Of a file that has run out no service stays OK. `with_metrics` false leaves out what services
    measure, which may be money.
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
    if judgement.standing is not Standing.FRESH:
        word = trading_word(reading, judgement)
        document.update(trading_state=word.state, trading_state_cause=word.cause)
    services = mapping_of(document, "services")
    document["services"] = {
        name: _service_document(mapping_of(services, name), judgement, with_metrics)
        for name in services
    }
    return finite(document)  # type: ignore[no-any-return]  # a dict stays a dict


def _service_document(entry: Row, judgement: Judgement, with_metrics: bool) -> Row:
    facts = {key: fact for key, fact in entry.items() if with_metrics or key != "metrics"}
    if judgement.standing is Standing.FRESH:
        return facts
    last_word = f"{text_of(entry, 'status', 'UNKNOWN')}: {text_of(entry, 'reason', 'no reason')}"
    reason = f"supervisor silent; its last word was {last_word}"
    return {**facts, "status": str(Status.FAILED), "reason": reason}


def status_document(reading: Reading, judgement: Judgement, configured_mode: str) -> dict[str, Any]:
    """Return the one-look status: mode, money, trading state, limits."""
    status: Row = reading.bot_status or EMPTY
    health: Row = judgement.document or EMPTY
    word = trading_word(reading, judgement)
    positions, limits = known_rows(status, "positions"), known_rows(status, "limits")
    external = known_rows(status, KEY)
    document: dict[str, Any] = {key: status.get(key) for key in _FIGURES}
    document.update(
        schema_version=SCHEMA_VERSION,
        overall=str(judgement.overall),
        code=judgement.code,
        reason=judgement.reason,
        mode=text_of(health, "mode", configured_mode),
        chaos_mode=text_of(health, "chaos_mode", "off"),
        balance=status.get("cash"),
        open_positions=None if positions is None else len(positions),
        external_positions=None if external is None else len(external),
        external_adopted=is_adopted(judgement),
        emergency_stop_active=reading.emergency_stop is not None,
        paused=flag_of(status, "paused"),
        trading_state=word.state,
        trading_state_cause=word.cause,
        total_trades=count_of(status, "total_trades"),
        limits=None if limits is None else [dict(row) for row in limits],
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


def positions_document(reading: Reading) -> dict[str, Any]:
    """Return our positions, and beside them the external shares; null when nobody knows those."""
    status: Row = reading.bot_status or EMPTY
    external = known_rows(status, KEY)
    document = rows_document("positions", rows_of(status, "positions"), reading)
    return {**document, KEY: finite(None if external is None else [*external])}


def incident_documents(judgement: Judgement) -> tuple[Row, ...]:
    """Return the incidents, newest first."""
    return tuple(reversed(rows_of(judgement.document, "incidents")))
