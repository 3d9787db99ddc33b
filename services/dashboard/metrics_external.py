"""Metrics of shares in the account that are not the bot's."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from services.dashboard.tolerant import Row, known_rows, number_of
from services.dashboard.views_external import COVERAGE, KEY, is_adopted, unprotected
from shared.health.judge import Judgement


def external_families(status: Row, judgement: Judgement) -> Iterator[Metric]:
    """Yield how many there are, how far they are protected, and whether they are ours to protect;
    what nobody knows has no sample.
    """
    rows = known_rows(status, KEY)
    naked = None if rows is None else len(unprotected(status))
    told: tuple[tuple[str, str, Decimal | int | None], ...] = (
        ("positions", "Symbols with external shares", None if rows is None else len(rows)),
        ("coverage_pct", "External shares under a stop, percent", number_of(status, COVERAGE)),
        ("unprotected", "Symbols whose external shares are not wholly under a stop", naked),
        ("adopted", "Whether the bot protects external shares, too", is_adopted(judgement)),
    )
    for name, text, number in told:
        family = GaugeMetricFamily(f"sht_external_{name}", text)
        if number is not None:
            family.add_metric((), float(number))
        yield family
