"""The shapes of what stands in the lists of the API's answers: any field may be unknown."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.dashboard.answer_fields import (
    OR_UNKNOWN,
    Amount,
    Count,
    Flag,
    Moment,
    Number,
    ServicePhase,
    ServiceStatus,
    Shape,
    Text,
)


class Position(Shape):
    """One open position, with its protection as the broker confirmed it."""

    symbol: Text = None
    qty: Amount = None
    entry_price: Amount = None
    current_price: Amount = None
    market_value: Amount = None
    unrealized_pnl: Amount = None
    stop_price: Amount = None
    target_price: Amount = None
    stop_confirmed: Flag = None
    strategy: Text = None
    opened_at: Moment = None


class ExternalPosition(Shape):
    """Shares of one symbol that are not the bot's: counted and shown, never traded."""

    symbol: Text = None
    qty: Amount = None
    current_price: Amount = None
    market_value: Amount = None
    protected_qty: Amount = None
    stop_price: Amount = None


class Order(Shape):
    """One order that the bot knows."""

    client_order_id: Text = None
    symbol: Text = None
    side: Text = None
    qty: Amount = None
    filled_qty: Amount = None
    type: Text = None
    role: Text = None
    status: Text = None
    limit_price: Amount = None
    stop_price: Amount = None
    created_at: Moment = None
    reason: Text = None


class CheckTrace(Shape):
    """One check of the guard as it was applied."""

    code: Text = None
    passed: Flag = None
    limit: Text = None
    value: Text = None


class Denial(Shape):
    """One order that the guard refused."""

    at: Moment = None
    symbol: Text = None
    side: Text = None
    qty: Amount = None
    purpose: Text = None
    code: Text = None
    limit_value: Text = None
    value: Text = None
    trace: Annotated[list[CheckTrace] | None, OR_UNKNOWN] = None


class Incident(Shape):
    """One change for the worse of a service."""

    at: Moment = None
    service: Text = None
    before: Annotated[Text, Field(alias="from")] = None
    after: Annotated[Text, Field(alias="to")] = None
    failure_class: Annotated[Text, Field(alias="class")] = None
    reason: Text = None
    recovered_after_s: Number = None
    detected_after_s: Number = None


class EquityPoint(Shape):
    """What the account was worth at one moment."""

    at: Moment = None
    equity: Amount = None
    cash: Amount = None


class Limit(Shape):
    """A limit and its use."""

    name: Text = None
    limit: Amount = None
    used: Amount = None
    used_pct: Number = None


class Service(Shape):
    """One service as the supervisor judged it."""

    status: ServiceStatus = None
    critical: Flag = None
    phase: ServicePhase = None
    since: Moment = None
    reason: Text = None
    pid: Count = None
    started_at: Moment = None
    restarts: Count = None
    failures_in_window: Count = None
    max_failures: Count = None
    window_s: Number = None
    last_beat_at: Moment = None
    progress: Count = None
    cpu_percent: Number = None
    rss_bytes: Count = None
