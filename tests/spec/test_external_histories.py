"""A person and the bot in one symbol, by chance: each keeps what is its own."""

from __future__ import annotations

import pytest

from tests.support.person_history import PersonHistory

pytestmark = pytest.mark.unit

STEPS = 25
HISTORIES = 8


@pytest.mark.parametrize("is_rude", [False, True])
def test_account_when_a_person_and_the_bot_trade_it_by_chance_then_each_keeps_its_own(
    *, is_rude: bool
) -> None:
    """Restarts, lost states, lost replies, the setting on and off, flattens; a rude person cancels
    our orders, too. In the end every share is somebody's, ours are covered, and profit is ours.
    """
    found = {}
    for seed in range(HISTORIES):
        history = PersonHistory(seed, is_rude=is_rude)
        history.play(STEPS)
        history.settle()
        faults = history.faults()
        if faults:
            found[seed] = faults

    assert found == {}
