"""The page's values: documents of the other processes in, words for people out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from services.dashboard.documents import EmergencyStop
from tests.support import documents as sample
from tests.support.readings import later, page_text, reading, viewed

pytestmark = pytest.mark.unit


def test_verdict_when_all_is_well_is_ok_since_the_last_service_became_ok() -> None:
    """Word, tone, mode, trading state and since come from the document."""
    verdict = viewed(reading()).verdict
    assert (verdict.word, verdict.tone, verdict.mode) == ("OK", "ok", "sim")
    assert (verdict.trading_state, verdict.trading_tone) == ("ACTIVE", "ok")
    assert verdict.since == "17:58:00 UTC"


def test_verdict_when_a_service_failed_is_since_that_service_failed() -> None:
    """`since` is the first bad service's own moment."""
    bad = {"trading-bot": {"status": "FAILED", "since": sample.stamp(33)}}
    raw = sample.health_bytes(overall="FAILED", code="FAILED_CONFIG", services=bad)
    verdict = viewed(reading(health=raw)).verdict
    assert (verdict.word, verdict.code, verdict.tone) == ("FAILED", "FAILED_CONFIG", "bad")
    assert verdict.since == "17:59:27 UTC"


def test_verdict_when_document_is_old_is_failed_since_it_ran_out() -> None:
    """A silent supervisor turns everything red, whatever the file says."""
    view = viewed(later(60))
    assert view.verdict.word == "FAILED"
    assert "supervisor silent" in view.verdict.reason
    assert view.verdict.since == "18:00:05 UTC"
    assert {row.status for row in view.services} == {"UNKNOWN"}
    assert {row.phase for row in view.services} == {"was running"}
    assert (view.verdict.trading_state, view.verdict.trading_tone) == ("HALTED", "bad")


def test_verdict_when_document_is_missing_shows_the_configured_mode() -> None:
    """The mode is always visible, even with nothing to read."""
    view = viewed(reading(health=None, bot_status=None))
    assert (view.verdict.word, view.verdict.mode) == ("FAILED", "paper")
    assert view.services == ()


def test_trading_word_when_supervisor_is_silent_is_the_bots_own() -> None:
    """A bot that still speaks is believed about itself."""
    status = sample.bot_status(
        boottime_s=sample.BOOTTIME_S + 60,
        trading_state="REDUCING",
        trading_state_cause="supervision",
    )
    verdict = viewed(replace(later(60), bot_status=status)).verdict
    assert (verdict.trading_state, verdict.trading_state_cause) == ("REDUCING", "supervision")


def test_services_show_restarts_window_beat_memory_and_last_exit() -> None:
    """The row holds what an operator asks first."""
    facts = {
        "status": "DEGRADED",
        "phase": "parked",
        "restarts": 3,
        "failures_in_window": 2,
        "last_exit": {"code": 75, "signal": None, "class": "TRANSIENT", "at": "", "uptime_s": 1},
    }
    raw = sample.health_bytes(overall="DEGRADED", code="DEGRADED", services={"data-daemon": facts})
    row = next(row for row in viewed(reading(health=raw)).services if row.name == "data-daemon")
    assert (row.restarts, row.failures) == ("3", "2/5 in 10 min")
    assert row.beat_age == "0.7 s"
    assert row.memory == "46 MiB"
    assert row.last_exit == "TRANSIENT (code 75)"
    assert row.parked
    assert row.tone == "warn"


def test_positions_when_bot_is_fresh_show_pnl_and_the_confirmed_stop() -> None:
    """Money reads as people write it; the stop's state is in words."""
    apple, nvidia = viewed(reading()).positions
    assert (apple.pnl, apple.direction, apple.stop) == ("+$19.20", "gain", "$184.20")
    assert (apple.stop_word, apple.stop_tone) == ("stop confirmed at broker", "ok")
    assert nvidia.pnl == "\N{MINUS SIGN}$14.70"


def test_positions_when_bot_is_silent_claim_nothing_of_the_stop() -> None:
    """An old confirmation is shown as old, and the numbers say their age."""
    view = viewed(later(60))
    assert view.positions[0].stop_word == "confirmed when last heard"
    assert view.positions[0].stop_tone == "warn"
    assert view.account.note.startswith("These numbers are 1 min old")
    assert [feed.tone for feed in view.feeds] == ["bad", "bad"]
    assert view.feeds[0].age == "data 1 min old"


def test_position_when_stop_is_not_confirmed_is_bad() -> None:
    """An unprotected position stands out."""
    status = sample.bot_status(positions=[sample.position(stop_confirmed=False)])
    row = viewed(reading(bot_status=status)).positions[0]
    assert (row.stop_word, row.stop_tone) == ("NOT confirmed", "bad")


def test_orders_show_working_ones_first() -> None:
    """What still works at the broker stands on top."""
    rows = viewed(reading()).orders
    assert [row.status for row in rows] == ["new", "canceled", "filled"]
    assert rows[0].price == "stop $184.20"


def test_denials_show_check_limit_value_and_the_whole_trace() -> None:
    """The answer to "why not" is complete."""
    row = viewed(reading()).denials[0]
    assert (row.code, row.limit, row.value) == ("POSITION_SIZE", "5021.60", "8400.00")
    assert [(check.code, check.passed) for check in row.trace] == [
        ("EMERGENCY_STOP", True),
        ("POSITION_SIZE", False),
    ]


def test_denials_when_trace_is_json_text_show_the_same() -> None:
    """The ledger keeps traces as JSON text."""
    as_text = sample.denial(1, trace=json.dumps(sample.denial()["trace"]))
    assert len(viewed(reading(denials=(as_text,))).denials[0].trace) == 2


def test_trades_show_how_and_why_they_ended() -> None:
    """Each round trip with its result and reason."""
    won, lost = viewed(reading()).trades
    assert (won.pnl, won.direction, won.reason) == ("+$20.33", "gain", "target filled")
    assert lost.direction == "loss"


def test_records_are_dated_by_the_markets_day() -> None:
    """In a replay the market's day is not ours: times of its own day need no date."""
    then = "2019-02-11T15:00:00.000Z"
    status = sample.bot_status(
        market_time="2019-02-11T15:04:00.000Z", orders=[sample.order(1, created_at=then)]
    )
    assert viewed(reading(bot_status=status)).orders[0].created == "15:00:00 UTC"


@pytest.mark.parametrize(
    ("name", "use", "tone"),
    [
        ("daily_loss", 79.9, "ok"),
        ("daily_loss", 80.0, "warn"),
        ("drawdown_pct", 100.0, "bad"),
        ("largest_position", 99.8, "ok"),
        ("open_positions", 100.0, "ok"),
        ("gross_exposure", 100.4, "bad"),
    ],
)
def test_limits_show_bars_with_a_tone_by_use(name: str, use: float, tone: str) -> None:
    """A loss asks for a look before its limit is reached; what may be held is there to be filled,
    and a bar that is amber all day is looked at by nobody.
    """
    status = sample.bot_status(limits=[{"name": name, "used_pct": use}])
    row = viewed(reading(bot_status=status)).limits[0]
    assert (row.bar, row.tone) == (min(100, int(use)), tone)


@pytest.mark.parametrize(
    ("use", "bar", "tone"), [(140, 100, "bad"), (-3, 0, "ok"), (None, 0, "bad")]
)
def test_limit_bar_when_use_is_out_of_range_stays_in_the_box(
    use: int | None, bar: int, tone: str
) -> None:
    """A use beyond the limit fills the bar; an unknown one is no good news."""
    status = sample.bot_status(limits=[{"name": "x", "used_pct": use}])
    row = viewed(reading(bot_status=status)).limits[0]
    assert (row.bar, row.tone) == (bar, tone)


def test_incidents_are_newest_first_with_recovery() -> None:
    """The timeline begins with what happened last."""
    many = [
        {"at": sample.stamp(60), "service": "a", "from": "OK", "to": "FAILED", "class": "CONFIG"},
        {"at": sample.stamp(5), "service": "b", "from": "OK", "to": "DEGRADED"},
    ]
    rows = viewed(reading(health=sample.health_bytes(incidents=many))).incidents
    assert [row.service for row in rows] == ["b", "a"]
    assert rows[0].recovered == "open"


def test_page_when_rendered_says_verdict_in_words_shape_and_title() -> None:
    """The glance: heading, tab title, favicon and mode, all from the server."""
    html = page_text(viewed(reading()), signed_in=False)
    assert 'id="verdict-badge"' in html
    assert "<title>OK · SIM · self-healing trader</title>" in html
    assert "/static/icon-ok.svg" in html
    assert "chaos-banner" not in html
    assert 'action="/api/unified/close-position"' not in html


def test_page_when_chaos_and_stop_are_on_shows_both_banners() -> None:
    """Neither a drill nor a stop can be overlooked."""
    raw = sample.health_bytes(chaos_mode="alpaca_down")
    stop = EmergencyStop(reason="news", by="alice", at=sample.stamp(65))
    html = page_text(viewed(reading(health=raw, emergency_stop=stop)), signed_in=True)
    assert "chaos-banner" in html
    assert "alpaca_down" in html
    assert "stop-banner" in html
    assert "alice" in html


def test_page_when_texts_hold_markup_escapes_it() -> None:
    """A reason or a symbol is text, whatever stands in it."""
    evil = "<script>alert(1)</script>"
    raw = sample.health_bytes(reason=evil, mode=evil, chaos_mode=evil)
    status = sample.bot_status(positions=[sample.position(evil)], limits=[{"name": evil}])
    stop = EmergencyStop(reason=evil, by=evil, at=evil)
    view = viewed(reading(health=raw, bot_status=status, emergency_stop=stop))
    html = page_text(view, signed_in=True)
    assert "<script>alert" not in html
