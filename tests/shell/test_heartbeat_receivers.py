"""Alerts at receivers that are slow, late, hung or fussy: each told once, or told that it may be
twice, and none deaf for ever.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Iterator

import pytest

from services.heartbeat.alerts import ABANDON_AFTER_S, Delivery, PeopleAddress, PeopleChannel
from services.heartbeat.outbox import LOG, PERHAPS_TOLD, Memory, Message, begun, refused, spoken
from services.heartbeat.subjects import Severity
from shared.clock import Clock, SystemClock
from tests.support.clock import ManualClock
from tests.support.dashboard import until
from tests.support.heartbeat import Receiver, listening_receiver

pytestmark = pytest.mark.integration

NOW_S = 100.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes what it is sent."""
    with listening_receiver() as receiver:
        yield receiver


def channel_to(receiver: Receiver, clock: Clock, query: str = "") -> PeopleChannel:
    """A channel that delivers there."""
    url = f"json://127.0.0.1:{receiver.port}/hook{query}"
    channel = PeopleChannel(PeopleAddress("people-1", "address 1", url), threading.Event(), clock)
    channel.start()
    return channel


def message(title: str = "title", body: str = "body") -> Message:
    """A page for the one address."""
    return Message("alert-1", title, body, Severity.PAGE, (LOG, "people-1"))


def result_of(channel: PeopleChannel, now_s: float = NOW_S) -> Delivery:
    """Wait for what becomes of the message under way."""
    found: list[Delivery] = []

    def is_there() -> bool:
        found.extend(channel.results(now_s))
        return bool(found)

    until(is_there, "no answer", timeout_s=20)
    return found[0]


def test_receiver_when_it_takes_five_seconds_to_answer_is_told_once(receiver: Receiver) -> None:
    """It has the message since the first moment: giving up on it would tell it without end."""
    receiver.before = lambda: time.sleep(4.6)
    channel = channel_to(receiver, SystemClock())
    channel.offer(message(), NOW_S)
    assert result_of(channel) == Delivery("alert-1", taken=True, problem="")
    assert len(receiver.bodies) == 1


def test_receiver_when_it_refuses_at_once_was_not_told_and_when_late_perhaps(
    receiver: Receiver,
) -> None:
    """A gateway that gives up after half a minute may have passed it on: the next copy says so."""
    clock = ManualClock()
    channel = channel_to(receiver, clock)
    receiver.status = 500
    channel.offer(message(), NOW_S)
    assert not result_of(channel).perhaps
    receiver.before = lambda: clock.advance(30.0)
    channel.offer(message(), NOW_S)
    late = result_of(channel)
    assert (late.taken, late.perhaps) == (False, True)
    waiting = begun(Memory(outbox=(message(),)), "alert-1", "people-1")
    for perhaps, title in ((False, "title"), (True, f"title{PERHAPS_TOLD}")):
        (again,) = refused(waiting, "alert-1", "people-1", NOW_S, perhaps=perhaps).outbox
        assert spoken(again, "people-1").title == title


def test_receiver_when_it_hangs_for_minutes_is_left_and_the_next_message_comes_through(
    receiver: Receiver,
) -> None:
    """One answer without an end must not keep every later alert from this address."""
    over, first = threading.Event(), threading.Event()

    def hang_once() -> None:
        if not first.is_set():
            first.set()
            over.wait(20)

    receiver.before = hang_once
    channel = channel_to(receiver, SystemClock())
    hung = channel._worker
    try:
        channel.offer(message("first"), NOW_S)
        assert first.wait(20)
        assert channel.results(NOW_S + ABANDON_AFTER_S) == ()
        (left,) = channel.results(NOW_S + ABANDON_AFTER_S + 1)
        assert (left.taken, left.perhaps) == (False, True)
        assert "gave no answer for 300 s" in left.problem
        channel.offer(message("second"), NOW_S)
        assert result_of(channel).taken
    finally:
        over.set()
    assert [body["title"] for body in receiver.bodies] == ["first", "second"]
    until(lambda: not hung.done.empty(), "the hung one never came back", timeout_s=40)
    assert channel.results(NOW_S) == ()


def test_words_when_they_look_like_markup_reach_a_receiver_of_markup_as_words(
    receiver: Receiver,
) -> None:
    """Telegram and mail are of that kind: unescaped, a `<` is refused for ever, or swallowed."""
    channel = channel_to(receiver, SystemClock(), "?format=html")
    words = "<class 'ValueError'> & more"
    channel.offer(message(body=words), NOW_S)
    assert result_of(channel).taken
    (sent,) = [body["message"] for body in receiver.bodies]
    assert "<" not in sent
    assert html.unescape(sent).replace("\N{NO-BREAK SPACE}", " ") == words
