"""API documents, metrics, the curve and the words of numbers; for any input, never a crash."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dashboard import chart, formats, metrics, views_api
from services.dashboard.documents import EmergencyStop, is_bot_status_fresh
from services.dashboard.views import page_view
from tests.support import documents as sample
from tests.support.readings import judged, later, page_text, reading, viewed

pytestmark = pytest.mark.unit


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


_STATUS_KEYS = st.sampled_from(sorted(sample.bot_status()))


_HEALTH_KEYS = st.sampled_from(sorted(sample.health_document()))


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(_STATUS_KEYS, _JSON, max_size=6),
    st.dictionaries(_HEALTH_KEYS, _JSON, max_size=4),
    st.lists(st.dictionaries(st.text(max_size=8), _JSON, max_size=4), max_size=3),
)
def test_page_and_api_for_any_documents_never_fail(
    status: dict[str, Any], health: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    """Documents of any shape give a page, an API answer and metrics, never an exception."""
    raw = json.dumps({**sample.health_document(), **health}).encode()
    of = reading(
        health=raw,
        bot_status={**sample.bot_status(), **status},
        denials=tuple(rows),
        equity=tuple(rows),
        trades=tuple(rows),
    )
    judgement = judged(of)
    assert "verdict-badge" in page_text(page_view(of, judgement, "sim"), signed_in=True)
    for document in (
        views_api.health_document(judgement, of, with_metrics=False),
        views_api.status_document(of, judgement, "sim"),
        views_api.rows_document("rejections", of.denials, of),
    ):
        json.dumps(document, allow_nan=False)
    assert metrics.exposition(of, judgement, True)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(sample.service_entry("x"))), _JSON, max_size=5),
    st.dictionaries(st.sampled_from(sorted(sample.position())), _JSON, max_size=5),
    st.dictionaries(st.sampled_from(sorted(sample.order(1))), _JSON, max_size=5),
)
def test_rows_for_any_values_never_fail(
    service: dict[str, Any], position: dict[str, Any], order: dict[str, Any]
) -> None:
    """One bad cell costs that cell, not the page."""
    of = reading(
        health=json.dumps(sample.health_document(services={"trading-bot": service})).encode(),
        bot_status=sample.bot_status(
            positions=[{**sample.position(), **position}], orders=[{**sample.order(1), **order}]
        ),
    )
    judgement = judged(of)
    page_text(page_view(of, judgement, "sim"), signed_in=True)
    metrics.exposition(of, judgement, True)
    json.dumps(views_api.health_document(judgement, of), allow_nan=False)


def test_status_document_holds_what_the_contract_names() -> None:
    """CONTRACTS.md section 7: at least these, money as decimal text."""
    document = views_api.status_document(reading(), judged(reading()), "sim")
    named = (
        "mode balance equity open_positions emergency_stop_active trading_state day_pnl"
        " total_pnl total_trades win_rate max_drawdown_pct limits"
    )
    assert set(named.split()) <= set(document)
    assert (document["equity"], document["balance"]) == ("100432.18", "95212.98")
    assert document["open_positions"] == 2
    assert document["emergency_stop_active"] is False
    assert document["numbers_fresh"] is True


def test_status_document_when_stop_file_exists_says_so_whatever_the_bot_says() -> None:
    """The file's existence is the truth."""
    of = reading(emergency_stop=EmergencyStop())
    assert views_api.status_document(of, judged(of), "sim")["emergency_stop_active"] is True


def test_health_document_when_stale_contradicts_the_file() -> None:
    """The API gives the verdict after the age rule, and keeps the file's facts."""
    of = later(60)
    document = views_api.health_document(judged(of), of)
    assert (document["overall"], document["standing"]) == ("FAILED", "stale")
    assert document["services"]["trading-bot"]["pid"] == 4242
    hidden = views_api.health_document(judged(of), of, with_metrics=False)
    assert "metrics" not in hidden["services"]["trading-bot"]


def test_metrics_without_permission_hold_no_money() -> None:
    """Prometheus without a token beyond loopback sees states, not dollars."""
    of = reading()
    open_text = metrics.exposition(of, judged(of), True).decode()
    shy_text = metrics.exposition(of, judged(of), False).decode()
    assert "sht_equity 100432.18" in open_text
    assert 'sht_health_state{state="OK"} 1.0' in shy_text
    assert 'sht_service_restarts_total{service="trading-bot"} 0.0' in shy_text
    for name in ("sht_equity", "sht_cash", "sht_day_pnl", "sht_service_metric"):
        assert name not in shy_text


@pytest.mark.parametrize("offset_s", [0.0, 9.9, 10.1])
def test_bot_status_is_fresh_for_ten_seconds_of_the_same_boot(offset_s: float) -> None:
    """Freshness goes by seconds since boot, within one boot."""
    of = reading(boottime_s=sample.BOOTTIME_S + offset_s)
    assert is_bot_status_fresh(of) is (offset_s <= 10.0)
    assert not is_bot_status_fresh(replace(of, boot_id="another"))


@given(st.lists(st.integers(-1_000, 1_000), min_size=2, max_size=2_000))
def test_chart_for_any_values_keeps_ends_and_extremes_and_stays_in_its_box(
    numbers: list[int],
) -> None:
    """Thinning hides no dip, and no coordinate leaves the picture."""
    values = [Decimal(number) for number in numbers]
    kept = chart.thin(values, chart.POINTS_DRAWN_MAX)
    assert len(kept) <= chart.POINTS_DRAWN_MAX
    assert (kept[0], kept[-1]) == (values[0], values[-1])
    assert (min(kept), max(kept)) == (min(values), max(values))
    points = [{"at": sample.stamp(), "equity": str(value)} for value in values]
    drawn = chart.curve(points)
    for pair in drawn.line.split():
        x, y = (float(part) for part in pair.split(","))
        assert 0 <= x <= chart.WIDTH
        assert 0 <= y <= chart.HEIGHT


def test_chart_when_too_few_points_says_so() -> None:
    """One point is no curve."""
    assert chart.curve(sample.equity_points(1)).description == "No equity points yet."


@pytest.mark.parametrize(
    ("values", "deepest"),
    [([100, 90, 120, 60, 80], "0.5"), ([1, 2, 3], "0"), ([0, 0], "0"), ([100, 0], "1")],
)
def test_drawdown_is_the_deepest_fall_from_a_peak(values: list[int], deepest: str) -> None:
    """A fraction of the peak before it."""
    assert max(chart.drawdowns([Decimal(value) for value in values])) == Decimal(deepest)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1234.5", "$1,234.50"),
        ("-0.01", "\N{MINUS SIGN}$0.0100"),
        ("0", "$0.00"),
        ("0.1234", "$0.1234"),
        ("1E+6", "$1,000,000.00"),
    ],
)
def test_money_reads_as_people_write_it(value: str, text: str) -> None:
    """Thousands, cents, a real minus, four decimals below one dollar."""
    assert formats.money(Decimal(value)) == text


@pytest.mark.parametrize("text", ["1E+30", "-1E+400", "1E-999999", "NaN", "Infinity", "0E+99"])
def test_page_when_numbers_are_absurd_shows_nothing_or_zero(text: str) -> None:
    """A broken number is a cell without a value, short at that."""
    status = sample.bot_status(equity=text, positions=[sample.position(qty=text, entry_price=text)])
    view = viewed(reading(bot_status=status))
    shown = (view.account.equity, view.positions[0].qty, view.positions[0].entry)
    assert all(len(word) < 12 for word in shown)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (59, "59 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7_440, "2 h 4 min"),
        (180_000, "2 d 2 h"),
        (-3, "0.0 s"),
        (None, formats.NOTHING),
    ],
)
def test_duration_uses_two_units_at_most(seconds: float | None, text: str) -> None:
    """Ages as people say them."""
    assert formats.duration(seconds) == text
