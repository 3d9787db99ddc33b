"""The guard over many exits: whatever wants to close, no sequence closes more than is held.

Wishes that nobody has sized go through the running order path: facts as the loop gathers them,
the guard, the journal, the door. The broker in memory refuses none of them and would go short,
so nothing but the guard stands between the wishes and an over-close.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from services.trading_bot.sends import (
    Holding,
    Send,
    exit_send,
    protection_send,
    stop_patch,
    target_patch,
    trailing_send,
)
from shared.models.broker import Accepted, BrokerOrder, OrderRequest, SubmitOutcome
from shared.models.orders import Order, OrderClass, OrderRole, OrderType, Purpose, Side
from shared.ports import Turn
from tests.support.bot_house import BEFORE, BotHouse, enter, seeing_a_breakout
from tests.support.fake_broker import FakeBroker

pytestmark = pytest.mark.integration

SYMBOL = "AAPL"
STEPS = 40
BEYOND = 3
"""So many shares more than are held a wish may ask to close."""


class WillingBroker(FakeBroker):
    """Takes every sale, loses replies of exits, and at times fills a sale within its reply."""

    fills_in_reply = False

    def place(self, request: OrderRequest) -> SubmitOutcome:
        # Shares that protection of unknown fate holds are the broker's to refuse, not the guard's.
        self.lose_reply = self.lose_reply and request.purpose is Purpose.REDUCE
        outcome = super().place(request)
        is_sale = request.purpose is Purpose.REDUCE and request.type is OrderType.MARKET
        if self.fills_in_reply and is_sale and isinstance(outcome, Accepted):
            self.fill(request.client_order_id, request.qty, self.prices[SYMBOL])
            filled = self.by_client_id(request.client_order_id)
            assert filled is not None
            return Accepted(filled)
        return outcome

    def _replace(self, new: BrokerOrder, old_id: str) -> BrokerOrder:
        made = super()._replace(new, old_id)
        is_target = self.books[old_id].order_class is OrderClass.OCO
        if is_target and old_id not in self.parent_of:
            self.parent_of[new.broker_order_id] = old_id  # the group of an OCO stays whole
        return made


def holding_house(folder: Path) -> tuple[BotHouse, WillingBroker]:
    """A house that holds AAPL behind its bracket, at a broker where orders rest."""
    house = BotHouse(folder, BEFORE)
    house.broker = broker = WillingBroker(house.now)
    house.born()
    seeing_a_breakout(house)
    enter(house)
    house.turn()
    broker.fills_on_submit = False
    assert SYMBOL in house.parts.memory.state.positions
    return house, broker


def live(house: BotHouse, role: OrderRole, kind: OrderType) -> Order | None:
    """A live order of ours that closes, as the bot knows it."""
    found = [
        order
        for order in house.parts.memory.state.orders.live()
        if (order.role, order.type) == (role, kind) and order.broker_order_id is not None
    ]
    return found[0] if found else None


def a_wish(house: BotHouse, dice: Random) -> Send | None:
    """Something that would close shares; nobody asked whether they are there."""
    state = house.parts.memory.state
    position = state.positions.get(SYMBOL)
    if position is None:
        return None
    holding = Holding(state, position, house.now)
    price = house.broker.prices[SYMBOL]
    most = int(position.qty) + BEYOND
    few = holding.only(Decimal(dice.randint(1, most)))
    target = live(house, OrderRole.TARGET, OrderType.LIMIT)
    stop = live(house, OrderRole.STOP, OrderType.STOP)
    wishes: list[Callable[[], Send]] = [
        lambda: exit_send(holding, Decimal(dice.randint(1, most)), "a wish"),
        lambda: protection_send(few, price - 1, price + 2),
        lambda: trailing_send(few, Decimal(1)),
    ]
    if target is not None:
        wishes.append(lambda: target_patch(holding, target, price - Decimal("0.10"), "a wish"))
    if stop is not None:
        wishes.append(lambda: stop_patch(holding, stop, price - Decimal("0.50"), "a wish"))
    return dice.choice([*wishes, wishes[0]])()


def look(house: BotHouse) -> Turn:
    """Let the bot see and book everything; return the moment."""
    turn = Turn(house.reading(), None)
    house.loop._sight.see(turn)
    return turn


def happen(house: BotHouse, broker: WillingBroker, dice: Random) -> None:
    """Let the broker, the wire, the bot itself or death do something."""
    selling = [
        order
        for order in broker.books.values()
        if order.side is Side.SELL and order.type is OrderType.MARKET and order.status.is_live
    ]
    match dice.choice(("fill", "fill", "cancel", "turn", "lose", "die", "in reply", "wait")):
        case "fill" if selling:
            order = dice.choice(selling)
            part = Decimal(dice.randint(1, int(order.qty - order.filled_qty)))
            broker.fill(order.client_order_id, part, broker.prices[SYMBOL])
        case "cancel":
            standing = [each for each in broker.books.values() if each.status.is_live]
            if standing:
                broker.cancel(dice.choice(standing).broker_order_id)
        case "turn":
            house.turn()
        case "lose":
            broker.lose_reply = True
        case "die":
            house.born()
        case "in reply":
            broker.fills_in_reply = not broker.fills_in_reply
        case _:
            house.pass_time(dice.choice((1, 20, 70)))


def check(broker: WillingBroker) -> None:
    """Compare what every live group would close with what the broker's own books hold."""
    held = broker.held.get(SYMBOL)
    closing: dict[str, Decimal] = {}
    for order in broker.books.values():
        if order.side is Side.SELL and order.symbol == SYMBOL and broker._is_active(order):
            root = broker.parent_of.get(order.broker_order_id, order.broker_order_id)
            rest = order.qty - order.filled_qty
            closing[root] = max(closing.get(root, Decimal(0)), rest)
    assert (held.qty if held is not None else 0) >= 0
    assert sum(closing.values()) <= (held.qty if held is not None else 0), closing


@pytest.mark.parametrize("seed", range(12))
def test_exits_when_wished_for_in_any_sequence_then_never_more_is_closed_than_held(
    tmp_path: Path, seed: int
) -> None:
    """Partial fills, lost replies, deaths, cancellations and the bot's own plans between them give
    nobody a share that another exit closes already.
    """
    dice = Random(seed)
    house, broker = holding_house(tmp_path)
    approved = 0
    for _ in range(STEPS):
        if dice.random() < 0.4:
            happen(house, broker, dice)
            check(broker)
            continue
        turn = look(house)
        for _ in range(dice.choice((1, 1, 2, 3))):  # beside each other, without a look between
            send = a_wish(house, dice)
            if send is None:
                break
            before = len(broker.submitted)
            house.loop._actor.send(send, house.loop._facts(turn))
            approved += len(broker.submitted) - before
            check(broker)
    assert approved > 0
