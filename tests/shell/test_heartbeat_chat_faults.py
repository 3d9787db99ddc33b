"""The chat when Telegram, the network or the clock is wrong: nothing lost, nothing twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import SystemClock
from tests.shell.test_heartbeat_chat import House
from tests.support.dashboard import until
from tests.support.telegram import LocalTelegram, local_telegram

pytestmark = pytest.mark.integration


class LateClock(SystemClock):
    """A machine whose wall clock is two hours ahead."""

    def utc_now(self) -> datetime:
        return super().utc_now() + timedelta(hours=2)


@pytest.fixture
def telegram() -> Iterator[LocalTelegram]:
    """A Telegram whose clock is right."""
    with local_telegram(int(time.time())) as local:
        yield local


@pytest.fixture
def house(tmp_path: Path, telegram: LocalTelegram) -> Iterator[House]:
    """A chat that does not listen yet."""
    house = House(tmp_path, telegram)
    yield house
    house.chat.close()
    house.may_answer.set()


def test_reply_when_telegram_has_had_too_much_comes_after_the_pause_that_it_asked_for(
    house: House,
) -> None:
    """429 says how long; asking sooner would only make it longer."""
    house.telegram.busy_s = 1.0
    house.telegram.say("/help")
    house.chat.start()
    house.telegram.replies(1)
    first, second = [at_s for method, at_s in house.telegram.calls if method == "sendMessage"]
    assert second - first >= 1.0


def test_command_when_only_the_answer_to_its_confirmation_was_lost_is_done_once(
    house: House,
) -> None:
    """Telegram has forgotten it by then: what was heard is not lost with the answer."""
    house.telegram.lose_confirmations = 2
    house.telegram.say("/pause lunch")
    house.chat.start()
    assert house.telegram.replies(1) == ["pause: done. So be it."]
    assert house.telegram.updates == []
    house.telegram.say("/help")
    house.telegram.replies(2)
    assert house.names() == ["pause"]


def test_stop_when_it_cannot_be_confirmed_is_done_at_once_and_once(house: House) -> None:
    """No fault of Telegram's stands between a person and the stop."""
    house.telegram.takes_confirmations = False
    house.telegram.say("/stop smoke")
    house.telegram.say("/pause smoke")
    house.chat.start()
    until(lambda: house.names() == ["emergency-stop"], "not stopped")
    until(lambda: len([1 for one, _ in house.telegram.calls if one == "getUpdates"]) > 4, "deaf")
    house.telegram.takes_confirmations = True
    house.telegram.replies(2)
    assert house.names() == ["emergency-stop", "pause"]


def test_commands_when_the_machine_has_a_wrong_clock_are_judged_by_telegrams_own(
    tmp_path: Path, telegram: LocalTelegram
) -> None:
    """A clock that jumped must not take the last gesture away; what is old stays refused."""
    house = House(tmp_path, telegram, clock=LateClock())
    telegram.say("/pause old", age_s=120)
    telegram.say("/pause fresh")
    house.chat.start()
    try:
        refusal, done = telegram.replies(2)
        assert "ago and is not done" in refusal
        assert done == "pause: done. So be it."
        assert [command.reason for command in house.done] == ["fresh"]
    finally:
        house.chat.close()


def test_positions_when_some_are_not_ours_are_told_apart(house: House) -> None:
    """What the bot did not buy is named as such, with what protects it."""
    stranger = {"symbol": "TSLA", "qty": "7", "market_value": "1800.00", "protected_qty": "7",
                "stop_price": "240.5"}  # fmt: skip
    house.write_status(external_positions=[stranger])
    house.telegram.say("/positions")
    house.chat.start()
    (reply,) = house.telegram.replies(1)
    assert "not ours: TSLA 7, worth 1800.00, 7 of them with a stop (ours at 240.5)" in reply
