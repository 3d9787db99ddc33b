"""Pure: documents and a judgement become the values that the page and the API show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.dashboard import chart, formats
from services.dashboard.documents import EmergencyStop, Reading, problem_sentences
from services.dashboard.gaps import page_gaps
from services.dashboard.tolerant import EMPTY, Row, flag_of, moment_of, text_of
from services.dashboard.views_drills import (
    OFF,
    ChaosView,
    DrillRow,
    chaos_view,
    drill_rows,
)
from services.dashboard.views_external import ExternalRow, external_rows, external_view
from services.dashboard.views_machine import (
    BreakerRow,
    BudgetRow,
    GateRow,
    StrategyRow,
    breaker_rows,
    budget_rows,
    gate_rows,
    strategy_rows,
)
from services.dashboard.views_money import (
    AccountView,
    FeedRow,
    LimitRow,
    PositionRow,
    account_view,
    feed_rows,
    limit_rows,
    position_rows,
)
from services.dashboard.views_protection import ProtectionView, protection_view
from services.dashboard.views_records import (
    DenialRow,
    OrderRow,
    TradeRow,
    denial_rows,
    order_rows,
    trade_rows,
)
from services.dashboard.views_services import (
    IncidentRow,
    ServiceRow,
    SupervisorView,
    incident_rows,
    service_rows,
    supervisor_view,
)
from services.dashboard.views_verdict import CauseRow, VerdictView, cause_rows, verdict_view
from shared.health.judge import Judgement


@dataclass(frozen=True, slots=True)
class PageView:
    """Everything on the page. `problems` are sources that could not be read."""

    verdict: VerdictView
    causes: tuple[CauseRow, ...]
    chaos_mode: str
    chaos: ChaosView | None
    emergency_stop: EmergencyStop | None
    paused: bool
    account: AccountView
    protection: ProtectionView
    curve: chart.Curve
    services: tuple[ServiceRow, ...]
    supervisor: SupervisorView
    positions: tuple[PositionRow, ...]
    externals: tuple[ExternalRow, ...]
    orders: tuple[OrderRow, ...]
    trades: tuple[TradeRow, ...]
    denials: tuple[DenialRow, ...]
    gates: tuple[GateRow, ...]
    incidents: tuple[IncidentRow, ...]
    limits: tuple[LimitRow, ...]
    feeds: tuple[FeedRow, ...]
    budgets: tuple[BudgetRow, ...]
    breakers: tuple[BreakerRow, ...]
    strategies: tuple[StrategyRow, ...]
    drills: tuple[DrillRow, ...]
    problems: tuple[str, ...]
    gaps: Mapping[str, str]
    """Section to why its list is unknown; empty where an empty list is the truth."""
    read_at: str


def page_view(reading: Reading, judgement: Judgement, configured_mode: str) -> PageView:
    """Return the page of one reading; `configured_mode` shows while health.json is unreadable."""
    health: Row = judgement.document if judgement.document is not None else EMPTY
    status: Row = reading.bot_status if reading.bot_status is not None else EMPTY
    # Orders, trades and denials are stamped in market time, which may be another day than ours.
    market_now = moment_of(status, "market_time") or reading.at
    return PageView(
        verdict=verdict_view(reading, judgement, configured_mode),
        causes=cause_rows(reading),
        chaos_mode=text_of(health, "chaos_mode", OFF),
        chaos=chaos_view(health, reading.chaos, reading.at),
        emergency_stop=_stop_view(reading),
        paused=flag_of(status, "paused") is True,
        account=account_view(reading),
        protection=protection_view(reading, external_view(reading, judgement), market_now),
        curve=chart.curve(reading.equity),
        services=service_rows(health, judgement, reading.at),
        supervisor=supervisor_view(health, reading.at),
        positions=position_rows(reading),
        externals=external_rows(reading, judgement),
        orders=order_rows(status, market_now),
        trades=trade_rows(reading.trades, market_now),
        denials=denial_rows(reading.denials, market_now),
        gates=gate_rows(reading, market_now),
        incidents=incident_rows(health, reading.at),
        limits=limit_rows(reading),
        feeds=feed_rows(reading),
        budgets=budget_rows(reading, judgement),
        breakers=breaker_rows(reading, judgement),
        strategies=strategy_rows(reading),
        drills=drill_rows(reading.drills, reading.at),
        problems=problem_sentences(reading),
        gaps=page_gaps(reading, judgement),
        read_at=formats.clock_text(reading.at),
    )


def _stop_view(reading: Reading) -> EmergencyStop | None:
    """The stop with its moment as people read it; as it was written where it is none."""
    stop = reading.emergency_stop
    moment = None if stop is None else moment_of({"at": stop.at}, "at")
    if stop is None or moment is None:
        return stop
    return replace(stop, at=formats.clock_text(moment, reading.at))
