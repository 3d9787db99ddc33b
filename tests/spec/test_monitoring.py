"""What Prometheus and Grafana are given: every name in it is one that the exporter tells."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from services.dashboard import metrics
from services.heartbeat.subjects import Severity
from shared.errors import FailureClass
from shared.resilience.breaker import CallBreaker
from shared.resilience.call_tally import BOUNDS_MS, CallTally
from shared.resilience.classification import classify_reply
from shared.resilience.classification_tally import WordTally
from shared.resilience.door_rules import DoorRules
from shared.resilience.door_standing import standing_of
from shared.resilience.governor import Governor
from shared.resilience.lanes import Lane
from tests.house.source_tree import ROOT
from tests.support import documents as sample
from tests.support.clock import ManualClock
from tests.support.readings import judged, reading

pytestmark = pytest.mark.unit

FOLDER = ROOT / "monitoring"
RULES = FOLDER / "alert-rules.yaml"
NAME = re.compile(r"\bsht_\w+")
MATCHERS = re.compile(r"(sht_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')
Scrape = dict[str, list[dict[str, str]]]


def door_metrics() -> dict[str, float]:
    """What a door that has seen something tells in its beats, made by the real counters."""
    clock = ManualClock()
    governor = Governor(DoorRules(), clock)
    governor.learn(200, {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "7"})
    breaker = CallBreaker("broker", clock)
    words, calls = WordTally(), CallTally()
    words.note(classify_reply(429, '{"message": "rate limit exceeded"}'))
    for seconds in (0.05, 0.3, 9.0):
        calls.took(seconds)
    calls.failed(FailureClass.TRANSIENT)
    standing = standing_of("broker", {Lane.READ: breaker}, governor)
    return {**standing.metrics, **words.metrics(), **calls.metrics("broker")}


def scrape(with_money: bool = True) -> Scrape:
    """Every sample of a whole scrape: name to its labels."""
    beating = {"trading-bot": {"metrics": {"turn_ms": 12.5, **door_metrics()}}}
    beating["heartbeat"] = {"metrics": {"alerts_waiting": 0.0}}
    row = {"limit": "2000", "used": "0", "used_pct": 0.0}
    names = ("daily_loss", "drawdown_pct", "gross_exposure", "largest_position", "open_positions")
    of = reading(
        health=sample.health_bytes(services=beating),
        bot_status=sample.bot_status(
            budgets=[{"name": "broker read", "per_minute": 100, "left": 60}],
            limits=[{"name": name, **row} for name in names],
        ),
    )
    found: Scrape = defaultdict(list)
    text = metrics.exposition(of, judged(of), with_money).decode()
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found[one.name].append(dict(one.labels))
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Where a question to Prometheus stands, and the question."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    page = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))
    for panel in page["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for mark in page["annotations"]["list"]:
        yield mark["name"], mark["expr"]


def rules() -> list[dict[str, Any]]:
    """Every alert rule."""
    document = yaml.safe_load(RULES.read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_names_when_rules_and_panels_ask_for_them_then_a_scrape_holds_each() -> None:
    """No alert and no panel waits for a metric that nobody tells; labels and words exist, too."""
    found = scrape()
    for place, text in expressions():
        names = set(NAME.findall(text))
        assert names, place
        assert names <= set(found), f"{place}: {names - set(found)}"
        for name, inside in MATCHERS.findall(text):
            for label, word in MATCHER.findall(inside):
                values = {labels.get(label) for labels in found[name]}
                assert values & {*word.split("|"), *RENAMED.get(word, ())}, f"{place}: {label}"


RENAMED = {"bars|quotes": ("alpaca stream",)}
"""The feeds of the sample documents have names of their own."""


def test_scrape_when_it_tells_something_then_a_panel_or_a_rule_shows_it() -> None:
    """Nothing is measured for nobody; what is listed here is for questions typed by hand."""
    asked = {name for _, text in expressions() for name in NAME.findall(text)}
    by_hand = {
        "sht_health_code",
        "sht_service_progress_total",
        "sht_service_last_beat_timestamp_seconds",
        "sht_service_cpu_percent",
        "sht_win_rate",
        "sht_max_drawdown_pct",
        "sht_cash",
    }
    assert set(scrape()) - asked == by_hand


def test_scrape_when_there_is_no_health_document_tells_no_zero_that_nobody_counted() -> None:
    """No count of incidents and no word of chaos: a missing sample is what a rule can see."""
    of = reading(health=None, bot_status=None)
    text = metrics.exposition(of, judged(of), True).decode()
    names = {one.name for family in text_string_to_metric_families(text) for one in family.samples}
    assert 'sht_health_state{state="FAILED"} 1.0' in text
    assert not names & {"sht_incidents_open", "sht_chaos_active", "sht_limit_used_pct"}


def test_calls_when_scraped_then_they_are_a_histogram_in_seconds_beside_their_failures() -> None:
    """Counts that only grow, from the flat names of a beat; no money is in them."""
    found = scrape(with_money=False)
    of_broker = {"service": "trading-bot", "door": "broker"}
    ends = [labels["le"] for labels in found["sht_call_seconds_bucket"]]
    assert ends == [*(str(bound / 1_000) for bound in BOUNDS_MS), "+Inf"]
    assert found["sht_call_seconds_sum"] == [of_broker]
    assert found["sht_call_failures_total"] == [{**of_broker, "class": "TRANSIENT"}]
    assert found["sht_words_accuracy_pct"] == [{"service": "trading-bot"}]
    assert found["sht_rate_left"] == [of_broker]
    assert found["sht_breaker_state"] == [{"service": "trading-bot", "breaker": "broker"}]
    assert "sht_service_metric" not in found


def test_calls_when_counted_then_each_duration_falls_into_every_wider_class() -> None:
    """What took 50 ms is within 100 and 500 and 2000 ms; what took 9 s only in the whole."""
    told = door_metrics()
    assert [told[f"calls_within_{bound}ms_broker"] for bound in BOUNDS_MS] == [1.0, 2.0, 2.0]
    assert (told["calls_broker"], told["call_seconds_broker"]) == (3.0, 9.35)
    assert told["calls_failed_transient_broker"] == 1.0


@pytest.mark.parametrize(
    "name", ["calls_within_" + "9" * 40 + "ms_x", "calls_failed_", "call_seconds_", "breaker_"]
)
def test_scrape_when_a_service_tells_names_that_mean_nothing_still_parses(name: str) -> None:
    """A beat of nonsense costs its own sample, not the scrape."""
    odd = {name: 1.0, "calls_x": 1.0, "call_seconds_x": 1.0}
    of = reading(health=sample.health_bytes(services={"trading-bot": {"metrics": odd}}))
    text = metrics.exposition(of, judged(of), True).decode()
    assert list(text_string_to_metric_families(text))


def test_mean_time_to_recover_is_of_the_incidents_that_ended() -> None:
    """One that lasts is counted among the incidents and not in the mean."""
    row = sample.health_document()["incidents"][0]
    incidents = [{**row, "recovered_after_s": after} for after in (1.0, 3.0, None)]
    of = reading(health=sample.health_bytes(incidents=incidents))
    text = metrics.exposition(of, judged(of), False).decode()
    assert 'sht_mttr_seconds{service="trading-bot"} 2.0' in text
    assert 'sht_incidents_recent{class="TRANSIENT",service="trading-bot"} 3.0' in text


def test_rules_when_read_then_each_has_severity_words_and_a_section_of_the_runbook() -> None:
    """An alert says how urgent it is and where it is written what to do."""
    text = (ROOT / "RUNBOOK.md").read_text("utf-8")
    sections = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in set(Severity)
        assert rule["annotations"]["summary"]
        file, _, section = rule["annotations"]["runbook"].partition("#")
        assert file == "RUNBOOK.md"
        assert section in sections, rule["alert"]


def test_rules_when_promtool_is_here_then_it_takes_them() -> None:
    """The tool of Prometheus itself reads the file, where it is installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed here: apt-get install prometheus")
    command = [promtool, "check", "rules", str(RULES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
