"""The shapes of the API's answers. Each answer is made through its shape and the published schema
is made of the same shapes, so that what we promise is what we send. Only what our own views
always set is required.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, Strict

from services.dashboard.answer_fields import (
    OR_UNKNOWN,
    Amount,
    Count,
    Flag,
    Moment,
    Names,
    Number,
    ServicePhase,
    ServiceStatus,
    Shape,
    Text,
)
from shared.health.judge import Standing
from shared.models.commands import CommandOutcome
from shared.models.health import HealthCode, Status


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


class Versioned(Shape):
    """What every document begins with."""

    schema_version: Count = None


class Health(Versioned):
    """health.json after the age rule: our verdict stands over what the file says."""

    overall: Annotated[Status, Strict(False)]
    code: Annotated[HealthCode, Strict(False)]
    reason: str
    next_action: str
    age_s: Number
    standing: Annotated[Standing, Strict(False)]
    mode: Text = None
    chaos_mode: Text = None
    trading_state: Text = None
    trading_state_cause: Text = None
    services: dict[str, Service]
    incidents: Annotated[list[Incident] | None, OR_UNKNOWN] = None


class Ready(Shape):
    """The verdict in the words of the draft for health answers: pass, warn or fail."""

    status: str
    output: str


class SystemStatus(Versioned):
    """Mode, money, trading state and limits in one document."""

    overall: Annotated[Status, Strict(False)]
    code: Annotated[HealthCode, Strict(False)]
    reason: str
    mode: str
    chaos_mode: str
    account_id: Text
    balance: Amount
    equity: Amount
    buying_power: Amount
    day_pnl: Amount
    total_pnl: Amount
    peak_equity: Amount
    open_positions: Count
    total_trades: Count
    win_rate: Number
    max_drawdown_pct: Number
    coverage_pct: Number
    emergency_stop_active: bool
    paused: Flag
    trading_state: str
    trading_state_cause: str
    market_time: Moment
    is_open: Flag
    limits: Annotated[list[Limit] | None, OR_UNKNOWN]
    causes: Names
    feeds: Names
    budgets: Names
    breakers: Names
    gates: Names
    numbers_fresh: bool
    numbers_age_s: Number


class Rows(Versioned):
    """A whole list; one that could not be read is an error, never an empty list."""

    count: int
    numbers_fresh: bool


class Positions(Rows):
    """The open positions."""

    positions: list[Position]


class Orders(Rows):
    """Working and recent orders."""

    orders: list[Order]


class Rejections(Rows):
    """What the guard refused, newest first."""

    rejections: list[Denial]


class Incidents(Rows):
    """Flips of services, newest first."""

    incidents: list[Incident]


class Equity(Rows):
    """The equity points, oldest first."""

    equity: list[EquityPoint]


class LogLines(Shape):
    """The last lines of a log, oldest first."""

    service: str
    lines: list[dict[str, Any]]


class Outcome(Shape):
    """How a command ended."""

    outcome: Annotated[CommandOutcome, Strict(False)]
    detail: str
    id: Text = None


class Closed(Outcome):
    """How a close ended, with its numbers once it is done."""

    symbol: Text = None
    qty: Amount = None
    entry_price: Amount = None
    close_price: Amount = None
    realized_pnl: Amount = None
    reason: Text = None
    closed_at: Moment = None
    order_id: Text = None


class ServiceOutcome(Shape):
    """How an order to one service ended: done, refused, failed, or asked for ourselves."""

    outcome: str
    detail: str


class FieldProblem(Shape):
    """One wrong field."""

    field: str
    problem: str


class Problem(Shape):
    """Why a request was not served."""

    error: str
    message: str
    fields: list[FieldProblem] | None = None
