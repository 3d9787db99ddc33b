"""Handlers hear every change and break nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.events.apply import apply
from shared.events.changes import changes_between
from shared.events.handlers import FAILURES_MAX, Change, EventHandlers
from shared.events.types import (
    DayOpened,
    Event,
    HoldCleared,
    HoldPlaced,
    IntentRecorded,
    OperatorPaused,
    OrderSeen,
)
from shared.models.orders import OrderStatus
from shared.models.trading_state import BotState, HoldKind
from tests.support.builders import a_state, an_entry, at, filled, seen_of

pytestmark = pytest.mark.unit

PAUSED = OperatorPaused("me", "lunch", at(0))


def a_change(event: Event = PAUSED, before: BotState | None = None) -> Change:
    """What the event makes of the state."""
    state = before or a_state()
    return Change(event, state, apply(state, event))


def test_handlers_when_one_raises_then_the_others_hear_and_it_is_told() -> None:
    """A handler's fault stays its own: nothing is raised, the next one hears the event."""
    told: list[str] = []
    heard: list[str] = []
    handlers = EventHandlers(told.append)
    handlers.add_event_handler("bad", lambda change: 1 / 0)
    handlers.add_event_handler("good", lambda change: heard.append(type(change.event).__name__))

    handlers.tell(a_change())

    assert heard == ["OperatorPaused"]
    assert told == [
        "the handler 'bad' failed at OperatorPaused: ZeroDivisionError: division by zero"
    ]


def test_handlers_when_one_ends_or_fails_without_words_then_that_stays_its_own_too() -> None:
    """Neither an exit nor a failure that cannot even be printed reaches the teller."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise KeyError("no words")

    def mute(_change: Change) -> None:
        raise MuteError

    def leave(_change: Change) -> None:
        raise SystemExit(3)

    told: list[str] = []
    handlers = EventHandlers(told.append)
    handlers.add_event_handler("mute", mute)
    handlers.add_event_handler("leaver", leave)

    handlers.tell(a_change())

    assert told == [
        "the handler 'mute' failed at OperatorPaused: MuteError",
        "the handler 'leaver' failed at OperatorPaused: SystemExit: 3",
    ]


def test_handlers_when_one_fails_too_often_in_a_row_then_it_is_removed() -> None:
    """A success in between begins the count anew; the last failure in a row ends it."""
    told: list[str] = []
    moods = iter([False] * (FAILURES_MAX - 1) + [True] + [False] * FAILURES_MAX)

    def moody(_change: Change) -> None:
        if not next(moods):
            raise OSError("no room")

    handlers = EventHandlers(told.append)
    handlers.add_event_handler("moody", moody)

    for _ in range(2 * FAILURES_MAX - 1):
        handlers.tell(a_change())
    assert "moody" in handlers.names
    handlers.tell(a_change())

    assert not handlers.names
    assert told[-1].endswith(f"removed after {FAILURES_MAX} failures in a row")


def test_handlers_when_removed_then_they_hear_no_more() -> None:
    """Removal says whether anybody listened; a name can be taken once."""
    heard: list[Change] = []
    handlers = EventHandlers(lambda words: None)
    handlers.add_event_handler("one", heard.append)
    with pytest.raises(ValueError, match="listens already"):
        handlers.add_event_handler("one", heard.append)

    assert handlers.remove_event_handler("one") is True
    assert handlers.remove_event_handler("one") is False
    handlers.tell(a_change())

    assert heard == []


def test_handlers_when_one_removes_itself_then_the_rest_still_hears() -> None:
    """The list may change while an event is told."""
    heard: list[str] = []
    handlers = EventHandlers(lambda words: None)
    handlers.add_event_handler("once", lambda change: handlers.remove_event_handler("once"))
    handlers.add_event_handler("rest", lambda change: heard.append("rest"))

    handlers.tell(a_change())
    handlers.tell(a_change())

    assert heard == ["rest", "rest"]
    assert handlers.names == ("rest",)


def test_changes_when_told_then_each_names_what_became_of_it() -> None:
    """Pause, day, hold and position each give one sentence; an unchanged state gives none."""
    entry = an_entry()
    intended = apply(a_state(), IntentRecorded((entry,), at(0)))
    seen = filled(seen_of(entry, "B1", OrderStatus.FILLED), 10, "100.00", at(2))
    held = HoldPlaced(HoldKind.DRAWDOWN, "too deep", at(0))
    is_held = apply(a_state(), held)

    def told(change: Change) -> tuple[str, ...]:
        return changes_between(change.before, change.after)

    assert told(a_change()) == ("paused by the operator",)
    tomorrow = at(86_400)
    opened = DayOpened(tomorrow.date(), Decimal(100_000), tomorrow)
    assert told(a_change(opened)) == (f"day {tomorrow.date()} begins",)
    assert told(a_change(held)) == ("hold placed: drawdown",)
    assert told(a_change(HoldCleared(HoldKind.DRAWDOWN, "me", at(1)), is_held)) == (
        "hold cleared: drawdown",
    )
    assert told(a_change(OrderSeen(seen, at(2)), intended)) == (
        "position AAPL: 10 opened at 100.0000",
    )
    assert changes_between(is_held, is_held) == ()
