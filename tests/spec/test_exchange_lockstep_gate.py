"""The lock-step gate as a table of turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.lockstep import Gate, Participant

pytestmark = pytest.mark.unit
MINUTE = datetime(2019, 2, 11, 14, 30, tzinfo=UTC)
DAEMON, BOT = Participant.DATA_DAEMON, Participant.TRADING_BOT


def test_gate_when_nothing_was_played_then_nobody_works() -> None:
    """Before the first minute there is nothing to release, and the first may be played."""
    assert Gate().released_to(DAEMON) is None
    assert Gate().released_to(BOT) is None
    assert Gate().is_through


@given(
    st.lists(
        st.tuples(st.sampled_from([DAEMON, BOT]), st.integers(-2, 2)),
        max_size=12,
    )
)
def test_gate_when_reports_come_in_any_order_then_turns_are_kept(
    reports: list[tuple[Participant, int]],
) -> None:
    """Whatever is reported: at most one participant works, and the minute is through only
    after the daemon and then the bot reported this very minute.
    """
    gate = Gate(minute=MINUTE)
    daemon_done = bot_done = False
    for participant, offset in reports:
        gate = gate.finished(participant, MINUTE + timedelta(minutes=offset))
        if offset == 0 and participant is DAEMON:
            daemon_done = True
        if offset == 0 and participant is BOT and daemon_done:
            bot_done = True
        working = [who for who in Participant if gate.released_to(who) is not None]
        assert len(working) <= 1
        assert gate.is_through == bot_done
        assert (gate.released_to(DAEMON) is None) == daemon_done
