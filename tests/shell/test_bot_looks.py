"""When the bot looks at the broker again within one turn: whenever something new may be seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.models.orders import OrderStatus
from shared.ports import Turn
from tests.support.bot_house import BARS, BEFORE, BotHouse, seeing_a_breakout

pytestmark = pytest.mark.integration
LOOK_READS, ASSET_READS = 3, 1
"""Account, orders and positions; what the broker says of a symbol that is entered."""
REAL, LOCK_STEP = "1", "max"


def an_entry(tmp_path: Path, speed: str, *, lose_reply: bool = False) -> tuple[int, OrderStatus]:
    """Let a bot enter; return how often it read the broker in that turn, and the order's status."""
    house = BotHouse(tmp_path, BEFORE, speed=speed)
    house.turn()
    seeing_a_breakout(house)
    minute = BARS[-1].start if speed == LOCK_STEP else None
    if minute is not None:
        house.market.mark_minute(minute)
    before, house.broker.lose_reply = house.broker.reads, lose_reply

    house.loop.turn(Turn(house.reading(), minute))

    (request,) = house.broker.submitted
    status = house.parts.memory.state.orders[request.client_order_id].status
    house.loop.finish()
    return house.broker.reads - before, status


def test_turn_when_an_entry_was_taken_in_lock_step_then_the_next_minute_shows_what_became_of_it(
    tmp_path: Path,
) -> None:
    """Its answer is booked, and nothing moves before the next minute: one look is all."""
    assert an_entry(tmp_path, LOCK_STEP) == (LOOK_READS + ASSET_READS, OrderStatus.NEW)


def test_turn_when_an_entry_was_taken_in_real_time_then_it_looks_again(tmp_path: Path) -> None:
    """It may have filled already, and shares want their stop."""
    reads, status = an_entry(tmp_path, REAL)

    assert reads > LOOK_READS + ASSET_READS
    assert status is OrderStatus.FILLED


def test_turn_when_the_reply_to_an_entry_was_lost_then_it_looks_again_even_in_lock_step(
    tmp_path: Path,
) -> None:
    """Nobody knows what was booked: the list says it."""
    reads, status = an_entry(tmp_path, LOCK_STEP, lose_reply=True)

    assert reads >= 2 * LOOK_READS + ASSET_READS
    assert status is not OrderStatus.UNKNOWN
