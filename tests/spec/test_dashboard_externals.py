"""Shares in the account that are not the bot's: on the page, in the API and in the metrics."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from services.dashboard import answers, metrics, views_api
from services.dashboard.answer_fields import shaped
from tests.support import documents as sample
from tests.support.published import published
from tests.support.readings import judged, later, page_text, reading, viewed

pytestmark = pytest.mark.unit

ADOPTED = {"trading-bot": {"metrics": {"external_coverage_pct": 40.0, "external_uncovered": 1.0}}}
"""The bot measures this only while it protects what is external (ADOPT_EXTERNAL)."""


def external(symbol: str = "KO", protected: str = "0", **changed: Any) -> dict[str, Any]:
    """Thirty shares that somebody else bought."""
    row = {
        "symbol": symbol,
        "qty": "30",
        "current_price": "61.5",
        "market_value": "1845.00",
        "protected_qty": protected,
        "stop_price": None,
    }
    return {**row, **changed}


def held(*rows: dict[str, Any], share: float = 0.0) -> dict[str, Any]:
    """A bot status with these external shares."""
    return sample.bot_status(external_positions=list(rows), external_coverage_pct=share)


def seen(status: dict[str, Any] | None, services: dict[str, Any] | None = None) -> Any:
    """The reading with that status."""
    return reading(bot_status=status, health=sample.health_bytes(services=services or {}))


@pytest.mark.parametrize(
    ("protected", "services", "word", "tone"),
    [
        ("0", {}, "not ours to protect", ""),
        ("12", {}, "12 of 30 under a stop", ""),
        ("30", {}, "30 of 30 under a stop", "ok"),
        ("0", ADOPTED, "0 of 30 under a stop", "bad"),
        ("12", ADOPTED, "12 of 30 under a stop", "bad"),
        ("30", ADOPTED, "30 of 30 under a stop", "ok"),
        (None, ADOPTED, "– of 30 under a stop", "bad"),  # noqa: RUF001  the page's own sign
    ],
)
def test_external_row_says_how_much_is_protected_and_is_alarming_only_when_adopted(
    protected: str | None, services: dict[str, Any], word: str, tone: str
) -> None:
    """What the bot shall not protect is no alarm; what it has adopted and left naked is one."""
    view = viewed(seen(held(external(protected_qty=protected)), services))
    (row,) = view.externals
    assert (row.symbol, row.qty, row.price, row.value) == ("KO", "30", "$61.50", "$1,845.00")
    assert (row.stop_word, row.stop_tone) == (word, tone)
    assert len(view.positions) == 2


@pytest.mark.parametrize(
    ("held_qty", "protected", "tone"), [("7.5", "7", "ok"), ("0.5", "0", ""), ("-7", "6", "bad")]
)
def test_external_row_is_judged_by_its_whole_shares(
    held_qty: str, protected: str, tone: str
) -> None:
    """No order protects a part of a share: seven of seven and a half is all that can be had."""
    status = held(external(qty=held_qty, protected_qty=protected))
    assert viewed(seen(status, ADOPTED)).externals[0].stop_tone == tone


def test_external_adoption_when_the_bot_measures_nothing_is_unknown() -> None:
    """A bot that has not beaten yet has not said no."""
    mute: dict[str, Any] = {"trading-bot": {"metrics": {}}}
    of = seen(held(external()), mute)
    assert views_api.status_document(of, judged(of), "sim")["external_adopted"] is None
    assert viewed(of).externals[0].stop_tone == "warn"


def test_external_rows_stand_marked_in_the_table_and_cannot_be_closed_from_there() -> None:
    """A symbol that is both ours and not ours has two rows; only ours leads to a gesture."""
    html = page_text(viewed(seen(held(external("AAPL")))), signed_in=True)
    rows = html[html.index('id="section-positions"') : html.index('id="services"')].split("<tr ")
    (ours,) = [row for row in rows if row.startswith('data-key="AAPL"')]
    (other,) = [row for row in rows if row.startswith('data-key="external AAPL"')]
    assert "external</abbr>" in other
    assert "Close…" in ours
    assert "Close…" not in other


@pytest.mark.parametrize(
    ("rows", "share", "services", "value", "tone", "told"),
    [
        ((), 100.0, {}, "none", "ok", ""),
        ((external(),), 0.0, {}, "0 % under a stop", "", "1 external, not ours"),
        (
            (external(), external("T", "30")),
            50.0,
            ADOPTED,
            "50 % under a stop",
            "bad",
            "2 external, 50 %",
        ),
        ((external("T", "30"),), 100.0, ADOPTED, "100 % under a stop", "ok", "1 external, 100 %"),
    ],
)
def test_external_coverage_stands_in_the_panel_and_beside_the_count(
    rows: tuple[dict[str, Any], ...],
    share: float,
    services: dict[str, Any],
    value: str,
    tone: str,
    told: str,
) -> None:
    """One line of protection, and a word on the tile where there is anything."""
    view = viewed(seen(held(*rows, share=share), services))
    (fact,) = [fact for fact in view.protection.facts if fact.name.startswith("External")]
    assert (fact.value, fact.tone) == (value, tone)
    assert view.protection.external_told.startswith(told)
    assert bool(view.protection.external_told) is bool(rows)
    html = page_text(view, signed_in=False)
    assert ('id="external"' in html) is bool(rows)
    assert told in html


def test_external_coverage_when_the_bot_is_silent_is_no_good_news() -> None:
    """What was protected a minute ago is not known to be so now."""
    view = viewed(replace(later(60), bot_status=held(external("T", "30"), share=100.0)))
    (row,) = view.externals
    assert (row.stop_word, row.stop_tone) == ("30 of 30 under a stop when last heard", "warn")
    (fact,) = [fact for fact in view.protection.facts if fact.name.startswith("External")]
    assert fact.tone == "warn"


@pytest.mark.parametrize("damage", [{}, {"external_positions": None}, {"external_positions": "x"}])
def test_external_shares_when_nobody_told_of_them_are_unknown_everywhere(
    damage: dict[str, Any],
) -> None:
    """Not none: null in the API, no sample in the metrics, a dash on the page."""
    status = {k: v for k, v in sample.bot_status().items() if not k.startswith("external_")}
    of = seen({**status, **damage})
    assert views_api.positions_document(of)["external_positions"] is None
    told = views_api.status_document(of, judged(of), "sim")
    assert (told["external_positions"], told["external_coverage_pct"]) == (None, None)
    assert "\nsht_external_positions " not in metrics.exposition(of, judged(of), True).decode()
    (fact,) = [fact for fact in viewed(of).protection.facts if fact.name.startswith("External")]
    assert (fact.value, fact.tone) == ("unknown", "warn")


def test_external_shares_in_the_api_are_counted_listed_and_of_the_published_shape() -> None:
    """Beside ours, never among them."""
    of = seen(held(external(current_price="6.15E+1"), share=40.0), ADOPTED)
    body = shaped(answers.Positions, views_api.positions_document(of))
    headers = {"content-type": "application/json"}
    path = "/api/unified/positions"
    assert published().broken_promise("GET", path, 200, headers, body) == ""
    document = json.loads(body)
    assert (document["count"], len(document["positions"])) == (2, 2)
    assert document["external_positions"] == [external()]
    status = views_api.status_document(of, judged(of), "sim")
    assert (status["open_positions"], status["external_positions"]) == (2, 1)
    assert (status["external_coverage_pct"], status["external_adopted"]) == (40.0, True)


@pytest.mark.parametrize(("services", "adopted"), [({}, "0.0"), (ADOPTED, "1.0")])
def test_external_shares_in_the_metrics_say_whether_they_are_ours_to_protect(
    services: dict[str, Any], adopted: str
) -> None:
    """So that an alert can tell a naked adopted share from somebody's own business; each number
    stands in one place.
    """
    of = seen(held(external(), external("T", "30"), share=50.0), services)
    text = metrics.exposition(of, judged(of), True).decode()
    assert "sht_external_positions 2.0" in text
    assert "sht_external_coverage_pct 50.0" in text
    assert "sht_external_unprotected 1.0" in text
    assert f"sht_external_adopted {adopted}" in text
    assert 'name="external_' not in text


def test_external_adoption_when_health_is_silent_is_unknown() -> None:
    """Neither yes nor no, and no sample."""
    of = replace(later(60), bot_status=held(external(), share=0.0))
    assert "\nsht_external_adopted " not in metrics.exposition(of, judged(of), True).decode()
    assert views_api.status_document(of, judged(of), "sim")["external_adopted"] is None
