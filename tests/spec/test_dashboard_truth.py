"""What nobody knows is shown as unknown: no zero, no empty list, no green light of the past."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from services.dashboard import metrics, views_api
from services.dashboard.documents import EmergencyStop, is_bot_status_fresh
from shared.health.judge import Standing
from shared.models.health import Status
from tests.support import documents as sample
from tests.support.readings import judged, later, page_text, reading, viewed

pytestmark = pytest.mark.unit

NOTHING_READ = {
    "health": None,
    "bot_status": None,
    "equity": (),
    "denials": (),
    "trades": (),
    "problems": {"ledger.db": "ledger.db cannot be read: file is not a database"},
}


def test_status_when_bot_has_written_nothing_holds_no_zeros() -> None:
    """Nobody has counted positions or trades, so their number is null, not 0."""
    of = reading(bot_status=None)
    document = views_api.status_document(of, judged(of), "sim")
    unknown = ("open_positions", "total_trades", "limits", "paused", "equity", "balance")
    assert {name: document[name] for name in unknown} == dict.fromkeys(unknown)


@pytest.mark.parametrize("damage", [{"positions": None}, {"positions": "none"}])
def test_status_when_positions_are_no_list_counts_none(damage: dict[str, Any]) -> None:
    """A list of another shape is not an empty one."""
    of = reading(bot_status=sample.bot_status(**damage))
    assert views_api.status_document(of, judged(of), "sim")["open_positions"] is None
    assert viewed(of).account.open_positions == "–"  # noqa: RUF001  the page's own sign
    assert "No open positions." not in page_text(viewed(of), signed_in=False)


@pytest.mark.parametrize(
    "claim",
    [
        "No open positions.",
        "No orders yet.",
        "No closed trades yet.",
        "The guard has refused nothing.",
        "No incidents.",
        "No equity points yet.",
        "0 won",
    ],
)
def test_page_when_nothing_could_be_read_claims_no_emptiness(claim: str) -> None:
    """Every list says why it is unknown instead of being empty."""
    of = reading(**NOTHING_READ)
    html = page_text(viewed(of), signed_in=False)
    assert claim not in html
    assert html.count("Unknown: ") == 11


@pytest.mark.parametrize("claim", ["No open positions.", "No orders yet.", "No incidents."])
def test_page_when_lists_are_whole_and_empty_says_so(claim: str) -> None:
    """A whole read of nothing is nothing."""
    of = reading(
        bot_status=sample.bot_status(positions=[], orders=[]),
        health=sample.health_bytes(incidents=[]),
    )
    assert claim in page_text(viewed(of), signed_in=False)


def test_metrics_when_bot_has_written_nothing_count_no_positions() -> None:
    """An absent figure is absent: zero unprotected positions would be good news."""
    of = reading(bot_status=None)
    text = metrics.exposition(of, judged(of), True).decode()
    assert "\nsht_open_positions " not in text
    assert "\nsht_unprotected_positions " not in text


def test_metrics_when_supervisor_is_silent_call_no_service_ok() -> None:
    """The states of a stale document are the past."""
    of = later(60)
    text = metrics.exposition(of, judged(of), True).decode()
    assert 'sht_service_state{service="trading-bot",state="OK"} 0.0' in text
    assert "sht_service_state" in text
    assert '"OK"} 1.0' not in text


def test_metrics_when_bot_is_silent_leave_out_ages_that_no_longer_grow() -> None:
    """An age that was true a minute ago looks young."""
    of = later(60)
    assert "\nsht_feed_age_seconds{" not in metrics.exposition(of, judged(of), True).decode()
    assert (
        "\nsht_feed_age_seconds{" in metrics.exposition(reading(), judged(reading()), True).decode()
    )


def test_health_document_when_supervisor_is_silent_has_no_service_that_is_ok() -> None:
    """After `valid_until` every reader shows FAILED, of the parts too."""
    of = later(60)
    document = views_api.health_document(judged(of), of)
    assert {entry["status"] for entry in document["services"].values()} == {"FAILED"}
    entry = document["services"]["trading-bot"]
    assert entry["reason"] == "supervisor silent; its last word was OK: running"
    assert (document["trading_state"], document["trading_state_cause"]) == ("HALTED", "supervision")


@pytest.mark.parametrize(
    ("bot", "health", "stop", "expected"),
    [
        ("ACTIVE none", "ACTIVE none", False, "ACTIVE none"),
        ("ACTIVE none", "HALTED supervision", False, "HALTED supervision"),
        ("REDUCING data", "ACTIVE none", False, "REDUCING data"),
        ("HALTED risk", "HALTED supervision", False, "HALTED risk"),
        ("ACTIVE none", "ACTIVE none", True, "HALTED operator"),
        ("REDUCING operator", "ACTIVE none", True, "HALTED operator"),
    ],
)
def test_trading_word_is_the_most_restrictive_of_what_may_be_believed(
    bot: str, health: str, stop: bool, expected: str
) -> None:
    """A bot that died a second ago trades no more, whatever it wrote last; nor after a stop."""
    said: dict[str, Any] = dict(
        zip(("trading_state", "trading_state_cause"), bot.split(), strict=True)
    )
    heard: dict[str, Any] = dict(
        zip(("trading_state", "trading_state_cause"), health.split(), strict=True)
    )
    of = reading(
        bot_status=sample.bot_status(**said),
        health=sample.health_bytes(**heard),
        emergency_stop=EmergencyStop() if stop else None,
    )
    verdict = viewed(of).verdict
    assert f"{verdict.trading_state} {verdict.trading_state_cause}" == expected


def test_trading_word_when_bot_hangs_is_halted_though_its_last_word_was_active() -> None:
    """No beat and no numbers: what it said before it fell silent lets nobody trade."""
    hung = {"trading-bot": {"status": "FAILED", "reason": "no beat"}}
    at_s = sample.BOOTTIME_S + 60
    raw = sample.health_bytes(boottime_s=at_s, overall="FAILED", code="FAILED", services=hung)
    verdict = viewed(replace(later(60), health=raw)).verdict
    assert (verdict.trading_state, verdict.trading_state_cause) == ("HALTED", "supervision")
    speaking = sample.bot_status(boottime_s=at_s, trading_state="REDUCING")
    verdict = viewed(replace(later(60), health=raw, bot_status=speaking)).verdict
    assert verdict.trading_state == "REDUCING"


def test_health_document_when_fresh_says_of_trading_what_the_file_says() -> None:
    """The age rule is the only thing between the file and the answer."""
    of = reading(bot_status=sample.bot_status(trading_state="REDUCING"))
    assert views_api.health_document(judged(of), of)["trading_state"] == "ACTIVE"


@pytest.mark.parametrize("written_s", [sample.BOOTTIME_S + 1e6, 10**400, "soon", None, True])
def test_bot_status_when_its_time_cannot_be_right_is_not_fresh(written_s: object) -> None:
    """Numbers from the future are as old as numbers can be."""
    of = reading(bot_status={**sample.bot_status(), "boottime_s": written_s})
    assert not is_bot_status_fresh(of)
    note = viewed(of).account.note
    assert note == "The time of these numbers cannot be right; nobody knows how old they are."


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"])
def test_page_when_a_stamp_lies_beyond_the_calendar_shows_no_time(stamp: str) -> None:
    """A moment that UTC cannot hold costs its cell, not the page."""
    raw = sample.health_bytes(written_at=stamp, services={"heartbeat": {"since": stamp}})
    of = reading(health=raw, bot_status=sample.bot_status(market_time=stamp))
    assert viewed(of).account.market == "market time unknown"


@pytest.mark.parametrize("value", ["\ud800", "x\udfffy"])
def test_page_and_api_when_texts_hold_half_characters_stay_readable(value: str) -> None:
    """A text that is no text is shown with a question mark in its place."""
    raw = json.dumps(sample.health_document(reason=value, chaos_mode=value)).encode()
    of = replace(reading(), health=raw)
    page_text(viewed(of), signed_in=True).encode()
    document = views_api.health_document(judged(of), of)
    json.dumps(document, ensure_ascii=False).encode()
    assert metrics.exposition(of, judged(of), True)


def test_health_document_when_nested_beyond_measure_is_cut_off() -> None:
    """A document deeper than anything we write does not break the answer."""
    deep = json.dumps(sample.health_document(x=0)).replace(
        '"x": 0', '"x": ' + "[" * 900 + "]" * 900
    )
    of = reading(health=deep.encode())
    assert views_api.health_document(judged(of), of)["overall"] == "OK"


@pytest.mark.parametrize("boottime", ["1" + "0" * 400, "-1" + "0" * 400, "1e999", "NaN"])
def test_judgement_when_its_time_is_no_time_is_failed(boottime: str) -> None:
    """A number that no clock gives makes the document unreadable, never the reader end."""
    raw = json.dumps(sample.health_document(boottime_s=0.25)).replace("0.25", boottime)
    judgement = judged(replace(reading(), health=raw.encode()))
    assert (judgement.overall, judgement.standing) == (Status.FAILED, Standing.UNREADABLE)


def test_judgement_when_a_reason_holds_half_a_character_keeps_its_word() -> None:
    """The verdict stands, in words that can be printed."""
    of = reading(health=json.dumps(sample.health_document(reason="\ud800 ok 😀")).encode())
    assert judged(of).overall is Status.OK
    assert judged(of).reason == "? ok 😀"
