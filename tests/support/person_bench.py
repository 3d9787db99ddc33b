"""A bench on the exchange's books whose account a person trades, too: beside the bot, by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from services.exchange_sim.order_splits import split_orders
from services.exchange_sim.records import Refusal, SimOrder
from services.exchange_sim.splits import split_position
from services.trading_bot.decision import Facts
from services.trading_bot.execution.settling import Settler
from services.trading_bot.gather import Picture
from services.trading_bot.movements import events_of
from shared.models.externals import external_key
from shared.models.movements import BrokerMovement
from shared.models.orders import Order, OrderStatus, Side
from shared.models.portfolio import BrokerPosition
from shared.models.state_codec import state_from_payload, state_to_payload
from shared.models.trading_day import trading_day
from tests.support.bot_bench import POLICY
from tests.support.venue_bench import SYMBOL, VenueBench, VenueBroker

KEY = external_key(SYMBOL)


class OpenBroker(VenueBroker):
    """Says how many shares no order holds, as the real one does."""

    def _mirror(self) -> None:
        self.held = {
            held.symbol: BrokerPosition(
                held.symbol,
                held.qty,
                held.avg_entry_price,
                current_price=self.prices[held.symbol],
                available_qty=self.venue.books.available(held),
            )
            for held in self.venue.books.positions.values()
            if held.qty
        }


class PersonBench(VenueBench):
    """A bot and a person in one account."""

    def __init__(self, *, adopts: bool = False) -> None:
        super().__init__(policy=replace(POLICY, adopt_external=adopts))
        self.exchange = self.broker = OpenBroker(self.venue)
        self.settler = Settler(self.exchange, self.clock)
        self.by_hand: list[SimOrder] = []
        """What the person's orders were when they were taken."""

    def facts(self) -> Facts:
        """As the loop gathers it: only orders of others that still work."""
        facts = super().facts()
        live = tuple(one for one in facts.foreign_orders if one.status.is_live)
        return replace(facts, foreign_orders=live)

    def person(self, qty: object = 5, side: str = "buy", **body: Any) -> SimOrder | None:
        """Let the person place an order, at market unless told otherwise; None when refused."""
        words = {"qty": str(qty), "side": side, "symbol": SYMBOL} | body
        if words.get("type", "market") == "market":
            words["time_in_force"] = "day"
        try:
            order = self.venue.send(settle=False, **words)
        except Refusal:
            return None
        self.by_hand.append(order)
        return order

    def cancel_all(self) -> None:
        """Let the person cancel every order of the account, ours too."""
        for order in list(self.venue.books.live_orders(SYMBOL)):
            try:
                self.venue.cancel(self.venue.again(order), settle=False)
            except Refusal:
                continue

    def beside(self, qty: object = 5, ours: int = 10) -> str:
        """Hold shares of ours under their bracket, and a person's shares beside them, settled;
        returns the entry's id.
        """
        own_id = self.hold_bracket(ours)
        self.live_turn()
        self.person(qty)
        self.trade("100")
        for _ in range(3):
            self.pass_time(61)
            self.live_turn()
        return own_id

    def live_on(self, turns: int = 6, seconds: float = 5) -> None:
        """Let the market trade and the bot do some turns, seconds apart."""
        for _ in range(turns):
            self.pass_time(seconds - 1)
            self.trade(self.exchange.prices[SYMBOL])
            self.live_turn()

    def end_session(self) -> None:
        """Let the session close."""
        self.venue.end_session()
        self.is_open, self.now = False, self.venue.now
        self.exchange.go_on(self.now)

    def begin_session(self) -> None:
        """Let the next session open."""
        self.venue.begin_session()
        self.is_open, self.now = True, self.venue.now
        self.exchange.go_on(self.now)

    def restart(self, *, loses_state: bool = False) -> None:
        """Let the bot's process die and come back with what its file says, or without any."""
        if loses_state:
            epochs = (*self.state.known_epochs, self.state.id_epoch)
            self.state = replace(
                type(self.state)(self.state.mode, self.state.account_id, f"lost{len(epochs):04d}"),
                known_epochs=epochs,
            )
        else:
            self.state = state_from_payload(state_to_payload(self.state))
        self.settler = Settler(self.exchange, self.clock)

    def split(self, ratio: str) -> None:
        """Let the exchange carry out a split of so many new shares for one, over night."""
        books, factor = self.venue.books, Decimal(ratio)
        price = self.exchange.prices[SYMBOL] / factor
        split_orders(books, SYMBOL, factor, self.now)
        effect = split_position(books.positions[SYMBOL], factor, price)
        books.book(SYMBOL, effect.fill)
        self._note("SPLIT", effect.qty_change, Decimal(0))
        if effect.fraction:
            self._note("CIL", -effect.fraction, effect.fill.cash)
        self.exchange.prices[SYMBOL] = price
        self.venue.quote(SYMBOL, price)
        self.exchange.go_on(self.now)

    def _note(self, kind: str, qty: Decimal, amount: Decimal) -> None:
        name = f"n-{len(self.exchange.moved) + 1}"
        day = trading_day(self.now)
        self.exchange.moved.append(BrokerMovement(name, kind, day, amount, self.now, SYMBOL, qty))

    def take_movements(self) -> None:
        """Book what changed the account without an order, as the money watch does."""
        held = {one.symbol: one for one in self.exchange.positions()}
        picture = Picture(self.now, self.exchange.account(), (), held)
        self.book(*events_of(self.exchange.moved, self.state, picture))

    @property
    def shares(self) -> tuple[object, object, object]:
        """Held at the exchange, ours and theirs by our own book."""
        return self.venue.held(), self.ours, self.theirs

    @property
    def ours(self) -> Decimal:
        """Shares of ours by our own book."""
        held = self.state.positions.get(SYMBOL)
        return held.qty if held is not None else Decimal(0)

    @property
    def theirs(self) -> Decimal:
        """Shares that are not ours by our own book."""
        held = self.state.external_positions.get(SYMBOL)
        return held.qty if held is not None else Decimal(0)

    @property
    def own_external_stops(self) -> list[Order]:
        """Our orders for the person's shares that still work."""
        return [one for one in self.state.orders.group(KEY) if one.status.is_live]

    def live_sells(self) -> Decimal:
        """Shares that live orders at the exchange would sell; legs of one group count once."""
        held = self.venue.books.positions.get(SYMBOL)
        if held is None:
            return Decimal(0)
        return held.qty - self.venue.books.available(held)

    def filled_by_person(self) -> Decimal:
        """Signed shares that the person's own orders came to."""
        total = Decimal(0)
        for taken in self.by_hand:
            for one in self.venue.books.group(self.venue.again(taken)):
                sign = 1 if one.side is Side.BUY else -1
                total += sign * one.filled_qty
        return total

    def statuses(self) -> list[OrderStatus]:
        """Statuses of our stops for the person's shares, in order."""
        return [one.status for one in self.state.orders.group(KEY)]
