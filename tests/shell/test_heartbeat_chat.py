"""The chat against a local Telegram: who is heard, two steps, one command core, no delay."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.heartbeat.chat import Chat, ChatAddress
from shared.clock import SystemClock
from shared.commands.core import CommandCore
from shared.commands.spool import CommandSpool
from shared.config.paths import LogPaths, StatePaths
from shared.health.judge import Judgement, judge_document
from shared.models.commands import Command, CommandOutcome
from shared.persistence.emergency_stop import EmergencyStopFile
from tests.support import documents as sample
from tests.support.dashboard import put, until
from tests.support.telegram import CHAT_ID, TOKEN, LocalTelegram, local_telegram

pytestmark = pytest.mark.integration

CODE = re.compile(r"/yes (\d{4})")


class House:
    """A running chat over a state folder, and a holder of the trading lock that obeys."""

    def __init__(
        self,
        folder: Path,
        telegram: LocalTelegram,
        token: str = TOKEN,
        clock: SystemClock | None = None,
    ) -> None:
        self.state = StatePaths(folder / "state")
        self.logs = LogPaths(folder / "logs")
        self.state.root.mkdir(parents=True, exist_ok=True)
        self.telegram = telegram
        self.clock = clock or SystemClock()
        self.spool = CommandSpool(self.state, self.clock)
        self.done: list[Command] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        core = CommandCore(self.state, self.logs, self.clock, hand_over=self._hold)
        address = ChatAddress(token, str(CHAT_ID), telegram.base_url, pause_s=0.05)
        self.chat = Chat(address, self.clock, core, self.judgement, self.state)

    def judgement(self) -> Judgement:
        """A healthy system, judged at this moment."""
        boottime_s = self.clock.boottime_s()
        raw = sample.health_bytes(boot_id=self.clock.boot_id(), boottime_s=boottime_s)
        return judge_document(raw, boot_id=self.clock.boot_id(), boottime_s=boottime_s)

    def _hold(self) -> None:
        claimed = self.spool.claim()
        if not isinstance(claimed, Command):
            return
        self.done.append(claimed)
        if claimed.command.value != "emergency-stop":
            self.may_answer.wait(10)
        self.spool.answer(claimed.id, CommandOutcome.DONE, "So be it.", claimed.args)

    def names(self) -> list[str]:
        """The commands that reached the holder."""
        return [command.command.value for command in self.done]

    def write_status(self, **changed: Any) -> None:
        """A fresh bot_status.json."""
        stamps = {"boot_id": self.clock.boot_id(), "boottime_s": self.clock.boottime_s()}
        status = sample.bot_status(now=datetime.now(UTC), **{**stamps, **changed})
        put(self.state.bot_status, status)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A chat that listens."""
    with local_telegram(int(SystemClock().utc_now().timestamp())) as telegram:
        house = House(tmp_path, telegram)
        house.chat.start()
        yield house
        house.chat.close()
        house.may_answer.set()


def test_questions_when_asked_are_answered_from_health_and_the_bots_numbers(house: House) -> None:
    """Each of them, in the order asked, and everything else is met with the list of words."""
    house.write_status()
    for word in ("/status", "/health@our_bot", "/positions", "/pnl", "/why", "hello", "/unknown"):
        house.telegram.say(word)
    status, health, positions, pnl, why, hello, unknown = house.telegram.replies(7)
    assert "[SIM] OK" in status
    assert "Trading: ACTIVE" in status
    assert "trading-bot: OK since" in health
    assert "AAPL: 12 at 187.50" in positions
    assert "at the broker" in positions
    assert "today 432.18" in pnl
    assert why == "Nothing restricts trading."
    assert hello == unknown
    assert all(f"/{word}" in hello for word in ("status", "stop", "close", "resume", "pause"))


def test_numbers_when_the_bot_is_silent_are_not_told(house: House) -> None:
    """Nobody is shown the positions of an hour ago as if they were of now."""
    house.telegram.say("/positions")
    house.telegram.say("/pnl")
    assert all("not fresh" in text for text in house.telegram.replies(2))


def test_pause_and_stop_when_said_are_done_at_once(house: House) -> None:
    """What takes risk away needs one gesture; who and why stand in the audit log."""
    house.telegram.say("/pause lunch with the auditor")
    house.telegram.replies(1)
    house.telegram.say("/stop I smell smoke")
    assert house.telegram.replies(2)[1] == "stop: done. So be it."
    assert house.names() == ["pause", "emergency-stop"]
    note = EmergencyStopFile(house.state.emergency_stop).read()
    assert note is not None
    assert (note.reason, note.by, note.flatten) == ("I smell smoke", "ann (Telegram)", False)
    lines = [json.loads(line) for line in house.logs.audit.read_text().splitlines()]
    assert [(line["who"], line["why"]) for line in lines] == [
        ("ann (Telegram)", "lunch with the auditor"),
        ("ann (Telegram)", "I smell smoke"),
    ]


@pytest.mark.parametrize(
    ("words", "command", "scope"),
    [
        ("/close aapl enough", "close-position", "whole position of AAPL"),
        ("/stop flatten enough", "emergency-stop", "close every position of ours"),
        ("/stop flatten include-external enough", "emergency-stop", "EVERY position"),
        ("/resume", "resume", "open new positions again"),
    ],
)
def test_dangerous_gesture_when_confirmed_is_done_once(
    house: House, words: str, command: str, scope: str
) -> None:
    """The first step does nothing and says the scope; the code does it; a second time nothing."""
    house.telegram.say(words)
    question = house.telegram.replies(1)[0]
    assert scope in question
    assert house.names() == []
    found = CODE.search(question)
    assert found is not None
    house.telegram.say(f"/yes {found[1]}")
    house.telegram.replies(2)
    house.telegram.say(f"/yes {found[1]}")
    assert "Nothing waits" in house.telegram.replies(3)[2]
    assert house.names() == [command]
    note = EmergencyStopFile(house.state.emergency_stop).read()
    stopped = (note.flatten, note.include_external) if note is not None else None
    is_stop, is_all = command == "emergency-stop", "include-external" in words
    assert stopped == ((True, is_all) if is_stop else None)


def test_confirmation_when_the_code_is_wrong_three_times_does_nothing(house: House) -> None:
    """Guessing does not help, and afterwards the right code is worth nothing."""
    house.telegram.say("/close AAPL why not")
    found = CODE.search(house.telegram.replies(1)[0])
    assert found is not None
    wrong = f"{(int(found[1]) + 1) % 10_000:04d}"
    for _ in range(3):
        house.telegram.say(f"/yes {wrong}")
    house.telegram.say(f"/yes {found[1]}")
    assert "Nothing waits" in house.telegram.replies(5)[4]
    assert house.names() == []


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("/stop now", {"chat_id": 666}),
        ("/pause now", {"key": "edited_message"}),
        ("/pause now", {"age_s": 61}),
    ],
)
def test_command_when_foreign_edited_or_old_is_not_done(
    house: House, text: str, more: dict[str, Any]
) -> None:
    """Only new words of the configured chat count; a stranger does not even get an answer."""
    house.telegram.say(text, **more)
    house.telegram.say("/help")
    replies = house.telegram.replies(2 if "age_s" in more else 1)
    assert "/status" in replies[-1]
    assert len(replies) == (2 if "age_s" in more else 1)
    assert house.names() == []
    assert not house.state.emergency_stop.exists()


def test_command_when_taken_is_confirmed_to_telegram_before_it_is_done(tmp_path: Path) -> None:
    """A kill right after the deed cannot do it again: Telegram has forgotten it already."""
    with local_telegram(int(SystemClock().utc_now().timestamp())) as telegram:
        house = House(tmp_path, telegram)
        telegram.say("/pause once")
        number = telegram.number
        house.may_answer.clear()
        house.chat.start()
        until(lambda: house.names() == ["pause"], "not done")
        assert number + 1 in telegram.offsets
        assert telegram.updates == []
        house.chat.close()
        house.may_answer.set()
        after = House(tmp_path, telegram)
        after.chat.start()
        telegram.say("/help")
        until(lambda: any("/status" in one["text"] for one in telegram.sent), "deaf", 20)
        after.chat.close()
        assert after.names() == []


def test_command_when_it_cannot_be_confirmed_waits_and_is_then_done_once(tmp_path: Path) -> None:
    """What Telegram would give us again after a kill is not done yet, however often it comes."""
    with local_telegram(int(SystemClock().utc_now().timestamp())) as telegram:
        house = House(tmp_path, telegram)
        telegram.takes_confirmations = False
        telegram.say("/pause once")
        house.chat.start()
        until(lambda: len(telegram.calls) >= 4, "not asked again")
        assert house.names() == []
        telegram.takes_confirmations = True
        assert house.telegram.replies(1) == ["pause: done. So be it."]
        house.chat.close()
        assert house.names() == ["pause"]


def test_stop_when_a_slow_close_is_under_way_is_done_at_once(house: House) -> None:
    """A stop waits for nothing and nobody."""
    house.may_answer.clear()
    house.telegram.say("/pause slowly")
    until(lambda: house.names() == ["pause"], "not begun")
    house.telegram.say("/stop now")
    assert "stop: done" in house.telegram.replies(1)[0]
    assert house.state.emergency_stop.exists()


def test_chat_when_telegram_fails_for_a_while_hears_again(house: House) -> None:
    """Faults of Telegram are waited out, and nothing said meanwhile is lost."""
    house.telegram.refuse = 2
    house.telegram.say("/help")
    assert "/status" in house.telegram.replies(1)[0]
    assert len(house.telegram.sent) == 1


def test_token_when_refused_is_said_and_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The address holds the token, so no text of a fault may carry the address."""
    secret = "987654:wrong-token-that-nobody-may-see"
    with local_telegram(0) as telegram, caplog.at_level(logging.DEBUG):
        house = House(tmp_path, telegram, token=secret)
        house.chat.start()
        until(lambda: bool(house.chat.problem), "never said", timeout_s=20)
        house.chat.close()
        assert house.chat.problem == "the chat does not listen: Telegram: it refuses the token"
    shown = [
        record.getMessage() for record in caplog.records if record.name != "urllib3.connectionpool"
    ]
    assert not [text for text in shown if "wrong-token" in text]
    assert "wrong-token" not in repr(ChatAddress(secret, "1"))
