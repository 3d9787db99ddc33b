"""The words of a fault on the page: as short as the glance needs, as whole in the API as said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dashboard import views_api
from services.dashboard.wording import PART_CHARACTERS_MAX, readable
from tests.support import documents as sample
from tests.support.readings import judged, reading, viewed

pytestmark = pytest.mark.unit

URL = "GET http://127.0.0.1:45489/v2/stocks/bars?symbols=AAPL%2CAMD%2CAMZN&timeframe=1Min"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("all critical services are OK", "all critical services are OK"),
        ("bot: parked (since 2026-11-20T17:59:50.571Z).", "bot: parked (since 17:59:50 UTC)."),
        ("old (since 2026-11-19T23:00:00Z)", "old (since 2026-11-19 23:00:00 UTC)"),
        ("odd (since 2026-13-40T99:00:00Z)", "odd (since 2026-13-40T99:00:00Z)"),
        (f"{URL}: refused", "GET http://127.0.0.1:45489/v2/stocks/bars?… refused"),
        ("what now? /why?", "what now? /why?"),
        ("a; " + "b" * 400 + " since noon; c", None),
    ],
)
def test_cause_when_shown_keeps_who_what_and_since_when(said: str, shown: str | None) -> None:
    """Stamps are times, queries go, a part that is too long loses its middle."""
    found = readable(said, sample.NOW)
    if shown is not None:
        assert found == shown
        return
    first, middle, last = found.split("; ")
    assert (first, last) == ("a", "c")
    assert middle.endswith("since noon")
    assert len(middle) <= PART_CHARACTERS_MAX + 3


def test_cause_when_cut_is_cut_between_words() -> None:
    """Half a word is read as another one."""
    said = "data-daemon: " + "refused " * 60 + "(since noon)"
    found = readable(said, sample.NOW)
    assert found.startswith("data-daemon: refused ")
    assert found.endswith(" refused (since noon)")
    assert set(found.split()) == {*said.split(), "…"}


@given(st.text(max_size=600))
def test_cause_for_any_words_is_never_longer_and_never_fails(words: str) -> None:
    """What is shown fits; an unreadable stamp stays as it is."""
    found = readable(words, sample.NOW + timedelta(days=1))
    assert all(len(part) <= PART_CHARACTERS_MAX + 3 for part in found.split("; "))


def test_cause_when_long_is_short_on_the_page_and_whole_in_the_api() -> None:
    """Verdict, service and incident say it to people; a program gets what was said."""
    service = {"data-daemon": {"status": "DEGRADED", "reason": URL}}
    incident = {**sample.health_document()["incidents"][0], "reason": URL}
    raw = sample.health_bytes(reason=URL, services=service, incidents=[incident])
    of = reading(health=raw)
    view = viewed(of)
    row = next(row for row in view.services if row.name == "data-daemon")
    shown = {view.verdict.reason, row.reason, view.incidents[0].reason}
    assert shown == {"GET http://127.0.0.1:45489/v2/stocks/bars?…"}
    document = views_api.health_document(judged(of), of)
    assert document["reason"] == document["services"]["data-daemon"]["reason"] == URL
