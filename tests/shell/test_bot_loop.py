"""The loop on real files and a broker in memory: one cycle, and what may go wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.loop import RESOLVE_WITHIN_S, Loop
from shared.errors import ConfigFault, RiskFault, SchemaFault, TransientFault
from shared.models.orders import OrderClass, OrderStatus
from shared.models.signals import Signal
from shared.models.trading_state import TradingState
from shared.persistence.ledger import LedgerReader
from tests.support.bot_house import BEFORE, BotHouse, enter, seeing_a_breakout, status, steps
from tests.support.builders import stop_of

pytestmark = pytest.mark.integration


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot that sees AAPL break out at its next turn."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    yield house
    house.loop.finish()


def test_loop_when_a_breakout_comes_then_enters_fills_stops_out_and_books_the_trade(
    house: BotHouse,
) -> None:
    """Signal, bracket, fill, stop, trade: in memory, in the logs and in the ledger."""
    own_id = enter(house)
    house.turn()
    assert house.parts.memory.state.orders[own_id].status is OrderStatus.FILLED
    stop_price = house.broker.submitted[0].stop_loss_price
    assert stop_price is not None

    house.broker.trade("AAPL", stop_price - Decimal("0.01"))
    house.turn()
    house.loop.finish()

    assert house.parts.memory.state.positions == {}
    (trade,) = LedgerReader(house.settings.state.ledger).trades(10)
    assert trade["exit_reason"] == "stop"
    for word in ("intent", "approved", "submitted", "accepted", "fill", "canceled"):
        assert word in steps(house)


def test_loop_when_an_order_is_sent_then_its_intent_is_on_disk_before(house: BotHouse) -> None:
    """At the moment of the POST the journal holds the id."""
    seen: list[bool] = []
    place = house.broker.place

    def watch(request: object) -> object:
        text = house.settings.state.journal.read_text(encoding="utf-8")
        seen.append(request.client_order_id in text)  # type: ignore[attr-defined] # a request
        return place(request)  # type: ignore[arg-type] # handed on

    house.broker.place = watch  # type: ignore[method-assign,assignment] # the broker is the fake

    enter(house)

    assert seen == [True]


def test_loop_when_the_reply_is_lost_then_the_order_is_found_and_never_doubled(
    house: BotHouse,
) -> None:
    """The look by our id, or the next list, finds the order; its legs are adopted with it."""
    house.broker.lose_reply = True

    own_id = enter(house)
    house.turn()

    assert "ambiguous" in steps(house)
    assert house.parts.memory.state.unknown_outcomes == {}
    assert house.parts.memory.state.orders[own_id].status is OrderStatus.FILLED
    assert stop_of(house.parts.memory.state) is not None
    assert len(house.broker.submitted) == 1


def test_loop_when_the_bot_dies_between_intent_and_answer_then_restart_doubles_nothing(
    house: BotHouse,
) -> None:
    """A new process finds the order by its id and goes on."""

    class Death(BaseException):
        """SIGKILL, as far as Python can play it."""

    place = house.broker.place

    def die(request: object) -> object:
        place(request)  # type: ignore[arg-type] # handed on
        raise Death

    house.broker.place = die  # type: ignore[method-assign,assignment] # the broker is the fake
    with pytest.raises(Death):
        house.turn()
    house.broker.place = place  # type: ignore[method-assign] # alive again
    house.born()

    house.turn()
    house.turn()

    assert len(house.broker.submitted) == 1
    state = house.parts.memory.state
    assert state.positions["AAPL"].qty == house.broker.held["AAPL"].qty
    assert stop_of(state) is not None
    assert state.unknown_outcomes == {}


def test_loop_when_killed_after_any_turn_then_a_new_process_knows_the_same(
    house: BotHouse,
) -> None:
    """State and journal together hold positions, orders and trades without a clean stop."""
    enter(house)
    house.turn()
    before = house.parts.memory.state

    house.born()

    after = house.parts.memory.state
    assert dict(after.positions) == dict(before.positions)
    assert {key: o.status for key, o in after.orders.items()} == {
        key: o.status for key, o in before.orders.items()
    }


def test_loop_when_the_broker_is_away_then_stays_up_adds_no_risk_and_recovers(
    house: BotHouse,
) -> None:
    """A failed read is no empty answer: nothing is sent, nothing forgotten."""
    own_id = enter(house)
    house.turn()
    house.broker.read_fault = TransientFault("connection refused")

    for _ in range(3):
        house.turn()

    assert len(house.broker.submitted) == 1
    assert "AAPL" in house.parts.memory.state.positions
    house.broker.read_fault = None
    house.turn()
    assert house.parts.memory.state.orders[own_id].status is OrderStatus.FILLED
    assert house.parts.eye.fault is None


def test_loop_when_the_keys_are_refused_then_ends_as_a_configuration_fault(
    house: BotHouse,
) -> None:
    """No retry mends refused keys: exit 78."""
    house.broker.read_fault = ConfigFault("401 unauthorized")

    with pytest.raises(ConfigFault):
        house.turn()


def test_loop_when_a_reply_breaks_its_contract_then_halted_and_up(house: BotHouse) -> None:
    """Contract drift while running halts trading; only at the start it ends the process."""
    house.turn()
    house.broker.read_fault = SchemaFault("account.equity: expected a number, found null")

    house.turn()

    assert status(house)["trading_state"] == TradingState.HALTED.value
    assert status(house)["trading_state_cause"] == "contracts"


def test_loop_when_the_stream_is_silent_then_no_entry_and_the_denial_says_why(
    house: BotHouse,
) -> None:
    """Without the trade stream an order could fill unseen."""
    house.stream.listening = False

    house.turn()

    assert house.broker.submitted == []
    assert status(house)["trading_state"] == TradingState.REDUCING.value


def test_loop_when_an_oco_is_adopted_then_coverage_counts_it(house: BotHouse) -> None:
    """A partial entry ends under an OCO that the broker holds."""
    house.broker.fills_on_submit = False
    own_id = enter(house)
    house.broker.fill(own_id, 4, "101.50")
    house.turn()
    house.turn()

    state = house.parts.memory.state
    assert state.positions["AAPL"].qty == 4
    assert house.broker.submitted[-1].order_class is OrderClass.OCO
    assert status(house)["coverage_pct"] == 100.0


def test_status_when_written_then_has_every_field_of_the_sheet(house: BotHouse) -> None:
    """The page may rely on the shape; money is text."""
    enter(house)
    house.turn()

    document = status(house)

    (position,) = document["positions"]
    assert position["stop_confirmed"] is True
    assert isinstance(document["equity"], str)
    assert {row["name"] for row in document["limits"]} >= {"daily_loss", "gross_exposure"}


def test_books_when_a_denial_comes_then_ledger_and_log_say_check_limit_and_value(
    tmp_path: Path,
) -> None:
    """Denials are logged and trading goes on: here no close of the day before is known."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE, knows_yesterday=False))

    house.turn()
    house.loop.finish()

    assert house.broker.submitted == []
    (row,) = LedgerReader(house.settings.state.ledger).denials(10)
    assert row["code"] == "band_close"
    assert "denied" in steps(house)


def test_loop_when_the_start_leaves_something_unresolved_then_ends_as_a_risk_fault(
    house: BotHouse,
) -> None:
    """Shares of ours that vanished need a trader: exit 77, once nothing works any more."""
    enter(house)
    house.turn()
    house.born()
    house.broker.held["AAPL"] = replace(house.broker.held["AAPL"], qty=Decimal(1))

    for _ in range(5):
        house.turn()
    house.clock.advance(RESOLVE_WITHIN_S)

    with pytest.raises(RiskFault, match="unresolved"):
        house.turn()


def test_loop_when_the_account_changes_under_it_then_starts_anew(house: BotHouse) -> None:
    """Another account's books are never mixed with ours: a fresh process loads its own state."""
    house.turn()
    house.broker.account_id = "PA0000000002"

    with pytest.raises(TransientFault, match="another account"):
        house.turn()


def test_loop_when_a_strategy_fails_then_positions_are_still_looked_after(
    house: BotHouse,
) -> None:
    """One bad strategy stops neither the loop nor protection."""

    class Broken:
        """Fails whenever it is asked."""

        name = "broken"

        def decide(self, snapshot: object, portfolio: object) -> list[Signal]:
            raise ZeroDivisionError

        def exit_reason(self, position: object, buffer: object, now: object) -> str | None:
            raise ZeroDivisionError

    enter(house)
    house.turn()
    broken = replace(house.parts.policy, strategies={"momentum": Broken()})
    house.parts = replace(house.parts, policy=broken)
    house.loop = Loop(house.parts)
    for order in list(house.broker.books.values()):
        if order.status.is_live:
            house.broker.cancel(order.broker_order_id)

    house.turn()

    assert status(house)["coverage_pct"] == 100.0


def test_loop_when_market_time_stays_unknown_then_trading_is_no_longer_called_active(
    house: BotHouse,
) -> None:
    """While the broker's clock is silent market time stands still here, and no age grows in it:
    what was fresh when it fell silent must not look fresh for ever.
    """
    silent = TransientFault("the broker's clock is silent")
    house.turn()
    house.pass_time(2)
    house.loop.idle(silent)
    assert status(house)["trading_state"] == "ACTIVE"

    house.pass_time(20)
    house.loop.idle(silent)

    assert status(house)["trading_state"] == "REDUCING"
    house.turn()
    assert status(house)["trading_state"] == "ACTIVE"
