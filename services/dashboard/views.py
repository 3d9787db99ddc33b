"""Pure: documents and a judgement become the values that the page and the API show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.dashboard import chart, formats
from services.dashboard.documents import EmergencyStop, Reading
from services.dashboard.gaps import page_gaps
from services.dashboard.tolerant import (
    EMPTY,
    Row,
    flag_of,
    integer_of,
    mapping_of,
    moment_of,
    number_of,
    rows_of,
    text_of,
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
from services.dashboard.views_records import (
    DenialRow,
    OrderRow,
    TradeRow,
    denial_rows,
    order_rows,
    trade_rows,
)
from services.dashboard.views_trading import trading_word
from shared.health.judge import Judgement, Standing

TONES = {"OK": "ok", "DEGRADED": "warn", "FAILED": "bad"}
"""Colour and shape of a status word; an unknown word is as bad as FAILED."""

TRADING_TONES = {"ACTIVE": "ok", "REDUCING": "warn", "HALTED": "bad"}

INCIDENTS_SHOWN_MAX = 50


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The one glance: word, shape and colour, since, cause and next action."""

    word: str
    code: str
    tone: str
    reason: str
    next_action: str
    since: str
    age: str
    mode: str
    trading_state: str
    trading_tone: str
    trading_state_cause: str


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One supervised process."""

    name: str
    critical: bool
    status: str
    tone: str
    phase: str
    since: str
    reason: str
    pid: str
    restarts: str
    failures: str
    beat_age: str
    progress: str
    memory: str
    cpu: str
    last_exit: str
    parked: bool


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One flip of a service's health."""

    at: str
    service: str
    change: str
    tone: str
    failure_class: str
    reason: str
    recovered: str


@dataclass(frozen=True, slots=True)
class PageView:
    """Everything on the page. `problems` are sources that could not be read."""

    verdict: VerdictView
    chaos_mode: str
    emergency_stop: EmergencyStop | None
    paused: bool
    account: AccountView
    curve: chart.Curve
    services: tuple[ServiceRow, ...]
    positions: tuple[PositionRow, ...]
    orders: tuple[OrderRow, ...]
    trades: tuple[TradeRow, ...]
    denials: tuple[DenialRow, ...]
    incidents: tuple[IncidentRow, ...]
    limits: tuple[LimitRow, ...]
    feeds: tuple[FeedRow, ...]
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
        verdict=_verdict(reading, judgement, health, configured_mode),
        chaos_mode=text_of(health, "chaos_mode", "off"),
        emergency_stop=reading.emergency_stop,
        paused=flag_of(status, "paused") is True,
        account=account_view(reading),
        curve=chart.curve(reading.equity),
        services=service_rows(health, judgement, reading.at),
        positions=position_rows(reading),
        orders=order_rows(status, market_now),
        trades=trade_rows(reading.trades, market_now),
        denials=denial_rows(reading.denials, market_now),
        incidents=incident_rows(health, reading.at),
        limits=limit_rows(status),
        feeds=feed_rows(reading),
        problems=tuple(f"{name}: {why}" for name, why in sorted(reading.problems.items())),
        gaps=page_gaps(reading, judgement),
        read_at=formats.clock_text(reading.at),
    )


def _verdict(
    reading: Reading, judgement: Judgement, health: Row, configured_mode: str
) -> VerdictView:
    word = trading_word(reading, judgement)
    return VerdictView(
        word=str(judgement.overall),
        code=judgement.code,
        tone=TONES.get(judgement.overall, "bad"),
        reason=judgement.reason,
        next_action=judgement.next_action,
        since=formats.clock_text(_since(judgement, health), reading.at),
        age=formats.duration(judgement.age_s),
        mode=text_of(health, "mode", configured_mode),
        trading_state=word.state,
        trading_tone=TRADING_TONES.get(word.state, "bad"),
        trading_state_cause=word.cause,
    )


def _since(judgement: Judgement, health: Row) -> datetime | None:
    """When the verdict began: the first bad service's moment, or the last one's to become good.

    A verdict that the document does not give itself (silent supervisor) began when the document
    ran out.
    """
    if judgement.standing is not Standing.FRESH:
        return moment_of(health, "valid_until")
    rows = [row for row in mapping_of(health, "services").values() if isinstance(row, dict)]
    bad = [moment_of(row, "since") for row in rows if text_of(row, "status") != "OK"]
    good = [moment_of(row, "since") for row in rows if text_of(row, "status") == "OK"]
    if judgement.overall == "OK":
        return max((moment for moment in good if moment), default=None)
    return min((moment for moment in bad if moment), default=moment_of(health, "written_at"))


def service_rows(health: Row, judgement: Judgement, now: datetime) -> tuple[ServiceRow, ...]:
    """Return the services table; with a stale document every status reads UNKNOWN."""
    stale = judgement.standing is not Standing.FRESH
    services = mapping_of(health, "services")
    rows: list[ServiceRow] = []
    for name in services:
        entry = mapping_of(services, name)
        status = "UNKNOWN" if stale else text_of(entry, "status", "UNKNOWN")
        phase = text_of(entry, "phase", formats.NOTHING)
        rows.append(
            ServiceRow(
                name=str(name),
                critical=flag_of(entry, "critical") is True,
                status=status,
                tone=TONES.get(status, "bad"),
                phase=f"was {phase}" if stale else phase,
                since=formats.clock_text(moment_of(entry, "since"), now),
                reason=text_of(entry, "reason"),
                pid=text_of(entry, "pid", formats.NOTHING),
                restarts=text_of(entry, "restarts", "0"),
                failures=_failures(entry),
                beat_age=formats.duration(beat_age_s(entry, health, judgement.age_s)),
                progress=text_of(entry, "progress", formats.NOTHING),
                memory=formats.size(number_of(entry, "rss_bytes")),
                cpu=_cpu(entry),
                last_exit=_last_exit(entry),
                parked=text_of(entry, "phase") == "parked",
            )
        )
    return tuple(rows)


def beat_age_s(entry: Row, health: Row, document_age_s: float | None) -> float | None:
    """Return the seconds since the service's last beat: its age when the document was written,
    and the document's own age on top.
    """
    beat, written = moment_of(entry, "last_beat_at"), moment_of(health, "written_at")
    if beat is None or written is None or document_age_s is None:
        return None
    return max(timedelta(0), written - beat).total_seconds() + document_age_s


def _failures(entry: Row) -> str:
    """`2/5 in 10 min`: deaths in the sliding window against N and M."""
    window_s = number_of(entry, "window_s")
    return (
        f"{integer_of(entry, 'failures_in_window')}/{integer_of(entry, 'max_failures')}"
        f" in {formats.duration(None if window_s is None else float(window_s))}"
    )


def _cpu(entry: Row) -> str:
    number = number_of(entry, "cpu_percent")
    return formats.NOTHING if number is None else f"{number:.1f} %"


def _last_exit(entry: Row) -> str:
    last = mapping_of(entry, "last_exit")
    if not last:
        return formats.NOTHING
    how = text_of(last, "code")
    signal = text_of(last, "signal")
    how = f"signal {signal}" if signal else f"code {how}" if how else "end unknown"
    return f"{text_of(last, 'class', 'unclassified')} ({how})"


def incident_rows(health: Row, now: datetime) -> tuple[IncidentRow, ...]:
    """Return the incidents, newest first."""
    newest_first = list(reversed(rows_of(health, "incidents")))[:INCIDENTS_SHOWN_MAX]
    rows: list[IncidentRow] = []
    for incident in newest_first:
        recovered_s = number_of(incident, "recovered_after_s")
        target = text_of(incident, "to", "UNKNOWN")
        rows.append(
            IncidentRow(
                at=formats.clock_text(moment_of(incident, "at"), now),
                service=text_of(incident, "service", formats.NOTHING),
                change=f"{text_of(incident, 'from', '?')} → {target}",
                tone=TONES.get(target, "bad"),
                failure_class=text_of(incident, "class", formats.NOTHING),
                reason=text_of(incident, "reason"),
                recovered="open"
                if recovered_s is None
                else f"after {formats.duration(float(recovered_s))}",
            )
        )
    return tuple(rows)
