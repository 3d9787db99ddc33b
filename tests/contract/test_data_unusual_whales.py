"""What Unusual Whales promises: each used field broken in turn, and what may grow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.contracts.drift import SchemaDrift
from shared.contracts.unusual_whales import Rows, read_alerts, read_prints, read_tide
from tests.support.whale_payloads import raw_alert, raw_print, raw_tide

pytestmark = pytest.mark.unit

Reader = Callable[[object], Rows[Any]]
Maker = Callable[..., dict[str, Any]]

REQUIRED: list[tuple[Reader, Maker, str]] = [
    *((read_alerts, raw_alert, name) for name in (
        "ticker", "created_at", "total_premium", "has_sweep", "type", "alert_rule")),
    *((read_prints, raw_print, name) for name in (
        "tracking_id", "ticker", "executed_at", "price", "size", "premium", "canceled")),
    *((read_tide, raw_tide, name) for name in (
        "timestamp", "net_call_premium", "net_put_premium", "net_volume")),
]  # fmt: skip


@pytest.mark.parametrize(("read", "make", "name"), REQUIRED)
@pytest.mark.parametrize("wrong", ["removed", None, [], {"a": 1}, "", "\ud800", float("nan")])
def test_row_when_a_used_field_is_broken_then_dropped_by_its_name(
    read: Reader, make: Maker, name: str, wrong: object
) -> None:
    """A neighbour survives; alone, the broken row makes the whole reply a drift."""
    row = make(**{name: wrong})
    if wrong == "removed":
        del row[name]
    rows = read({"data": [row, make()]})
    assert len(rows.good) == 1
    assert [drift.path for drift in rows.dropped] == [f"{rows.dropped[0].path}"]
    assert rows.dropped[0].path.endswith(f"[0].{name}")
    with pytest.raises(SchemaDrift, match=name):
        read({"data": [row]})


@pytest.mark.parametrize(
    ("read", "make", "changes"),
    [
        (read_alerts, raw_alert, {"total_premium": "-1"}),
        (read_alerts, raw_alert, {"total_premium": 186705}),
        (read_alerts, raw_alert, {"type": "straddle"}),
        (read_alerts, raw_alert, {"created_at": "2026-01-05T15:00:01"}),
        (read_alerts, raw_alert, {"created_at": 1767625200}),
        (read_alerts, raw_alert, {"id": None, "start_time": True}),
        (read_alerts, raw_alert, {"id": "", "option_chain": None}),
        (read_alerts, raw_alert, {"ticker": "S" * 2_000}),
        (read_prints, raw_print, {"price": "0"}),
        (read_prints, raw_print, {"size": -1}),
        (read_prints, raw_print, {"canceled": "false"}),
        (read_prints, raw_print, {"tracking_id": True}),
        (read_tide, raw_tide, {"net_volume": 10**16}),
        (read_tide, raw_tide, {"net_volume": 1.5}),
        (read_tide, raw_tide, {"net_call_premium": "NaN"}),
    ],
)
def test_row_when_its_value_means_nothing_then_dropped(
    read: Reader, make: Maker, changes: dict[str, Any]
) -> None:
    """Types alone are not enough: signs, zones, kinds and sizes count."""
    rows = read({"data": [make(**changes), make()]})
    assert (len(rows.good), len(rows.dropped)) == (1, 1)


@pytest.mark.parametrize("read", [read_alerts, read_prints, read_tide])
@pytest.mark.parametrize("raw", [None, [], "text", {}, {"data": None}, {"data": {"a": 1}}])
def test_reply_when_its_frame_is_broken_then_drift(read: Reader, raw: object) -> None:
    """A failed read is never an empty answer; an empty list is one."""
    with pytest.raises(SchemaDrift):
        read(raw)
    assert read({"data": [], "new": 1}) == Rows((), ())


def test_alert_when_read_then_exact_and_unknown_rule_passes() -> None:
    """Both forms of a moment mean the same; a rule of tomorrow is no reason to refuse."""
    spec = raw_alert(created_at="2026-01-05 15:00:01.354429+00:00", alert_rule="RuleOfTomorrow")
    live, other = read_alerts({"data": [raw_alert(), spec]}).good
    assert live.at == other.at == datetime(2026, 1, 5, 15, 0, 1, 354429, tzinfo=UTC)
    assert live.premium == Decimal(186705)
    assert (live.is_call, live.is_sweep, other.rule) == (True, True, "RuleOfTomorrow")


def test_alert_when_it_has_no_id_then_contract_begin_and_rule_tell_it() -> None:
    """The same alert has the same key each time, and another one another."""
    rows = [raw_alert(id=None), raw_alert(id=""), raw_alert(id=None, start_time=1767625260000)]
    first, again, other = read_alerts({"data": rows}).good
    assert first.alert_id == again.alert_id == "SPY260109C00690000|1767625200000|RepeatedHits"
    assert other.alert_id != first.alert_id


def test_print_when_canceled_then_told_apart() -> None:
    """A print taken back is no drift."""
    rows = read_prints({"data": [raw_print(), raw_print(tracking_id="x9", canceled=True)]})
    assert [(row.dark_print.print_id, row.is_canceled) for row in rows.good] == [
        ("71984388012245", False),
        ("x9", True),
    ]


def test_tide_when_read_then_signs_and_zone_are_kept() -> None:
    """Net premiums may be below zero; New York's stamp becomes UTC."""
    point = read_tide({"data": [raw_tide()]}).good[0]
    assert point.at == datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
    assert (point.net_call_premium, point.net_volume) == (Decimal("-29138464.0000"), -68082)
