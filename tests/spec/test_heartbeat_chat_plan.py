"""The chat's decisions: whose word counts, for how long, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from services.heartbeat.chat_plan import CONFIRM_WITHIN_S, Decision, Pending, Said, decide, said_in

pytestmark = pytest.mark.unit

CODE, NOW_S, CHAT = "0420", 1_000.0, "424242"


def said(command: str, *words: str, person: str = "99", age_s: float = 1.0) -> Said:
    """A command of Ann, or of somebody else."""
    name = "ann (Telegram)" if person == "99" else "bob (Telegram)"
    return Said(7, command, words, name, person, age_s)


def waiting(*words: str) -> Pending:
    """A `/stop flatten` of Ann that waits for its code."""
    pending = decide(said("stop", "flatten", *words), None, CODE, NOW_S).pending
    assert pending is not None
    return pending


def confirmed(
    pending: Pending | None, code: str = CODE, after_s: float = 1.0, person: str = "99"
) -> Decision:
    """What the code brings so much later."""
    return decide(said("yes", code, person=person), pending, "9999", NOW_S + after_s)


def test_confirmation_when_it_comes_from_another_person_does_nothing_and_leaves_it_waiting() -> (
    None
):
    """In a group everybody sees the code; the gesture is still of the one who asked."""
    pending = waiting("fire")
    of_another = confirmed(pending, person="100")
    assert (of_another.act, of_another.pending) == (None, pending)
    assert of_another.reply.startswith("Only ann")
    wrong = confirmed(pending, "1111", person="100")
    assert wrong.pending == pending
    mine = confirmed(of_another.pending)
    assert mine.act is not None
    assert (mine.act.flatten, mine.act.reason) == (True, "fire")


@pytest.mark.parametrize(("after_s", "is_done"), [(CONFIRM_WITHIN_S, True), (60.1, False)])
def test_confirmation_when_it_is_late_does_nothing(after_s: float, is_done: bool) -> None:
    """A minute, not longer."""
    assert (confirmed(waiting(), after_s=after_s).act is not None) is is_done


def test_confirmation_when_it_is_repeated_or_nothing_waits_any_more_does_nothing() -> None:
    """Once confirmed it is gone; a heartbeat that was started again remembers nothing."""
    first = confirmed(waiting())
    assert first.act is not None
    assert confirmed(first.pending).act is None
    assert confirmed(None).act is None


def test_gesture_when_its_author_pauses_meanwhile_is_dropped() -> None:
    """Whoever takes risk away no longer means what waited for a code."""
    paused = decide(said("pause"), waiting(), CODE, NOW_S)
    assert paused.act is not None
    assert confirmed(paused.pending).act is None


@pytest.mark.parametrize(
    ("words", "age_s", "is_plain"),
    [((), 1, True), (("now",), -1, True), (("flatten",), 1, False), ((), 61, False)],
)
def test_stop_when_it_only_stops_and_is_fresh_is_plain(
    words: tuple[str, ...], age_s: float, is_plain: bool
) -> None:
    """Only what does no harm when done twice goes before its confirmation."""
    assert said("stop", *words, age_s=age_s).is_plain_stop is is_plain
    assert not said("pause", age_s=age_s).is_plain_stop


def update(**changed: Any) -> dict[str, Any]:
    """An update of Telegram, with changes in its message."""
    chat = {"id": int(CHAT), "type": "private"}
    message = {"from": {"id": 99, "username": "ann"}, "chat": chat, "date": 990, "text": "/stop"}
    return {"update_id": 5, "message": {**message, **changed}}


@pytest.mark.parametrize(
    "changed",
    [
        {"date": 10**400},
        {"date": -1},
        {"date": None},
        {"text": None},
        {"chat": None},
        {"chat": {"id": None}},
        {"chat": {"id": 424243, "title": CHAT}},
        {"chat": {"id": int(CHAT), "type": "group"}, "text": "stop talking"},
    ],
)
def test_update_when_odd_foreign_or_talk_among_people_is_no_word_to_us(
    changed: dict[str, Any],
) -> None:
    """None of them is answered, and none ends the listening."""
    assert said_in(update(**changed), CHAT, 1_000.0) is None


def test_update_when_its_sender_is_hidden_is_heard_as_somebody() -> None:
    """An anonymous administrator may stop, too."""
    heard = said_in(update(**{"from": None}), CHAT, 1_000.0)
    assert heard is not None
    assert (heard.command, heard.by, heard.age_s) == ("stop", "somebody (Telegram)", 10.0)
