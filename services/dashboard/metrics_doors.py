"""Metrics of the doors and of healing: what services measure of their calls to the outside, from
the flat names of their beats; budgets from the bot's status; times to recover from health.json.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric

from services.dashboard.tolerant import Row, mapping_of, number_of, rows_of, text_of

Entries = list[tuple[str, Row]]
"""Services of health.json by name."""

CALLS, SECONDS, WITHIN, FAILED = "calls_", "call_seconds_", "calls_within_", "calls_failed_"
BREAKER, RATE_LEFT = "breaker_", "rate_left_"
ACCURACY = "words_accuracy_pct"
EXTERNAL = "external_"
READ_BY_NAME = (CALLS, SECONDS, BREAKER, RATE_LEFT, ACCURACY, EXTERNAL)
"""How the flat names begin that are told under names of their own."""


def door_families(entries: Entries) -> Iterator[Metric]:
    """Yield calls with their latency and failures, breakers, and rates left, by service."""
    calls = HistogramMetricFamily(
        "sht_call_seconds", "Calls by how long they took with all tries", labels=("service", "door")
    )
    failed = CounterMetricFamily(
        "sht_call_failures", "Failed calls by class", labels=("service", "door", "class")
    )
    breaker = GaugeMetricFamily(
        "sht_breaker_state", "0 closed, 1 half open, 2 open", labels=("service", "breaker")
    )
    left = GaugeMetricFamily(
        "sht_rate_left", "Calls left as the other side said last", labels=("service", "door")
    )
    words = GaugeMetricFamily(
        "sht_words_accuracy_pct",
        "How often judging a failure by its words alone agrees with its known class, percent",
        labels=("service",),
    )
    for service, entry in entries:
        told = mapping_of(entry, "metrics")
        known = ((str(name), number_of(told, name)) for name in told)
        numbers = {name: number for name, number in known if number is not None}
        for name, number in numbers.items():
            if name.startswith(FAILED):
                failure_class, _, door = name.removeprefix(FAILED).partition("_")
                failed.add_metric((service, door, failure_class.upper()), float(number))
            elif name.startswith(BREAKER):
                breaker.add_metric((service, name.removeprefix(BREAKER)), float(number))
            elif name.startswith(RATE_LEFT):
                left.add_metric((service, name.removeprefix(RATE_LEFT)), float(number))
            elif name.startswith(SECONDS):
                _add_calls(calls, service, name.removeprefix(SECONDS), numbers)
        if (accuracy := numbers.get(ACCURACY)) is not None:
            words.add_metric((service,), float(accuracy))
    yield from (calls, failed, breaker, left, words)


def _add_calls(
    family: HistogramMetricFamily, service: str, door: str, numbers: Mapping[str, Decimal]
) -> None:
    """One door's durations; none while its count is not told, too."""
    whole = numbers.get(f"{CALLS}{door}")
    if whole is None:
        return
    ends: dict[float, float] = {}
    for name, number in numbers.items():
        bound, _, of = name.removeprefix(WITHIN).partition("ms_")
        if name.startswith(WITHIN) and of == door and bound.isdecimal() and len(bound) < 10:
            ends[int(bound) / 1_000] = float(number)
    buckets = [(str(end), count) for end, count in sorted(ends.items())]
    family.add_metric(
        (service, door),
        buckets=[*buckets, ("+Inf", float(whole))],
        sum_value=float(numbers[f"{SECONDS}{door}"]),
    )


def budget_families(budgets: tuple[Row, ...]) -> Iterator[Metric]:
    """Yield the bot's budgets of calls, what is left beside what there is in a minute."""
    for key, name, text in (
        ("left", "sht_budget_left", "Calls left in a budget now"),
        ("per_minute", "sht_budget_per_minute", "Calls that a budget gives in a minute"),
    ):
        family = GaugeMetricFamily(name, text, labels=("budget",))
        for row in budgets:
            if (number := number_of(row, key)) is not None:
                family.add_metric((text_of(row, "name"),), float(number))
        yield family


def healing_families(health: Row) -> Iterator[Metric]:
    """Yield the incidents that health.json still tells, and how long they took by service."""
    lasted: dict[str, list[Decimal]] = defaultdict(list)
    told: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows_of(health, "incidents"):
        service = text_of(row, "service")
        told[service, text_of(row, "class")] += 1
        if (seconds := number_of(row, "recovered_after_s")) is not None:
            lasted[service].append(seconds)
    recent = GaugeMetricFamily(
        "sht_incidents_recent", "Incidents in health.json by class", labels=("service", "class")
    )
    for labels, count in told.items():
        recent.add_metric(labels, float(count))
    mean = GaugeMetricFamily(
        "sht_mttr_seconds", "Mean time to recover of these incidents", labels=("service",)
    )
    for service, seconds_of in lasted.items():
        mean.add_metric((service,), float(sum(seconds_of) / len(seconds_of)))
    yield from (recent, mean)
