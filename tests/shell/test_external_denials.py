"""Protection that is denied or refused, of ours and of external shares: asked once, and told."""

from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.execution.door import FAILURES_MAX
from shared.errors import FailureClass
from shared.models.broker import OrderRequest, Rejected
from shared.models.market import Quote
from shared.models.orders import OrderClass, OrderRole, OrderType, Purpose, Side, TimeInForce
from shared.models.portfolio import BrokerPosition
from tests.support.bot_house import BEFORE, BotHouse, enter, seeing_a_breakout, status, steps

pytestmark = pytest.mark.integration


def bid_alone(house: BotHouse, symbol: str, bid: Decimal) -> None:
    """Let a broken quote come: no ask, and a bid at which the guard lets no stop stand."""
    house.market.put_quotes([Quote(symbol, house.now, bid, Decimal(0))])


def test_bot_when_the_guard_denies_its_stop_then_it_asks_once_a_turn_and_health_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Six questions a turn cost eighteen reads and six lines, and no answer changes."""
    caplog.set_level(logging.INFO)
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    enter(house)
    house.turn()
    live = house.parts.memory.state.orders.live()
    stop = next(one for one in live if one.role is OrderRole.STOP)
    assert stop.stop_price is not None
    bid_alone(house, "AAPL", stop.stop_price - 1)
    house.broker.cancel(stop.broker_order_id or "")
    asked_before = steps(house).count("denied")

    asked = []
    for _ in range(3):
        reads = house.broker.reads
        house.turn()
        asked.append((steps(house).count("denied") - asked_before, house.broker.reads - reads))
        asked_before = steps(house).count("denied")

    assert [count for count, _ in asked] == [1, 1, 1]
    assert max(reads for _, reads in asked) <= 5
    assert any("DEGRADED" in each and "AAPL gets no stop" in each for each in caplog.messages)
    bid_alone(house, "AAPL", stop.stop_price + 1)
    house.turn()
    house.turn()
    assert any("recovered" in each for each in caplog.messages)
    house.loop.finish()


def test_bot_when_the_guard_denies_an_external_stop_then_it_asks_once_a_turn(
    tmp_path: Path,
) -> None:
    """A stop beneath the broker's price and above a broken quote's bid."""
    house = BotHouse(tmp_path, BEFORE, adopts_external=True)
    price, qty = Decimal(200), Decimal(10)
    house.broker.prices["MSFT"] = price
    house.broker.held["MSFT"] = BrokerPosition(
        "MSFT", qty, price, current_price=price, available_qty=qty
    )
    bid_alone(house, "MSFT", Decimal(100))

    house.turn()
    house.turn()

    assert house.broker.submitted == []
    assert steps(house).count("denied") == 2
    house.loop.finish()


def test_bot_when_external_stops_are_refused_then_its_own_trading_is_not_held_back(
    tmp_path: Path,
) -> None:
    """A broker may refuse them for whatever others do with their shares, minute after minute: that
    says nothing of the orders that the bot sends for itself.
    """
    house = BotHouse(tmp_path, BEFORE, adopts_external=True)
    for number in range(FAILURES_MAX + 1):
        symbol, price = f"EXT{number}", Decimal(200)
        house.broker.held[symbol] = BrokerPosition(
            symbol, Decimal(10), price, current_price=price, available_qty=Decimal(10)
        )
    refusal = Rejected(FailureClass.RISK, "403", "opposite side market/stop order exists")
    house.broker.place = lambda request: refusal  # type: ignore[method-assign] # a fake

    house.turn()
    house.turn()

    assert steps(house).count("rejected") == FAILURES_MAX + 1
    assert not house.parts.door.has_error_burst(house.now)
    assert not any("too many errors" in row["reason"] for row in status(house)["causes"])
    house.loop.finish()


def test_status_when_a_limit_by_hand_holds_external_shares_then_they_are_not_shown_protected(
    tmp_path: Path,
) -> None:
    """Every reader hears the same: page, chat and alert go by this file."""
    house = BotHouse(tmp_path, BEFORE)
    price, qty = Decimal(200), Decimal(10)
    house.broker.held["MSFT"] = BrokerPosition(
        "MSFT", qty, price, current_price=price, available_qty=Decimal(0)
    )
    asked = by_hand_request("MSFT", qty)
    house.broker.open(asked)

    house.turn()
    house.turn()

    (row,) = status(house)["external_positions"]
    assert (row["qty"], row["protected_qty"]) == ("10", "0")
    assert status(house)["external_coverage_pct"] == 0
    house.loop.finish()


def by_hand_request(symbol: str, qty: Decimal) -> OrderRequest:
    """A person's limit far above the market."""
    return OrderRequest(
        client_order_id="by-hand",
        purpose=Purpose.REDUCE,
        symbol=symbol,
        side=Side.SELL,
        qty=qty,
        type=OrderType.LIMIT,
        order_class=OrderClass.SIMPLE,
        time_in_force=TimeInForce.GTC,
        limit_price=Decimal(300),
        strategy="",
        created_at=BEFORE,
        reason="by hand",
    )
