"""A partly filled entry before a slow broker: what a call costs is time that shares stand naked."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.support.bot_house import BEFORE, enter, seeing_a_breakout
from tests.support.lagging import LaggingHouse

pytestmark = pytest.mark.integration

NAKED_S_MAX = 5.0
CALLS_MAX = 6
"""Seen, cancelled, confirmed, protected, and what was on its way when the fill came."""
MOMENTS = 12
"""Fills spread over the ways between two looks, so that the worst moment is among them."""


def naked_s(folder: Path, lag_s: float, fills_in_s: float) -> float:
    """Return how long shares stood naked after an entry filled in part at that moment."""
    folder.mkdir()
    house = LaggingHouse(folder, BEFORE)
    seeing_a_breakout(house)
    house.broker.fills_on_submit = False
    own_id = enter(house)
    house.slow.lag_s = lag_s
    stop, begun_s = threading.Event(), house.clock.monotonic_s()

    def meanwhile() -> None:
        if house.clock.monotonic_s() - begun_s >= 25:
            stop.set()

    house.meanwhile = meanwhile
    house.happen(fills_in_s, lambda: house.broker.fill(own_id, 4, "100"))
    house.loop.run(stop)
    assert not house.slow.is_naked("AAPL")
    assert house.naked_s > 0
    return house.naked_s


@pytest.mark.parametrize("lag_s", [0.3, 0.8])
def test_bot_when_every_call_lags_then_a_partial_entry_is_protected_within_five_seconds(
    tmp_path: Path, lag_s: float
) -> None:
    """Rule 2 with CONTRACTS section 9, at whatever moment the fill comes."""
    step_s = 8 * max(lag_s, 0.5) / MOMENTS
    times = [naked_s(tmp_path / str(n), lag_s, 3 + n * step_s) for n in range(MOMENTS)]

    assert max(times) <= NAKED_S_MAX, [round(each, 2) for each in times]


def test_bot_when_no_answer_comes_in_time_then_no_call_is_wasted_before_the_stop(
    tmp_path: Path,
) -> None:
    """Five seconds cannot be kept when each call takes two, and no entry's rest gets a grace then:
    only the calls that protection needs lie between the fill and its stop.
    """
    lag_s = 2.0
    times = [naked_s(tmp_path / str(n), lag_s, 3 + n * 8 * lag_s / 6) for n in range(6)]

    assert max(times) <= CALLS_MAX * lag_s, [round(each, 2) for each in times]
