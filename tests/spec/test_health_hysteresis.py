"""Flips without flapping: table and properties."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.health.codes import is_worse
from shared.health.hysteresis import HOLD_S, Shown, shown_after
from shared.models.health import Status

pytestmark = pytest.mark.unit

OK, DEGRADED, FAILED = Status.OK, Status.DEGRADED, Status.FAILED
CALM = Shown(OK, was_ok=True)
STEPS = st.lists(
    st.tuples(st.floats(0.0, 2 * HOLD_S), st.sampled_from(list(Status))), min_size=1, max_size=60
)


def history(steps: list[tuple[float, Status]], first: Shown) -> list[tuple[float, Status, Shown]]:
    """Return when what was judged, and what was shown then."""
    now_s, shown, told = 0.0, first, []
    for wait_s, judged in steps:
        now_s += wait_s
        shown = shown_after(shown, judged, now_s)
        told.append((now_s, judged, shown))
    return told


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        ([(0.0, FAILED)], FAILED),
        ([(0.0, DEGRADED), (0.0, FAILED)], FAILED),
        ([(0.0, FAILED), (0.1, OK)], FAILED),
        ([(0.0, FAILED), (0.1, OK), (HOLD_S - 0.01, OK)], FAILED),
        ([(0.0, FAILED), (0.1, OK), (HOLD_S, OK)], OK),
        ([(0.0, FAILED), (0.1, OK), (0.3, FAILED), (0.1, OK), (0.3, OK)], FAILED),
        ([(0.0, FAILED), (0.1, DEGRADED), (0.2, OK), (HOLD_S, OK)], DEGRADED),
        ([(0.0, FAILED), (0.1, DEGRADED), (0.2, OK), (HOLD_S, OK), (HOLD_S, OK)], OK),
    ],
)
def test_status_when_judged_so_then_this_is_shown(
    steps: list[tuple[float, Status]], shown: Status
) -> None:
    """Worse at once; better after it held; a relapse begins the wait anew."""
    assert history(steps, CALM)[-1][2].status is shown


def test_first_ok_when_judged_then_shown_at_once() -> None:
    """A start is no recovery, and nobody waits for it longer than he must."""
    assert history([(0.0, DEGRADED), (0.1, OK)], Shown())[-1][2].status is OK


@given(STEPS)
def test_shown_when_anything_is_judged_then_it_is_never_better(
    steps: list[tuple[float, Status]],
) -> None:
    """The light is never greener than the evidence."""
    for _, judged, shown in history(steps, CALM):
        assert not is_worse(judged, shown.status)


@given(STEPS)
def test_recoveries_when_anything_is_judged_then_they_lie_a_hold_apart(
    steps: list[tuple[float, Status]],
) -> None:
    """However wildly a service flaps, its light turns for the better at most once per hold."""
    told = history(steps, CALM)
    better_at_s = [
        now_s
        for (_, _, former), (now_s, _, shown) in pairwise([(0.0, OK, CALM), *told])
        if is_worse(former.status, shown.status)
    ]
    assert all(later - sooner >= HOLD_S - 1e-9 for sooner, later in pairwise(better_at_s))


@given(STEPS, st.sampled_from(list(Status)))
def test_evidence_when_it_stays_then_it_is_shown(
    steps: list[tuple[float, Status]], last: Status
) -> None:
    """What holds is shown after two holds at the latest, whatever came before."""
    calm = [(0.0, last), (1.01 * HOLD_S, last), (1.01 * HOLD_S, last)]
    assert history([*steps, *calm], CALM)[-1][2].status is last
