"""Which strategy took the bot with it: who is caught, and that no innocent is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trading_bot.brain.deaths import (
    DEATHS_IN_A_ROW_MAX,
    OWN_DEATHS_MAX,
    WINDOW_S,
    End,
    Exit,
    fault_of,
)

pytestmark = pytest.mark.unit

CODE, SEGV, KILL, UNSEEN = Exit(code=3), Exit(signal=11), Exit(signal=9), Exit()
ENDS = st.lists(
    st.builds(
        lambda speaker, how: (speaker, how),
        st.sampled_from(["", "mine", "other"]),
        st.sampled_from([CODE, SEGV, KILL, UNSEEN]),
    ),
    max_size=8,
)


def ends(*rows: tuple[str, Exit], every_s: float = 10.0) -> list[End]:
    """Return ends in this order, so far apart."""
    return [
        End(speaker, number * every_s, how.name, how.is_of_its_own)
        for number, (speaker, how) in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("how", "is_of_its_own", "name"),
    [
        (Exit(code=0), True, "exit code 0"),
        (Exit(code=77), True, "exit code 77"),
        (Exit(signal=6), True, "SIGABRT"),
        (SEGV, True, "SIGSEGV"),
        (KILL, False, "signal 9"),
        (Exit(signal=15), False, "signal 15"),
        (UNSEEN, False, "an end that nobody saw"),
    ],
)
def test_exit_when_a_process_ended_then_it_is_known_who_can_have_done_it(
    how: Exit, is_of_its_own: bool, name: str
) -> None:
    """Codes and faults of the process are its own; a kill may have come from anywhere."""
    assert (how.is_of_its_own, how.name) == (is_of_its_own, name)


@pytest.mark.parametrize(
    ("rows", "every_s", "words"),
    [
        ([("mine", CODE)], 10, None),
        ([("mine", CODE), ("mine", SEGV)], 10, "2 times while it spoke (exit code 3, SIGSEGV)"),
        ([("mine", CODE), ("", UNSEEN), ("other", SEGV), ("mine", CODE)], 10, "died 2 times"),
        ([("mine", CODE), ("mine", CODE)], WINDOW_S + 1, None),
        ([("other", CODE), ("other", CODE)], 10, None),
        ([("mine", KILL), ("mine", KILL)], 10, None),
        ([("mine", KILL), ("mine", UNSEEN), ("mine", KILL)], 10, "died 3 times"),
        ([("mine", KILL), ("mine", KILL), ("mine", SEGV)], 10, "died 3 times"),
        ([("mine", KILL), ("mine", KILL), ("", UNSEEN), ("mine", KILL)], 10, None),
        ([("mine", KILL), ("mine", KILL), ("other", KILL), ("mine", KILL)], 10, None),
        ([("mine", KILL), ("mine", KILL), ("mine", KILL)], WINDOW_S / 2 + 1, None),
    ],
)
def test_strategy_when_the_bot_died_while_it_spoke_then_it_is_off_after_enough(
    rows: list[tuple[str, Exit]], every_s: float, words: str | None
) -> None:
    """Two deaths of the process's own making, or three of any kind in a row, within an hour."""
    fault = fault_of("mine", ends(*rows, every_s=every_s))

    assert (fault is None) == (words is None)
    assert words is None or words in str(fault)


@given(ENDS)
def test_strategy_when_anything_died_then_only_who_spoke_often_enough_is_off(
    rows: list[tuple[str, Exit]],
) -> None:
    """Whoever is off spoke at two deaths at least; without its own making, at the last three."""
    found = ends(*rows)
    spoke = [end for end in found if end.speaker == "mine"]
    own = [end for end in spoke if end.is_of_its_own]
    last = found[-DEATHS_IN_A_ROW_MAX:]
    is_row = len(last) == DEATHS_IN_A_ROW_MAX and all(end.speaker == "mine" for end in last)

    assert (fault_of("mine", found) is not None) == (len(own) >= OWN_DEATHS_MAX or is_row)
