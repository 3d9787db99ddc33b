"""The page's smaller panels: budgets, breakers, strategies, gates, drills, chaos, protection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chaos.archive import KEPT
from services.dashboard.views_log import LogFilter, log_view
from tests.support import documents as sample
from tests.support.readings import later, page_text, reading, viewed

pytestmark = pytest.mark.unit


def of_the_bot(**changed: Any) -> Any:
    """The page's view of a bot status with changes."""
    return viewed(reading(bot_status=sample.bot_status(**changed)))


def measured(**metrics: float) -> bytes:
    """A health.json in which the data-daemon measured this."""
    return sample.health_bytes(services={"data-daemon": {"metrics": metrics}})


@pytest.mark.parametrize(
    ("left", "shown", "bar", "tone"),
    [(185, "185", 92, "ok"), (10, "10", 5, "warn"), (0, "0", 0, "warn"), (None, "–", None, "ok")],  # noqa: RUF001
)
def test_budget_when_told_by_the_bot_shows_what_is_left(
    left: int | None, shown: str, bar: int | None, tone: str
) -> None:
    """A bar for what is left of the minute; none where nobody knows."""
    row = of_the_bot(budgets=[{"name": "broker account", "per_minute": 200, "left": left}]).budgets[
        0
    ]
    assert (row.left, row.per_minute, row.bar, row.tone) == (shown, "200", bar, tone)


@pytest.mark.parametrize(("left", "bar", "tone"), [(22, 100, "ok"), (3, 13, "ok"), (0, 0, "warn")])
def test_budget_when_it_is_a_share_of_our_own_is_held_against_what_may_go_at_once(
    left: int, bar: int, tone: str
) -> None:
    """A third of the minute may go at once: rested and whole it must not look two thirds spent."""
    told = {"name": "broker read", "per_minute": 67, "at_once": 22, "left": left}
    view = of_the_bot(budgets=[told])
    row = view.budgets[0]
    assert (row.whole, row.per_minute, row.bar, row.tone) == ("22", "67", bar, tone)
    assert "of 22 at once, 67 a minute" in page_text(view, signed_in=False)


def test_budgets_and_breakers_of_other_services_are_there_too() -> None:
    """What data-daemon measures of its doors stands beside the bot's."""
    view = viewed(reading(health=measured(rate_left_market_data=12.0, breaker_market_data=2.0)))
    assert [(row.name, row.by, row.left, row.bar) for row in view.budgets] == [
        ("market data", "data-daemon", "12", None)
    ]
    assert [(row.name, row.by, row.word, row.tone) for row in view.breakers] == [
        ("market data", "data-daemon", "open", "bad")
    ]


def breakers(state: str) -> list[dict[str, Any]]:
    """The broker's three breakers, that of the entries in the state."""
    calm = {"state": "closed", "failures": 0, "retry_in_s": 0.0}
    return [
        {"name": "broker", **calm},
        {"name": "broker-entries", "state": state, "failures": 5, "retry_in_s": 12.0},
        {"name": "broker-safety", **calm},
    ]


def test_breakers_when_all_are_closed_are_one_calm_line() -> None:
    """Three ways out of one dependency, and nothing to say of them."""
    (row,) = of_the_bot(breakers=breakers("closed")).breakers
    assert (row.name, row.word, row.tone, row.detail) == ("broker", "closed", "ok", "")


def test_breakers_when_one_is_open_say_which_way_and_until_when() -> None:
    """The worst word counts, the line says the rest."""
    (row,) = of_the_bot(breakers=breakers("open")).breakers
    assert (row.word, row.tone) == ("open", "bad")
    assert row.detail == "reads closed, entries open (again in 12 s), safety closed"


def test_budgets_and_breakers_when_bot_is_silent_are_the_past() -> None:
    """An old green light is none."""
    status = sample.bot_status(
        breakers=breakers("closed"), budgets=[{"name": "b", "per_minute": 200, "left": 150}]
    )
    view = viewed(replace(later(60), bot_status=status))
    assert (view.breakers[0].word, view.breakers[0].tone) == ("was closed", "warn")
    assert (view.budgets[0].left, view.budgets[0].tone) == ("was 150", "warn")


def test_strategies_when_one_was_switched_off_show_it_first_with_its_reason() -> None:
    """A strategy that is silent says why."""
    rows = of_the_bot(
        strategies=[
            {"name": "momentum", "on": True, "reason": "", "faults": 0, "tried_on": "20 bars"},
            {"name": "options_flow", "on": False, "reason": "3 faults: KeyError", "faults": 3},
            {"name": "odd"},
        ]
    ).strategies
    assert [(row.name, row.word, row.tone, row.told) for row in rows] == [
        ("options_flow", "switched off", "bad", "3 faults: KeyError; faults: 3"),
        ("odd", "unknown", "bad", "faults: –"),  # noqa: RUF001  the page's own sign
        ("momentum", "on", "ok", "faults: 0; tried on 20 bars"),
    ]


def test_gates_show_only_what_was_held_back_newest_first() -> None:
    """A signal that passed is an order; one that did not is part of why not."""
    line = {"at": sample.stamp(9), "gate": "spread", "symbol": "A", "passed": True, "detail": ""}
    held = [{**line, "symbol": name, "passed": False, "detail": "wide"} for name in ("B", "C")]
    rows = of_the_bot(gates=[line, *held]).gates
    assert [(row.symbol, row.gate, row.detail) for row in rows] == [
        ("C", "spread", "wide"),
        ("B", "spread", "wide"),
    ]


def run(name: str, verdict: str, recover_s: float | None = 2.34) -> dict[str, Any]:
    """One line of the history of drills."""
    return {
        "ts": sample.stamp(60),
        "name": name,
        "verdict": verdict,
        "detect_s": 0.4,
        "respond_s": 0.5,
        "alert_s": None,
        "recover_s": recover_s,
        "seed": 1,
    }


def test_drills_show_the_newest_run_and_how_many_passed_failures_first() -> None:
    """A scorecard for each drill; what never happened is no zero."""
    history = (
        run("bot_hang", "FAILED"),
        run("bot_hang", "PASSED"),
        run("disk_full", "FAILED", None),
    )
    assert set(history[0]) == {"ts", *KEPT}
    disk, hang = viewed(reading(drills=history)).drills
    assert (hang.name, hang.verdict, hang.tone, hang.record) == (
        "bot_hang",
        "PASSED",
        "ok",
        "1 of 2",
    )
    assert (disk.tone, disk.recovered, disk.alerted, disk.detected) == ("bad", "–", "–", "0.4 s")  # noqa: RUF001


def told(event: str, text: str) -> dict[str, Any]:
    """A word of the saboteur, ten seconds ago."""
    return {"ts": sample.stamp(10), "event": event, "msg": f"CHAOS {text}"}


BEGAN = told("chaos_began", "bot_hang: the bot is stopped; for 40 s")


@pytest.mark.parametrize(
    ("lines", "stage", "is_over"),
    [
        ((), "The saboteur has said nothing yet", False),
        ((told("chaos_armed", "bot_hang in 5 s"),), "A fault is armed", False),
        ((BEGAN,), "A fault is on", False),
        ((BEGAN, told("chaos_ended", "bot_hang is over")), "The fault is over", True),
        ((BEGAN, BEGAN, told("chaos_ended", "one is over")), "The fault is over", False),
    ],
)
def test_chaos_banner_says_how_far_the_fault_is(
    lines: tuple[dict[str, Any], ...], stage: str, is_over: bool
) -> None:
    """Red from the moment that somebody may break things until the last fault is over."""
    raw = sample.health_bytes(chaos_mode="bot_hang,uw_down")
    chaos = viewed(reading(health=raw, chaos=lines)).chaos
    assert chaos is not None
    assert (chaos.names, chaos.stage, chaos.is_over) == ("bot_hang, uw_down", stage, is_over)


def test_chaos_when_off_has_no_banner_whatever_the_log_says() -> None:
    """An old log is no fault of today."""
    assert viewed(reading(chaos=(BEGAN,))).chaos is None


def test_protection_when_a_stop_is_not_confirmed_names_the_position() -> None:
    """Who is naked, not only how much."""
    naked = [sample.position(), sample.position("NVDA", stop_confirmed=False)]
    protection = of_the_bot(positions=naked, coverage_pct=50.0, unknown_outcomes=1).protection
    assert (protection.coverage, protection.tone) == ("50 %", "bad")
    assert protection.detail == "not confirmed: NVDA"
    outcome = protection.facts[1]
    assert (outcome.value, outcome.tone) == ("1", "bad")


@pytest.mark.parametrize("status", [None, {**sample.bot_status(), "coverage_pct": None}])
def test_protection_when_nobody_knows_is_neither_zero_nor_whole(status: Any) -> None:
    """Unknown coverage is bad news, shown as unknown."""
    protection = viewed(reading(bot_status=status)).protection
    assert (protection.coverage, protection.tone) == ("–", "bad")  # noqa: RUF001  the page's own sign


def test_protection_when_bot_is_silent_is_no_green_light() -> None:
    """What was whole a minute ago may be naked now."""
    assert viewed(later(60)).protection.tone == "warn"


def test_stops_when_the_broker_cannot_be_asked_are_what_was_last_heard() -> None:
    """The bot speaks, but of the account it knows nothing: no confirmation is of now."""
    view = of_the_bot(cash=None)
    assert view.protection.tone == "warn"
    assert view.positions[0].stop_word == "confirmed when last heard"
    assert view.account.note.startswith("The broker cannot be asked")


def test_limits_are_shown_in_their_own_unit() -> None:
    """Dollars as dollars, a fraction as percent, a count as a count."""
    view = of_the_bot(
        limits=[
            {"name": "daily_loss", "limit": "2000.29", "used": "0", "used_pct": 0.0},
            {"name": "drawdown_pct", "limit": "0.10", "used": "0.0123", "used_pct": 12.3},
            {"name": "open_positions", "limit": "10", "used": "4", "used_pct": 40.0},
        ]
    )
    assert [(row.name, row.used, row.limit) for row in view.limits] == [
        ("daily loss", "$0.00", "$2,000.29"),
        ("drawdown", "1.23 %", "10.00 %"),
        ("open positions", "4", "10"),
    ]


@pytest.mark.parametrize(("told", "shown"), [(99.97, "99 %"), (100.0, "100 %"), (100.4, "100 %")])
def test_shares_of_a_whole_are_never_rounded_up_to_it(told: float, shown: str) -> None:
    """A naked share among a thousand is not `100 % under a stop`, and a limit that is nearly used
    is not used.
    """
    row = {"name": "gross_exposure", "limit": "1000", "used": "999", "used_pct": told}
    view = of_the_bot(coverage_pct=told, limits=[row])
    assert view.protection.told == f"{shown} under a stop"
    assert view.limits[0].used_pct == shown
    assert (view.limits[0].tone == "bad") is (told > 100)


def test_limits_when_the_bot_is_silent_are_what_was_used_and_none_is_well() -> None:
    """A green bar of a bot that died an hour ago would say that there is room."""
    now, old = viewed(reading()).limits, viewed(later(60)).limits
    assert now[0].tone == "ok"
    assert {row.tone for row in old} == {"warn"}
    assert [row.used for row in old] == [f"was {row.used}" for row in now]


def test_services_when_a_count_is_missing_show_no_zero() -> None:
    """Nobody has counted, so nobody has counted zero."""
    raw = sample.health_bytes(services={"heartbeat": {"restarts": None, "max_failures": None}})
    row = viewed(reading(health=raw)).services[-1]
    assert (row.restarts, row.failures) == ("–", "0/– in 10 min")  # noqa: RUF001


LINES = [
    {
        "ts": sample.stamp(5),
        "level": "INFO",
        "event": "order_filled",
        "msg": "filled",
        "symbol": "BAC",
    },
    {"ts": sample.stamp(4), "level": "ERROR", "event": "call_failed", "msg": "<b>no</b> answer"},
]


def test_log_when_words_are_wanted_shows_only_lines_that_hold_them() -> None:
    """The whole line is searched, in any case; the newest line stands first."""
    whole = log_view(LogFilter(), LINES, (), sample.NOW, 10)
    assert [row.event for row in whole.rows] == ["call_failed", "order_filled"]
    assert whole.rows[1].said == "filled symbol=BAC"
    found = log_view(LogFilter(find="bac"), LINES, (), sample.NOW, 10)
    assert [row.event for row in found.rows] == ["order_filled"]


def test_log_when_there_is_none_is_unknown_and_when_nothing_fits_is_empty() -> None:
    """No log and no line are two answers."""
    assert log_view(LogFilter(), None, (), sample.NOW, 10).is_unknown
    assert not log_view(LogFilter(find="zebra"), LINES, (), sample.NOW, 10).is_unknown
