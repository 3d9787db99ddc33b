"""Rules of ORDER_PATH.md that stand behind each other: each one alone, where another would help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.trading_bot.entries import plan_entry
from services.trading_bot.execution.settling import Settler
from services.trading_bot.gather import BrokerEye
from services.trading_bot.guard_facts import System, exposure, guard_facts, open_risk
from services.trading_bot.sends import entry_send
from services.trading_bot.settling import LOOKS_AT_S
from shared.errors import TransientFault
from shared.events.apply import apply_all
from shared.events.positions import is_closed
from shared.events.retention import drop_tombstones
from shared.events.types import (
    Event,
    IntentRecorded,
    NotSent,
    OrderSeen,
    OutcomeUnknown,
)
from shared.models.broker import BrokerFill, BrokerOrder
from shared.models.ids import Decision, make_client_order_id
from shared.models.market import Candle, CandleBuffer
from shared.models.orders import OrderStatus, Side
from shared.models.portfolio import Account, Position
from shared.models.signals import Signal
from shared.models.trading_day import trading_day
from shared.models.trading_state import BotState
from shared.ports import MarketSnapshot, PortfolioView
from tests.support.bot_bench import POLICY, BotBench, a_signal
from tests.support.builders import NOON, D, a_position, a_state, an_entry, at, seen_of
from tests.support.clock import ManualClock
from tests.support.fake_broker import FakeBroker

pytestmark = pytest.mark.unit

DECISION = Decision("account-1", "momentum", "AAPL", "buy", NOON)
ENTRY = an_entry()
ASKED = System(False, True, True, 0.0, True, True, None, None)


class Wishing:
    """Wants the same entry at every moment."""

    name = "momentum"

    def decide(self, market: MarketSnapshot, portfolio: PortfolioView) -> tuple[Signal, ...]:
        return (a_signal(),)

    def exit_reason(self, position: object, buffer: object, now: object) -> str | None:
        return None


def recorded(*events: Event) -> BotState:
    """Return a state that knows ENTRY, and then this."""
    return apply_all(a_state(), [IntentRecorded((ENTRY,), NOON), *events])


# --- rules 7 and 8: identity and owners


@pytest.mark.parametrize(
    "changes",
    [
        {"account_id": "account-2"},
        {"strategy": "other"},
        {"symbol": "MSFT"},
        {"side": "sell"},
        {"at": NOON + timedelta(microseconds=1)},
        {"sequence": 1},
    ],
)
def test_id_when_any_part_of_the_decision_differs_then_the_id_differs(
    changes: dict[str, Any],
) -> None:
    """One decision, one id; another decision, another id."""
    assert make_client_order_id("testepo1", DECISION) == make_client_order_id("testepo1", DECISION)
    other = make_client_order_id("testepo1", replace(DECISION, **changes))
    assert other != make_client_order_id("testepo1", DECISION)


def wishing_bench(**changes: Any) -> BotBench:
    """A bench whose strategy wants to buy AAPL at every moment."""
    policy = replace(POLICY, strategies={"momentum": Wishing()}, **changes)
    bench = BotBench(policy=policy)
    bench.broker.prices["AAPL"] = D(100)
    return bench


def entries_of(bench: BotBench) -> int:
    """How many entries would be sent."""
    buffer = CandleBuffer("AAPL", 10, 5)
    buffer.add(Candle("AAPL", NOON - timedelta(minutes=1), D(100), D(100), D(100), D(100), 100))
    facts = bench.facts()
    facts = replace(facts, market=replace(facts.market, buffers={"AAPL": buffer}))
    return len(plan_entry(facts).entries)


def test_entry_when_its_order_is_known_and_over_then_it_is_not_asked_again() -> None:
    """At most once, even with no cooldown to help (rule 7)."""
    bench = wishing_bench()
    assert entries_of(bench) == 1
    send = entry_send(bench.state, a_signal(), D(5), bench.now)
    own_id = send.request.client_order_id
    bench.book(IntentRecorded((send.order,), bench.now), NotSent(own_id, "absent", bench.now))
    bench.state = replace(bench.state, cooldowns={})

    assert entries_of(bench) == 0


@pytest.mark.parametrize("what", ["position", "external", "at the broker", "live order"])
def test_entry_when_the_symbol_has_an_owner_then_no_strategy_wishes_and_the_guard_knows(
    what: str,
) -> None:
    """One owner per symbol until flat, in the plan and in the guard alike (rule 8)."""
    bench = wishing_bench()
    held = a_position()
    if what == "position":
        bench.state = replace(bench.state, positions={"AAPL": replace(held, strategy="other")})
    elif what == "external":
        bench.state = replace(bench.state, external_positions={"AAPL": held})
    elif what == "at the broker":
        bench.broker.held["AAPL"] = held
    else:
        order = replace(ENTRY, status=OrderStatus.UNKNOWN)
        bench.state = replace(bench.state, orders=bench.state.orders.put(order))
    send = entry_send(bench.state, a_signal(), D(5), bench.now)

    assert entries_of(bench) == 0
    assert guard_facts(send, bench.facts(), ASKED).owner != ""


def test_guard_when_the_id_is_known_then_it_is_told() -> None:
    """Behind the plan the guard, too, sends no decision twice."""
    bench = wishing_bench()
    send = entry_send(bench.state, a_signal(), D(5), bench.now)
    assert guard_facts(send, bench.facts(), ASKED).known_id is False
    bench.book(IntentRecorded((send.order,), bench.now))

    assert guard_facts(send, bench.facts(), ASKED).known_id is True


# --- rules 9, 10 and 18: unknown and foreign


def test_exposure_when_an_entry_is_unknown_then_all_of_it_counts() -> None:
    """Full exposure and full risk until it is settled (rule 9)."""
    bench = BotBench()
    own_id = ENTRY.client_order_id
    bench.state = recorded(OutcomeUnknown(own_id, "reset", at(1)))

    assert exposure(bench.facts(), "AAPL") == exposure(bench.facts(), None) == D(1000)
    assert open_risk(bench.facts()) == D(20)
    assert (
        guard_facts(
            entry_send(bench.state, a_signal("MSFT"), D(5), bench.now), bench.facts(), ASKED
        ).unknown_outcomes
        == 1
    )


def test_exposure_when_shares_are_not_ours_then_they_count_all_the_same() -> None:
    """External positions are counted in exposure (rule 18)."""
    bench = BotBench()
    bench.broker.held["TSLA"] = a_position("TSLA", 3)

    assert exposure(bench.facts(), None) == D(300)


def test_reconcile_when_an_intent_has_no_answer_then_its_outcome_is_unknown() -> None:
    """A death between send and reply: sent or not (rule 9)."""
    bench = BotBench()
    send = entry_send(bench.state, a_signal(), D(5), bench.now)
    bench.book(IntentRecorded((send.order,), bench.now))

    bench.reconcile()

    assert set(bench.state.unknown_outcomes) == {send.request.client_order_id}


def test_tombstone_when_a_day_has_passed_then_it_goes_and_no_sooner() -> None:
    """A late order is recognised until the next day's reconciliation (rule 10)."""
    state = recorded(NotSent(ENTRY.client_order_id, "absent", at(1)))
    today = trading_day(NOON)

    assert not is_closed(state.orders.group(ENTRY.position_key))
    assert ENTRY.client_order_id in drop_tombstones(state, today).orders
    tomorrow = drop_tombstones(state, today + timedelta(days=1))
    assert ENTRY.client_order_id not in tomorrow.orders


def test_tombstone_when_the_order_comes_late_then_it_lives() -> None:
    """Absent in every look, and accepted all the same: booked, so that it is protected."""
    state = recorded(NotSent(ENTRY.client_order_id, "absent", at(1)))

    late = apply_all(state, [OrderSeen(seen_of(ENTRY, "b-1", OrderStatus.NEW), at(2))])

    assert late.orders[ENTRY.client_order_id].status is OrderStatus.NEW


def looked_through(bench: BotBench, settler: Settler, clock: ManualClock) -> tuple[str, ...]:
    """Make every look and one more; return what stays unresolved."""
    settled = settler.settle(bench.state, dict(bench.broker.held), bench.now)
    for seconds in (*LOOKS_AT_S[1:], LOOKS_AT_S[-1] + 1):
        clock.advance(seconds)
        bench.book(*settled.events)
        settled = settler.settle(bench.state, dict(bench.broker.held), bench.now)
    bench.book(*settled.events)
    return settled.unresolved


def unknown_entry() -> tuple[BotBench, Settler, ManualClock]:
    """A bench that knows ENTRY as unknown, at a broker that does not."""
    bench, clock = BotBench(), ManualClock()
    bench.state = recorded(OutcomeUnknown(ENTRY.client_order_id, "reset", NOON))
    return bench, Settler(bench.broker, clock), clock


def test_settling_when_nothing_moved_then_the_order_was_not_sent() -> None:
    """Absent in all looks, position unchanged, no such fill (rule 10)."""
    bench, settler, clock = unknown_entry()

    assert looked_through(bench, settler, clock) == ()
    assert bench.state.orders[ENTRY.client_order_id].status is OrderStatus.NOT_SENT


@pytest.mark.parametrize("what", ["shares", "a fill"])
def test_settling_when_the_position_moved_or_a_fill_fits_then_a_person_must_look(what: str) -> None:
    """A fill that was sold again leaves the position as it was."""
    bench, settler, clock = unknown_entry()
    if what == "shares":
        bench.broker.held["AAPL"] = a_position()
    else:
        fill = BrokerFill("a-1", "b-9", "AAPL", Side.BUY, D(10), D(10), D(100), at(1))
        bench.broker.activities.append(fill)

    assert looked_through(bench, settler, clock) == (ENTRY.client_order_id,)
    assert set(bench.state.unknown_outcomes) == {ENTRY.client_order_id}


def test_settling_when_a_look_fails_then_it_is_none() -> None:
    """An unreadable answer is no "no such order"."""
    bench, settler, clock = unknown_entry()
    bench.broker.lookup_fault = TransientFault("no answer")
    for _ in range(len(LOOKS_AT_S) + 2):
        clock.advance(200)
        with pytest.raises(TransientFault):
            settler.settle(bench.state, {}, bench.now)

    bench.broker.lookup_fault = None
    assert settler.settle(bench.state, {}, bench.now).events == ()


@dataclass
class BrokenBroker(FakeBroker):
    """A broker of whom one thing cannot be read."""

    broken: TransientFault | None = None
    what: str = ""

    def _say(self, what: str) -> None:
        if self.broken is not None and what == self.what:
            raise self.broken

    def account(self) -> Account:
        self._say("account")
        return super().account()

    def positions(self) -> tuple[Position, ...]:
        self._say("positions")
        return super().positions()

    def orders(
        self, status: str, *, after: datetime | None = None, symbols: Sequence[str] = ()
    ) -> tuple[BrokerOrder, ...]:
        self._say("orders")
        return super().orders(status, after=after, symbols=symbols)


@pytest.mark.parametrize("what", ["account", "orders", "positions"])
def test_look_when_a_part_cannot_be_read_then_it_is_unknown_and_never_empty(what: str) -> None:
    """Without account or orders there is no picture; one without positions says so (rule 18)."""
    broken = TransientFault("no answer")
    broker = BrokenBroker(NOON, broken=broken, what=what)
    eye = BrokerEye(broker)

    picture = eye.look(a_state(), NOON)

    assert eye.fault is broken
    assert (picture.positions if picture is not None else None) is None
    assert (picture is None) is (what != "positions")
