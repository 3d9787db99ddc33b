"""Restart or park: the policy as a table, and the promise that no history can break."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.supervisor.restart_policy import (
    Death,
    Park,
    Restart,
    RestartRule,
    backoff_s,
    class_of_exit,
    deaths_in_a_row,
    decide,
    in_window,
)
from shared.models.health import ExitClass

pytestmark = pytest.mark.unit

RULE = RestartRule(
    max_failures=5, window_s=600.0, base_s=1.0, cap_s=30.0, jitter=0.25, stable_s=60.0
)
CRASH = ExitClass.UNCLASSIFIED


def death(at_s: float, uptime_s: float = 1.0, exit_class: ExitClass = CRASH) -> Death:
    """Return a crash at that second."""
    return Death(at_s, uptime_s, exit_class)


@pytest.mark.parametrize(
    ("code", "asked", "wanted"),
    [
        (75, False, ExitClass.TRANSIENT),
        (76, False, ExitClass.SCHEMA),
        (77, False, ExitClass.RISK),
        (78, False, ExitClass.CONFIG),
        (0, False, ExitClass.UNCLASSIFIED),
        (1, False, ExitClass.UNCLASSIFIED),
        (None, False, ExitClass.UNCLASSIFIED),
        (78, True, ExitClass.ASKED),
        (None, True, ExitClass.ASKED),
    ],
)
def test_exit_when_classified_then_the_request_decides_before_the_code(
    code: int | None, asked: bool, wanted: ExitClass
) -> None:
    """The classes of CONTRACTS.md section 2; a signal has no code."""
    assert class_of_exit(code, asked=asked) is wanted


@pytest.mark.parametrize("exit_class", [ExitClass.CONFIG, ExitClass.SCHEMA, ExitClass.RISK])
def test_hopeless_class_when_first_death_then_parked(exit_class: ExitClass) -> None:
    """What no restart can cure is parked at once."""
    decision = decide([death(100.0, exit_class=exit_class)], RULE, 100.0, 0.5)

    assert isinstance(decision, Park)
    assert decision.exit_class is exit_class


def test_first_death_when_decided_then_restart_at_once() -> None:
    """The first death after a stable life waits for nothing."""
    assert decide([death(100.0, uptime_s=3600.0)], RULE, 100.0, 0.9) == Restart(0.0)


def test_deaths_in_a_row_when_decided_then_waits_double_up_to_the_cap() -> None:
    """0, 1, 2, 4, 8, 16, 30, 30 seconds without jitter's help."""
    waits = [backoff_s(RULE, row, 0.5) for row in range(1, 9)]

    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


@given(st.integers(2, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_when_spread_then_within_jitter_and_cap(row: int, chance: float) -> None:
    """Jitter stays within its fraction, and nothing waits beyond the cap."""
    wait = backoff_s(RULE, row, chance)

    assert 0.75 <= wait <= RULE.cap_s


def test_stable_life_when_between_deaths_then_the_row_begins_anew() -> None:
    """A life of a minute resets the backoff, never the window."""
    deaths = [death(10.0), death(12.0), death(100.0, uptime_s=80.0)]

    assert deaths_in_a_row(deaths, RULE.stable_s) == 1
    assert len(in_window(deaths, RULE.window_s, 100.0)) == 3
    assert decide(deaths, RULE, 100.0, 0.5) == Restart(0.0)


def test_window_when_n_deaths_in_it_then_parked() -> None:
    """The fifth death within ten minutes parks, however slowly they came."""
    deaths = [death(at_s, uptime_s=100.0) for at_s in (0.0, 140.0, 280.0, 420.0, 560.0)]

    assert isinstance(decide(deaths[:4], RULE, 420.0, 0.5), Restart)
    assert isinstance(decide(deaths, RULE, 560.0, 0.5), Park)


def test_window_when_a_death_leaves_it_then_it_counts_no_more() -> None:
    """A death exactly M seconds old is out of the window."""
    deaths = [death(at_s, uptime_s=100.0) for at_s in (0.0, 150.0, 300.0, 450.0, 600.0)]

    assert isinstance(decide(deaths, RULE, 600.0, 0.5), Restart)


@given(
    max_failures=st.integers(1, 8),
    window_s=st.floats(1, 1000),
    stable_s=st.floats(0.1, 100),
    lives=st.lists(st.tuples(st.floats(0, 300), st.floats(0, 1, exclude_max=True)), max_size=80),
)
def test_restarts_when_any_history_then_never_more_than_n_in_any_window(
    max_failures: int, window_s: float, stable_s: float, lives: list[tuple[float, float]]
) -> None:
    """The owner's promise, for every sequence of deaths, supervisor crashes included: the tally
    is all that the decision looks at, and it is kept.
    """
    rule = RestartRule(max_failures, window_s, 1.0, 30.0, 0.25, stable_s)
    now_s, deaths, restarts = 0.0, [], []
    for uptime_s, chance in lives:
        now_s += uptime_s
        deaths.append(death(now_s, uptime_s))
        decision = decide(deaths, rule, now_s, chance)
        if isinstance(decision, Park):
            break
        now_s += decision.delay_s
        restarts.append(now_s)

    for last in restarts:
        # A hair wider at the open end: the sums above round.
        within = [at_s for at_s in restarts if last - window_s + 1e-6 < at_s <= last]
        assert len(within) <= max_failures
