"""The one exporter for Prometheus: a collector over the newest reading, no state of its own.

Moments are given as timestamps of the last success, never as ages: an age that is no longer
scraped looks young for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.dashboard.documents import Reading, is_bot_status_fresh
from services.dashboard.metrics_doors import (
    READ_BY_NAME,
    Entries,
    budget_families,
    door_families,
    healing_families,
)
from services.dashboard.metrics_external import external_families
from services.dashboard.tolerant import (
    EMPTY,
    Row,
    flag_of,
    known_rows,
    mapping_of,
    moment_of,
    number_of,
    rows_of,
    text_of,
)
from services.dashboard.views_trading import STATES, trading_word
from shared.health.judge import Judgement, Standing
from shared.models.health import HealthCode, Status

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SERVICE_GAUGES = (
    ("failures_in_window", "Deaths within the sliding window"),
    ("max_failures", "Deaths in the window at which the service is parked"),
    ("rss_bytes", "Resident memory in bytes"),
    ("cpu_percent", "CPU use in percent of one core"),
)
_MONEY_GAUGES = (
    ("equity", "Account equity in dollars"),
    ("cash", "Cash in dollars"),
    ("day_pnl", "Profit or loss of the trading day in dollars"),
    ("total_pnl", "Realized profit or loss in dollars"),
    ("peak_equity", "Highest equity in dollars"),
)
_TRADING_GAUGES = (
    ("win_rate", "Share of trades that won, 0 to 1"),
    ("max_drawdown_pct", "Deepest fall from the peak as a fraction"),
    ("coverage_pct", "Open quantity under a live broker-held stop, percent"),
    ("unknown_outcomes", "Orders of which nobody can say whether they exist"),
    ("total_trades", "Closed trades"),
)


def exposition(reading: Reading, judgement: Judgement, with_money: bool) -> bytes:
    """Return the text of /metrics for one reading."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_ReadingCollector(reading, judgement, with_money))
    return generate_latest(registry)


class _ReadingCollector(Collector):
    """Turns one reading into metric families."""

    def __init__(self, reading: Reading, judgement: Judgement, with_money: bool) -> None:
        self._reading = reading
        self._judgement = judgement
        self._with_money = with_money

    def describe(self) -> Iterable[Metric]:
        """Nothing to describe before the first scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield from _verdict_families(self._reading, self._judgement)
        yield from _service_families(self._judgement, self._with_money)
        yield from _trading_families(self._reading, self._with_money)
        yield from external_families(self._reading.bot_status or EMPTY, self._judgement)


def _one_hot(name: str, words: Iterable[str], now: str, text: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=("state",))
    for word in words:
        family.add_metric((word,), 1.0 if word == now else 0.0)
    return family


def _stamp(family: GaugeMetricFamily, labels: tuple[str, ...], moment: datetime | None) -> None:
    if moment is not None:
        family.add_metric(labels, moment.timestamp())


def _verdict_families(reading: Reading, judgement: Judgement) -> Iterator[Metric]:
    health: Row = judgement.document or EMPTY
    yield _one_hot(
        "sht_health_state", Status, str(judgement.overall), "Overall verdict after the age rule"
    )
    yield _one_hot("sht_health_code", HealthCode, judgement.code, "Code of the verdict")
    word = trading_word(reading, judgement)
    yield _one_hot("sht_trading_state", STATES, word.state, "What may be traded")
    written = GaugeMetricFamily(
        "sht_health_written_timestamp_seconds", "When the supervisor last wrote health.json"
    )
    _stamp(written, (), moment_of(health, "written_at"))
    yield written
    stopped = 1.0 if reading.emergency_stop is not None else 0.0
    yield GaugeMetricFamily("sht_emergency_stop", "Whether the stop is set", value=stopped)
    chaos = GaugeMetricFamily("sht_chaos_active", "Whether a chaos drill breaks things")
    if word_of_chaos := text_of(health, "chaos_mode"):
        chaos.add_metric((), 0.0 if word_of_chaos == "off" else 1.0)
    yield chaos
    lasting = GaugeMetricFamily("sht_incidents_open", "Incidents not recovered")
    if (incidents := known_rows(health, "incidents")) is not None:
        lasting.add_metric((), sum(1 for row in incidents if row.get("recovered_after_s") is None))
    yield lasting
    yield from healing_families(health)


def _service_families(judgement: Judgement, with_metrics: bool) -> Iterator[Metric]:
    services = mapping_of(judgement.document, "services")
    # What a document said that has run out is no state of now: no word is true then.
    fresh = judgement.standing is Standing.FRESH
    entries = [(str(name), mapping_of(services, name)) for name in services]
    state = GaugeMetricFamily(
        "sht_service_state", "Health of a service", labels=("service", "state")
    )
    restarts = CounterMetricFamily("sht_service_restarts", "Restarts", labels=("service",))
    progress = CounterMetricFamily(
        "sht_service_progress", "Finished turns of the loop", labels=("service",)
    )
    beat = GaugeMetricFamily(
        "sht_service_last_beat_timestamp_seconds", "Last heartbeat", labels=("service",)
    )
    for name, entry in entries:
        for word in Status:
            is_so = fresh and text_of(entry, "status") == word
            state.add_metric((name, word), 1.0 if is_so else 0.0)
        for family, key in ((restarts, "restarts"), (progress, "progress")):
            if (count := number_of(entry, key)) is not None:
                family.add_metric((name,), float(count))
        _stamp(beat, (name,), moment_of(entry, "last_beat_at"))
    yield from (state, restarts, progress, beat)
    for key, text in _SERVICE_GAUGES:
        yield _gauge_by(f"sht_service_{key}", text, "service", key, entries)
    yield from door_families(entries)
    if with_metrics:
        yield _own_metrics(entries)


def _gauge_by(name: str, text: str, label: str, key: str, entries: Entries) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for entry_name, entry in entries:
        if (number := number_of(entry, key)) is not None:
            family.add_metric((entry_name,), float(number))
    return family


def _own_metrics(entries: Entries) -> GaugeMetricFamily:
    """What has no name of its own elsewhere."""
    family = GaugeMetricFamily(
        "sht_service_metric", "What a service measures itself", labels=("service", "name")
    )
    for service, entry in entries:
        measured = mapping_of(entry, "metrics")
        for name in measured:
            if str(name).startswith(READ_BY_NAME):
                continue
            if (number := number_of(measured, name)) is not None:
                family.add_metric((service, str(name)), float(number))
    return family


def _trading_families(reading: Reading, with_money: bool) -> Iterator[Metric]:
    status: Row = reading.bot_status or EMPTY
    gauges = (*_TRADING_GAUGES, *_MONEY_GAUGES) if with_money else _TRADING_GAUGES
    for key, text in gauges:
        family = GaugeMetricFamily(f"sht_{key}", text)
        if (number := number_of(status, key)) is not None:
            family.add_metric((), float(number))
        yield family
    written = GaugeMetricFamily(
        "sht_bot_status_written_timestamp_seconds", "When the bot last wrote its numbers"
    )
    _stamp(written, (), moment_of(status, "written_at"))
    yield written
    yield from _position_families(status)
    limits = [(text_of(row, "name"), row) for row in rows_of(status, "limits")]
    yield _gauge_by("sht_limit_used_pct", "Use of a limit, percent", "limit", "used_pct", limits)
    # An age that nobody renews would look young for ever.
    spoken = status if is_bot_status_fresh(reading) else EMPTY
    is_open = GaugeMetricFamily("sht_market_open", "Whether the market is open")
    if (flag := flag_of(spoken, "is_open")) is not None:
        is_open.add_metric((), 1.0 if flag else 0.0)
    yield is_open
    feeds = [(text_of(row, "name"), row) for row in rows_of(spoken, "feeds")]
    yield _gauge_by("sht_feed_age_seconds", "Age of a feed's data", "feed", "age_s", feeds)
    yield from budget_families(rows_of(spoken, "budgets"))


def _position_families(status: Row) -> Iterator[Metric]:
    rows = known_rows(status, "positions")
    if rows is None:
        return
    yield GaugeMetricFamily("sht_open_positions", "Open positions", value=float(len(rows)))
    unprotected = sum(1 for row in rows if flag_of(row, "stop_confirmed") is not True)
    yield GaugeMetricFamily(
        "sht_unprotected_positions", "Positions without a confirmed stop", value=unprotected
    )
