"""Start and stop order, needs, watchdog; the service table; the words of sd_notify."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.supervisor.launch import REPOSITORY
from services.supervisor.notify_words import EXTENSION_S_MAX, parse_words
from services.supervisor.plan import (
    HELD_S_MAX,
    Launch,
    NeedFacts,
    Watch,
    WatchFacts,
    dependency_circle,
    launch_answer,
    next_limit_s,
    start_order,
    stop_order,
    watch_answer,
)
from services.supervisor.table import Defaults, parse_table
from shared.errors import ConfigFault
from shared.health.evidence import BeatRule, Evidence
from shared.models.health import ExitClass, Phase, Status, TradingWord

pytestmark = pytest.mark.unit

DEFAULTS = Defaults(5, 600.0)
RULE = BeatRule(notify=True, ready_s=30, beat_s=2, watchdog_s=20)
SHIPPED = (REPOSITORY / "services" / "services.toml").read_text(encoding="utf-8")


def test_order_when_shipped_table_then_needs_come_first_and_stop_is_its_reverse() -> None:
    """The bot stops before its data, and the exchange last."""
    needs = {spec.name: spec.needs for spec in parse_table(SHIPPED, "sim", DEFAULTS)}

    assert stop_order(needs) == (
        "heartbeat", "dashboard", "trading-bot", "data-daemon", "exchange-sim",
    )  # fmt: skip
    assert start_order(needs) == tuple(reversed(stop_order(needs)))


@given(st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefg"))))
def test_order_when_any_graph_then_a_circle_is_found_or_needs_come_first(
    graph: dict[str, list[str]],
) -> None:
    """Either the circle is real, or the order respects every need."""
    circle = dependency_circle(graph)
    if circle:
        assert circle[0] == circle[-1]
        assert all(after in graph[before] for before, after in itertools.pairwise(circle))
        return
    order = start_order(graph)
    assert sorted(order) == sorted(graph)
    for name, needs in graph.items():
        for need in needs:
            if need in graph:
                assert order.index(need) < order.index(name)


@pytest.mark.parametrize(
    ("facts", "launch"),
    [
        ({}, Launch.NOW),
        ({"a": NeedFacts(Phase.RUNNING, True, True)}, Launch.NOW),
        ({"a": NeedFacts(Phase.STARTING, False, True)}, Launch.WAIT),
        ({"a": NeedFacts(Phase.BACKOFF, False, True)}, Launch.WAIT),
        ({"a": NeedFacts(Phase.PARKED, False, False)}, Launch.BLOCKED),
        ({"a": NeedFacts(Phase.STOPPED, False, False)}, Launch.BLOCKED),
        ({"a": NeedFacts(Phase.STOPPED, False, True)}, Launch.WAIT),
        (
            {
                "a": NeedFacts(Phase.RUNNING, True, True),
                "b": NeedFacts(Phase.PARKED, False, False),
            },
            Launch.BLOCKED,
        ),
    ],
)
def test_launch_when_needs_stand_so_then_now_wait_or_blocked(
    facts: dict[str, NeedFacts], launch: Launch
) -> None:
    """READY of all needs starts it; a parked or stopped need blocks it."""
    assert launch_answer(facts).launch is launch


def facts(**changes: object) -> WatchFacts:
    """Return what the watchdog sees of a healthy process, changed."""
    good: dict[str, object] = {
        "phase": Phase.RUNNING,
        "ready": True,
        "silent_for_s": 1.0,
        "running_for_s": 100.0,
        "extended": False,
        "held_s": 0.0,
        "rss_bytes": 1000,
    }
    return WatchFacts(**(good | changes))  # type: ignore[arg-type] # a table of plain facts


@pytest.mark.parametrize(
    ("seen", "ceiling", "wanted"),
    [
        (facts(), None, Watch.KEEP),
        (facts(silent_for_s=19.9), None, Watch.KEEP),
        (facts(silent_for_s=20.1), None, Watch.ABORT),
        (facts(silent_for_s=20.1, extended=True), None, Watch.KEEP),
        (facts(ready=False, running_for_s=49.0, silent_for_s=49.0), None, Watch.KEEP),
        (facts(ready=False, running_for_s=51.0), None, Watch.ABORT),
        (facts(phase=Phase.STOPPING, silent_for_s=99.0), None, Watch.KEEP),
        (facts(silent_for_s=99.0, held_s=80.0), None, Watch.KEEP),
        (facts(silent_for_s=101.0, held_s=80.0), None, Watch.ABORT),
        (facts(silent_for_s=20.0 + HELD_S_MAX, held_s=900.0), None, Watch.KEEP),
        (facts(silent_for_s=20.1 + HELD_S_MAX, held_s=900.0), None, Watch.ABORT),
        (facts(ready=False, running_for_s=99.0, held_s=50.0), None, Watch.KEEP),
        (facts(ready=False, running_for_s=101.0, held_s=50.0), None, Watch.ABORT),
        (facts(held_s=900.0), 999, Watch.RENEW),
        (facts(), 999, Watch.RENEW),
        (facts(rss_bytes=None), 999, Watch.KEEP),
    ],
)
def test_watchdog_when_a_process_looks_so_then_kept_killed_or_renewed(
    seen: WatchFacts, ceiling: int | None, wanted: Watch
) -> None:
    """Silence is a hang; time that was asked for is not, nor a wait for the disk or a processor
    unless it never ends; too much memory is a planned restart.
    """
    assert watch_answer(seen, RULE, ceiling).watch is wanted


def test_watchdog_when_it_spares_a_held_process_then_it_says_why() -> None:
    """Else nobody would know why a silent service is left alone."""
    assert (
        "waits for the disk" in watch_answer(facts(silent_for_s=30, held_s=25), RULE, None).reason
    )
    assert watch_answer(facts(), RULE, None).reason == ""


def seen_as(**changes: object) -> Evidence:
    """Return the evidence of a service that beats and moves on, changed."""
    good = Evidence(
        phase=Phase.RUNNING,
        phase_reason="running",
        ready=True,
        running_for_s=100.0,
        beat_age_s=1.0,
        progress_age_s=1.0,
    )
    return replace(good, **changes)  # type: ignore[arg-type] # a table of plain facts


@pytest.mark.parametrize(
    ("evidence", "wanted_s"),
    [
        pytest.param(seen_as(), 2.0, id="late after 1.5 beats"),
        pytest.param(seen_as(beat_age_s=3.5), 2.5, id="failed after three"),
        pytest.param(seen_as(beat_age_s=6.5, progress_age_s=6.5), 13.5, id="then the watchdog"),
        pytest.param(seen_as(beat_age_s=0.0, progress_age_s=5.5), 0.5, id="progress stands still"),
        pytest.param(seen_as(beat_age_s=0.0, progress_age_s=19.0), 1.0, id="and fails"),
        pytest.param(seen_as(beat_age_s=21.0, progress_age_s=21.0), math.inf, id="nothing more"),
        pytest.param(
            seen_as(ready=False, phase=Phase.STARTING, running_for_s=29.0), 1.0, id="not ready"
        ),
        pytest.param(seen_as(ready=False, running_for_s=45.0), 5.0, id="hung before READY"),
        pytest.param(seen_as(phase=Phase.PARKED), math.inf, id="it is down"),
    ],
)
def test_limit_when_silence_goes_on_then_the_next_moment_that_changes_something(
    evidence: Evidence, wanted_s: float
) -> None:
    """The supervisor sleeps until then, and not longer: lateness is found when it begins."""
    assert next_limit_s(evidence, RULE) == pytest.approx(wanted_s)


def test_limit_when_a_service_never_promised_to_beat_then_there_is_none() -> None:
    """It is OK while it runs."""
    assert next_limit_s(seen_as(), replace(RULE, notify=False)) == math.inf


def test_table_when_faulty_then_every_fault_is_named() -> None:
    """Unknown keys, wrong types, ranges, needs and circles, all in one message."""
    text = """
        [service.a]
        command = []
        needs = ["b"]
        colour = "red"
        [service.b]
        module = "x"
        command = ["y"]
        needs = ["a"]
        beat_s = -1
        modes = ["moon"]
        [service.c]
        module = "not a module"
        needs = ["nobody"]
        watchdog_s = 0.5
        critical = "yes"
        environment = { "A=B" = "x" }
        [service."UPPER"]
        module = "x"
        [service.supervisor]
        module = "x"
    """
    with pytest.raises(ConfigFault) as caught:
        parse_table(text, "sim", DEFAULTS)

    for word in (
        "command must not be empty", "colour", "exactly one", "beat_s", "moon", "not a module",
        "nobody", "watchdog_s", "critical", "A=B", "UPPER", "'supervisor'", "circle",
    ):  # fmt: skip
        assert word in str(caught.value), word


@pytest.mark.parametrize("text", ["", "service = 3", "[service]", "no toml [", "[other]\nx = 1"])
def test_table_when_it_is_none_then_config_fault(text: str) -> None:
    """A file without services is a fault, not an empty system."""
    with pytest.raises(ConfigFault):
        parse_table(text, "sim", DEFAULTS)


def test_table_when_another_mode_then_its_rows_and_needs_are_left_out() -> None:
    """In paper there is no exchange-sim, and nobody waits for it."""
    specs = {spec.name: spec for spec in parse_table(SHIPPED, "paper", DEFAULTS)}

    assert set(specs) == {"data-daemon", "trading-bot", "dashboard", "heartbeat"}
    assert specs["trading-bot"].needs == ()
    assert specs["trading-bot"].critical
    assert not specs["dashboard"].critical
    assert specs["dashboard"].restart.max_failures == 5


def test_words_when_a_beat_is_read_then_every_word_arrives() -> None:
    """The words of CONTRACTS.md section 6."""
    words = parse_words(
        b"READY=1\nWATCHDOG=1\nX_HEALTH=DEGRADED\nX_REASON=a=b\nX_PROGRESS=7\nX_PORT=8000\n"
        b"X_TRADING_STATE=REDUCING\nX_TRADING_STATE_CAUSE=data\nX_CLASS=RISK\n"
        b'X_METRICS={"orders": 3, "bad": "x", "nan": NaN}\nEXTEND_TIMEOUT_USEC=1500000\nNEW=1'
    )

    assert words is not None
    assert words.ready
    assert words.beat
    assert (words.health, words.reason, words.progress) == (Status.DEGRADED, "a=b", 7)
    assert words.trading == TradingWord("REDUCING", "data")
    assert words.metrics == {"orders": 3.0}
    assert (words.port, words.extend_s, words.failure_class) == (8000, 1.5, ExitClass.RISK)


@pytest.mark.parametrize(
    ("line", "name", "wanted"),
    [
        ("X_HEALTH=SPLENDID", "health", Status.DEGRADED),
        ("X_PROGRESS=-3", "progress", None),
        ("X_PROGRESS=99999999999999999999", "progress", None),
        ("X_PORT=70000", "port", None),
        ("X_METRICS=[1]", "metrics", None),
        ("X_METRICS={", "metrics", None),
        (f'X_METRICS={{"a": {10**400}, "b": -1e999, "c": 2}}', "metrics", {"c": 2.0}),
        ("X_TRADING_STATE=HAPPY", "trading", TradingWord("HALTED", "supervision")),
        ("EXTEND_TIMEOUT_USEC=999999999999", "extend_s", EXTENSION_S_MAX),
        ("X_REASON=\x1b[2Jred", "reason", "[2Jred"),
        ("READY=0", "ready", False),
    ],
)
def test_words_when_one_is_wrong_then_it_says_nothing_good(
    line: str, name: str, wanted: object
) -> None:
    """A word that makes no sense is never taken for good news."""
    assert getattr(parse_words(line.encode()), name) == wanted


@given(st.binary(max_size=9000))
def test_words_when_any_bytes_then_never_an_exception(datagram: bytes) -> None:
    """Floods of garbage are read, not suffered."""
    words = parse_words(datagram)

    assert words is None or json.dumps(words.metrics or {})
