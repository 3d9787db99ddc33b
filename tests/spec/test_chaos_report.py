"""The report: one document, told to people, machines and continuous integration alike."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

import chaos.report
from chaos.catalogue import CATALOGUE
from chaos.damage import DAMAGES, damaged
from chaos.gateway_head import passed_on
from chaos.judge import Judged, Verdict, judge
from chaos.report import drill_document, earlier_of, junit_of, line_of, report_of, trend_of
from chaos.report_page import page_of
from chaos.row import Invariant
from chaos.runner import Outcome
from tests.support.chaos_history import good

pytestmark = pytest.mark.unit

SCHEMA = re.compile(r"`(\w+,[\w,\s]+)`")
"""A list of names in the docstring that states the schema."""
TIMES = ("2026-01-05T14:00:00.000Z", "2026-01-05T14:01:00.000Z")
HEAD = b"GET /v2/clock HTTP/1.1\r\nhost: 127.0.0.1:9\r\nConnection: keep-alive\r\nX: y\r\n\r\n"


def outcome(name: str, verdict: Verdict | None = None) -> Outcome:
    """A drill that passed, or with another verdict over it."""
    row = CATALOGUE[name]
    seen = good(row)
    judged = judge(row, seen)
    if verdict is not None:
        judged = Judged(verdict, ("<b>evil</b> & more",))
    return Outcome(row, judged, seen.moments, tuple(seen.samples), 1, "told", 7)


@pytest.mark.parametrize("verdict", [one for one in Verdict if one is not Verdict.PASSED])
def test_report_when_one_drill_did_not_pass_then_the_whole_failed(verdict: Verdict) -> None:
    """Exit 0 means that all passed; nothing at all is no pass either."""
    both = [outcome("alpaca_down"), outcome("bot_hang", verdict)]

    assert report_of(both[:1], TIMES, 1)["exit_code"] == 0
    assert report_of(both, TIMES, 1)["exit_code"] == 1
    assert report_of([], TIMES, 1)["exit_code"] == 1


def test_report_when_written_then_it_holds_what_its_schema_says() -> None:
    """Seconds count from the injection, recovery from the end of the fault."""
    report = json.loads(json.dumps(report_of([outcome("alpaca_down")], TIMES, 1)))
    (drill,) = report["drills"]

    assert report["schema_version"] == 2
    assert (drill["detect_s"], drill["respond_s"], drill["recover_s"]) == (1.0, 1.0, 1.0)
    assert [one["overall"] for one in drill["timeline"]] == ["OK", "DEGRADED", "OK"]
    assert len(drill["invariants"]) == len(Invariant)
    whole, one, *_ = (
        set(re.findall(r"\w+", part)) for part in SCHEMA.findall(str(chaos.report.__doc__))
    )
    assert set(report) | {"growth"} == whole
    assert set(drill) | {"earlier", "trend"} == one
    assert line_of(drill).startswith("PASSED       alpaca_down")


def test_page_when_a_reason_holds_markup_then_it_is_shown_and_not_run() -> None:
    """Texts of a broken system are foreign texts; the page fetches nothing."""
    page = page_of(report_of([outcome("bot_hang", Verdict.FAILED)], TIMES, 1))

    assert "<b>evil" not in page
    assert "&lt;b&gt;evil&lt;/b&gt; &amp; more" in page
    assert page.count("<svg") == 1
    assert not re.search(r"<script|https?://", page)


def test_junit_when_drills_differ_then_each_is_counted_by_its_verdict() -> None:
    """Failures fail, what was not run is skipped."""
    some = [outcome("alpaca_down"), outcome("bot_hang", Verdict.INCONCLUSIVE)]
    text = junit_of(report_of([*some, outcome("uw_down", Verdict.NOT_RUN)], TIMES, 1))

    assert 'tests="3" failures="1" skipped="1"' in text
    assert "&lt;b&gt;evil" in text


def test_junit_when_a_reason_holds_what_no_xml_may_then_it_is_well_formed_all_the_same() -> None:
    """A broken system may say anything; whoever reads the result must still be able to."""
    ground = 'zero \x00, escape \x1b[2J, half \ud800, "quoted" <&>'
    odd = replace(outcome("bot_hang"), judged=Judged(Verdict.FAILED, (ground,)))

    (case,) = ElementTree.fromstring(junit_of(report_of([odd], TIMES, 1)).encode())

    (failure,) = case
    assert (failure.tag, failure.get("message")) == ("failure", "FAILED")
    assert failure.text == 'zero ?, escape ?[2J, half ?, "quoted" <&>'


def test_trend_when_there_are_earlier_runs_then_those_that_passed_are_compared() -> None:
    """One slow failure must not lift the median."""
    drill = drill_document(outcome("alpaca_down"))
    earlier = [
        {"name": "alpaca_down", "verdict": "PASSED", "recover_s": 2.0},
        {"name": "alpaca_down", "verdict": "FAILED", "recover_s": 90.0},
        {"name": "bot_hang", "verdict": "PASSED", "recover_s": 80.0},
    ]

    assert earlier_of(drill, earlier) == [2.0]
    assert (
        trend_of(drill, earlier_of(drill, earlier))
        == "recovered in 1.0 s, median of 1 earlier: 2.0 s"
    )
    assert "no earlier run" in trend_of(drill, [])


def test_damage_when_drawn_then_it_always_damages_and_repeats() -> None:
    """Four kinds by the seed; never the same bytes as before."""
    raw = json.dumps({"envelope": {"seq": 1}, "payload": {"positions": {}}}).encode()

    assert {damaged(raw, seed)[0] for seed in range(4)} == set(DAMAGES)
    for seed in range(200):
        assert damaged(raw, seed) == damaged(raw, seed)
        assert damaged(raw, seed)[1] != raw
    assert damaged(b"", 0)[1]


def test_head_when_passed_on_then_host_and_connection_are_the_gateways_own() -> None:
    """One request a connection; a stream keeps its upgrade."""
    assert passed_on(HEAD, "api.example") == (
        b"GET /v2/clock HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\nX: y\r\n\r\n"
    )
    stream = b"GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert b"Connection: Upgrade\r\nUpgrade: websocket" in passed_on(stream, "api.example")
    with pytest.raises(ValueError, match="no HTTP request"):
        passed_on(b"\x16\x03\x01\r\n\r\n", "api.example")
