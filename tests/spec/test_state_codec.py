"""State and events to JSON and back, exactly."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from shared.events.apply import apply_all
from shared.events.codec import event_from_json, event_to_json
from shared.events.replay import replay
from shared.events.types import (
    DayOpened,
    EquitySeen,
    Event,
    ExternalsObserved,
    FillSeen,
    HoldCleared,
    HoldPlaced,
    IntentRecorded,
    LossReadingCounted,
    MoneyRebuilt,
    NotSent,
    OperatorPaused,
    OperatorResumed,
    OrderAdopted,
    OrderRefused,
    OrderSeen,
    OutboxWritten,
    OutcomeUnknown,
    PlanDone,
    PlanStarted,
    PlanStepped,
    Reconciled,
    SharesChanged,
    StatementCompared,
    TransferSeen,
)
from shared.models.json_values import from_json, to_json
from shared.models.movements import BrokerMovement
from shared.models.orders import OrderStatus
from shared.models.plans import Plan, PlanKind
from shared.models.pnl import Statement
from shared.models.state_codec import state_from_payload, state_to_payload
from shared.models.trading_state import HoldKind
from tests.support.builders import (
    NOON,
    D,
    a_fill,
    a_position,
    a_state,
    an_entry,
    an_exit,
    at,
    filled,
    legs_of,
    own_id,
    seen_of,
)

pytestmark = pytest.mark.unit

ENTRY = an_entry()
SEEN = seen_of(ENTRY, "b-1", OrderStatus.NEW, legs=legs_of(ENTRY))
PLAN = Plan("p-1", PlanKind.CLOSE, "AAPL", ENTRY.position_key, "cancel_legs", NOON, NOON, "why")
EVENTS: tuple[Event, ...] = (
    DayOpened(date(2026, 11, 20), D("100000.00"), NOON),
    IntentRecorded((ENTRY, an_entry("MSFT")), NOON),
    OutcomeUnknown(own_id("MSFT"), "timeout", at(1)),
    OrderSeen(SEEN, at(1)),
    OrderSeen(filled(SEEN, 4, "99.99", at(2)), at(2)),
    FillSeen(a_fill(SEEN, 7, 3, "100.00", at(3))),
    IntentRecorded((an_entry("XOM"), an_entry("JPM")), at(3)),
    OrderRefused(own_id("XOM"), "40310000", "insufficient buying power", at(4)),
    NotSent(own_id("JPM"), "absent", at(4)),
    OrderAdopted(
        replace(an_exit(ENTRY, "foreign"), qty=D(1)),
        seen_of(replace(an_exit(ENTRY, "foreign"), qty=D(1)), "b-9", OrderStatus.NEW),
        at(5),
    ),
    PlanStarted(PLAN),
    PlanStepped("p-1", "send_exit", 1, at(6), {"qty": "7"}),
    PlanStarted(replace(PLAN, plan_id="p-2")),
    PlanDone("p-2", "closed", at(6)),
    OperatorPaused("cli", "lunch", at(7)),
    OperatorResumed("cli", "back", at(8)),
    OperatorPaused("cli", "again", at(9)),
    EquitySeen(D("99999.99"), at(9)),
    LossReadingCounted(1, at(9), 2),
    TransferSeen("t-1", D("-50.00"), at(9)),
    HoldPlaced(HoldKind.DRAWDOWN, "fell", at(9)),
    HoldPlaced(HoldKind.REBUILD, "lost", at(9)),
    MoneyRebuilt(D("101000.00"), {"XOM": at(8)}, "rebuilt", at(9)),
    HoldCleared(HoldKind.REBUILD, "approver", at(9)),
    ExternalsObserved((a_position("GOOG", 3),), {"TSLA": D(4)}, at(9)),
    SharesChanged(BrokerMovement("s-1", "SPLIT", NOON.date(), D(0), at(9), "AAPL", D(7))),
    StatementCompared(Statement(NOON.date(), at(9), D("1.25"), True, ("cash differs",))),
    Reconciled(at(10), at(9)),
    OutboxWritten(("intent:" + ENTRY.client_order_id,)),
)


def test_events_when_listed_then_every_kind_is_tried_here() -> None:
    """No event escapes the round trip."""
    assert {type(event) for event in EVENTS} == set(get_args(Event))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_event_when_written_and_read_then_it_is_the_same(event: Event) -> None:
    """JSON text brings back an equal event, beside members of the journal's own."""
    record = json.loads(json.dumps(event_to_json(event))) | {"seq": 7, "crc": "x"}

    assert event_from_json(record) == event


@pytest.mark.parametrize("record", [None, {}, {"event": "Nothing"}, {"event": "EquitySeen"}])
def test_event_when_unreadable_then_value_error(record: object) -> None:
    """A record that is no event is never skipped silently."""
    with pytest.raises(ValueError, match=r"event|lacks"):
        event_from_json(record)


def test_state_when_written_and_read_then_it_is_the_same() -> None:
    """The payload has the keys of the contract, money as text, and brings back an equal state."""
    state = apply_all(a_state(day=None), EVENTS)

    payload = state_to_payload(state)

    assert {
        *("mode", "account_id", "operator", "positions", "orders", "plans", "pnl", "day"),
        *("cooldowns", "outbox", "trade_history"),
    } <= set(payload)
    assert payload["positions"]["AAPL"]["qty"] == "14"
    assert state_from_payload(json.loads(json.dumps(payload))) == state
    assert state_from_payload(payload).orders.by_broker_id("b-1") is not None


def test_journal_when_replayed_then_the_state_is_the_same_once_or_twice() -> None:
    """Replaying the journal onto the state that it made changes nothing more."""
    events = [event_to_json(event) for event in EVENTS]
    state = replay(a_state(day=None), [{"seq": 1, "events": events[:5]}, {"events": events[5:]}])

    assert state == apply_all(a_state(day=None), EVENTS)
    again = replay(state, [{"events": [one for one in events if one["event"] in SAFE_TWICE]}])
    assert replace(again, outbox=()) == replace(state, outbox=())


@pytest.mark.parametrize("record", [{}, [], {"events": {}}, {"events": ["x"]}])
def test_journal_when_a_record_holds_no_events_then_value_error(record: object) -> None:
    """A record of another shape is never skipped silently."""
    with pytest.raises(ValueError, match="event"):
        replay(a_state(), [record])


SAFE_TWICE = {"IntentRecorded", "OrderSeen", "FillSeen", "OrderAdopted", "DayOpened", "NotSent"}


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        (("mode",), None, "mode"),
        (("positions",), [], "positions"),
        (("positions", "AAPL", "qty"), 7.5, "qty"),
        (("positions", "AAPL", "qty"), "NaN", "qty"),
        (("positions", "AAPL", "opened_at"), "yesterday", "opened_at"),
        (("positions", "AAPL", "opened_at"), "2026-11-20T18:00:00", "timezone"),
        (("day", "date"), "2026-13-01", "date"),
        (("pnl", "trades"), "3", "trades"),
        (("pnl", "trades"), True, "trades"),
        (("plans",), {}, "plans"),
        (("operator", "paused"), "yes", "paused"),
        (("holds", "drawdown", "kind"), "bad luck", "HoldKind"),
    ],
)
def test_state_when_a_member_is_broken_then_the_error_names_it(
    path: tuple[str, ...], value: Any, word: str
) -> None:
    """A damaged payload is refused, with the place of the damage."""
    payload = json.loads(json.dumps(state_to_payload(apply_all(a_state(day=None), EVENTS))))
    parent = payload
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value

    with pytest.raises(ValueError, match=word):
        state_from_payload(payload)


@pytest.mark.parametrize("name", ["mode", "account_id", "positions", "orders", "pnl"])
def test_state_when_a_needed_member_is_gone_then_it_is_refused(name: str) -> None:
    """A payload without its core is no state; `[]` and text are none either."""
    payload = state_to_payload(a_state())
    del payload[name]

    unreadable: tuple[object, ...] = (payload, [], "state", None)
    for broken in unreadable:
        with pytest.raises(ValueError, match=r"payload"):
            state_from_payload(broken)


@dataclass(frozen=True)
class _Odd:
    """A shape that has no JSON form here."""

    value: set[int]


def test_json_when_a_shape_is_unknown_then_type_error() -> None:
    """An annotation without a codec is a fault of the program, said at once."""
    with pytest.raises(TypeError, match="no JSON form"):
        to_json(_Odd({1}))


def test_json_when_numbers_are_extreme_then_they_survive_as_text() -> None:
    """No exponent, no lost digit, no lost microsecond."""
    event = EquitySeen(Decimal("1E+3"), datetime(2026, 11, 20, 18, 0, 0, 123456, tzinfo=UTC))

    record = to_json(event)

    assert record["equity"] == "1000"
    assert from_json(EquitySeen, record) == event
