"""When the bot looks again before its next turn: what stands naked, or is about to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.trading_bot.coverage import coverage
from services.trading_bot.haste import exposed_symbols, naked_symbols
from shared.events.apply import apply_all
from shared.events.types import IntentRecorded, OrderSeen
from shared.models.orders import OrderStatus
from shared.models.plans import Plan, PlanKind
from tests.support.builders import NOON, a_state, an_entry, filled, legs_of, seen_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("step", "is_urgent"),
    [("cancel_legs", False), ("await_cancel", True), ("send_exit", True), ("await_fill", False)],
)
def test_stop_when_it_was_asked_to_go_then_its_shares_count_as_naked(
    step: str, is_urgent: bool
) -> None:
    """The broker may end the stop at once; without a look the exit would follow a turn later."""
    entry = an_entry()
    legs = tuple(replace(leg, status=OrderStatus.HELD) for leg in legs_of(entry))
    seen = replace(seen_of(entry, "broker-1", OrderStatus.FILLED), legs=legs)
    events = (IntentRecorded((entry,), NOON), OrderSeen(filled(seen, 10, "100.00", NOON), NOON))
    state = apply_all(a_state(), events)
    assert all(row.is_covered for row in coverage(state).values())
    plan = Plan("p", PlanKind.CLOSE, "AAPL", entry.position_key, step, NOON, NOON, "why")

    state = replace(state, plans=(plan,))

    assert (naked_symbols(state) == {"AAPL"}) is is_urgent
    assert (exposed_symbols(state) == {"AAPL"}) is is_urgent
