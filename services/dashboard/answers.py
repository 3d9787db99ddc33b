"""The shapes of the API's answers. Each answer is made through its shape and the published schema
is made of the same shapes, so that what we promise is what we send. Only what our own views
always set is required.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Strict

from services.dashboard.answer_fields import (
    OR_UNKNOWN,
    Amount,
    Count,
    Flag,
    Moment,
    Names,
    Number,
    Shape,
    Text,
)
from services.dashboard.answer_rows import (
    Denial,
    EquityPoint,
    ExternalPosition,
    Incident,
    Limit,
    Order,
    Position,
    Service,
)
from shared.health.judge import Standing
from shared.models.commands import CommandOutcome
from shared.models.health import HealthCode, Status


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
    external_positions: Count
    external_coverage_pct: Number
    external_adopted: Flag
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
    """The open positions, and beside them what is external; null when nobody knows of it."""

    positions: list[Position]
    external_positions: Annotated[list[ExternalPosition] | None, OR_UNKNOWN] = None


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
