"""A partly filled entry before a slow broker: what a call costs is time that shares stand naked."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from services.trading_bot.partial_entry import (
    CALLS_TO_STOP,
    NAKED_S_MAX,
    has_time_for_rest,
)
from tests.support.bot_house import BEFORE, enter, seeing_a_breakout
from tests.support.lagging import LaggingHouse

pytestmark = pytest.mark.integration

PAUSES_S = 0.15
"""The least pauses between calls, which keep a looking bot from spinning."""
MOMENTS = 6
"""Fills spread over the ways between two looks, so that the worst moment is among them."""


def run_for(house: LaggingHouse, seconds: float) -> None:
    """Let the bot's loop run so many market seconds."""
    stop, begun_s = threading.Event(), house.clock.monotonic_s()

    def meanwhile() -> None:
        if house.clock.monotonic_s() - begun_s >= seconds:
            stop.set()

    house.meanwhile = meanwhile
    house.loop.run(stop)


def naked_s(folder: Path, lag_s: float, fills_in_s: float) -> float:
    """Return how long shares stood naked after an entry filled in part at that moment."""
    folder.mkdir()
    house = LaggingHouse(folder, BEFORE)
    seeing_a_breakout(house)
    house.broker.fills_on_submit = False
    own_id = enter(house)
    house.slow.lag_s = lag_s
    house.happen(fills_in_s, lambda: house.broker.fill(own_id, 4, "100"))
    run_for(house, fills_in_s + 6 * lag_s + 6)
    assert not house.slow.is_naked("AAPL")
    assert house.naked_s > 0
    assert house.parts.memory.naked.worst_s == pytest.approx(house.naked_s, abs=0.01)
    return house.naked_s


def worst_s(folder: Path, lag_s: float) -> float:
    """Return the longest of several moments within a clock's turn and its calls."""
    step_s = max(5.0, 4 * lag_s) / MOMENTS
    return max(naked_s(folder / str(n), lag_s, 6 + n * step_s) for n in range(MOMENTS))


@pytest.mark.parametrize("lag_s", [0.2, 0.5, 0.8, 1.0, 1.2])
def test_bot_when_every_call_lags_then_a_partial_entry_is_protected_within_five_seconds(
    tmp_path: Path, lag_s: float
) -> None:
    """Rule 2 with CONTRACTS section 9, at whatever moment the fill comes."""
    longest_s = worst_s(tmp_path, lag_s)

    assert longest_s <= NAKED_S_MAX
    if not has_time_for_rest(lag_s):
        assert longest_s <= CALLS_TO_STOP * lag_s + PAUSES_S


def test_bot_when_no_answer_comes_in_time_then_four_answers_bound_it_and_it_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Five seconds cannot be kept when each call takes two: only the calls that protection needs
    lie between the fill and its stop, and what it took is said.
    """
    lag_s = 2.0

    assert NAKED_S_MAX < worst_s(tmp_path, lag_s) <= CALLS_TO_STOP * lag_s + PAUSES_S

    assert any("stood without a full stop for" in each for each in caplog.messages)


@pytest.mark.parametrize(("lag_s", "enters"), [(1.2, True), (1.3, False)])
def test_bot_when_answers_are_too_slow_for_a_stop_in_time_then_nothing_is_entered(
    tmp_path: Path, lag_s: float, enters: bool
) -> None:
    """A broker slower than a quarter of the five seconds would leave a partial fill naked."""
    house = LaggingHouse(tmp_path, BEFORE)
    seeing_a_breakout(house)
    house.slow.lag_s = lag_s

    run_for(house, 12)

    assert bool(house.broker.submitted) is enters


@pytest.mark.parametrize(("lag_s", "is_told"), [(1.2, False), (1.3, True)])
def test_health_when_slow_answers_keep_entries_back_then_it_is_not_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, lag_s: float, is_told: bool
) -> None:
    """A green light beside a bot that enters nothing would lie; a hiccup is no news."""
    house = LaggingHouse(tmp_path, BEFORE)
    caplog.set_level(logging.INFO)
    house.slow.lag_s = lag_s

    run_for(house, 5)
    assert not any("enters nothing" in each for each in caplog.messages)
    run_for(house, 15)

    assert any("enters nothing" in each for each in caplog.messages) is is_told
