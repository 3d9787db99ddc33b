"""The bot's decisions against the exchange's own books and matching: guard, wire and settling too.

No sockets, no files: what the bot would send passes the guard on the facts that it would gather,
travels over a wire that may lose, delay or double it, and is judged by the simulated broker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from services.exchange_sim.books import Books
from services.exchange_sim.groups import nested_children
from services.exchange_sim.listing import OrderQuery, is_visible, list_orders
from services.exchange_sim.records import Refusal, SimOrder
from services.exchange_sim.wire import order_document
from services.trading_bot.decision import Facts
from services.trading_bot.execution.denials import Denials
from services.trading_bot.execution.settling import Settler
from services.trading_bot.guard_facts import System, guard_facts
from services.trading_bot.sends import Send, entry_send
from shared.contracts.alpaca_orders import read_order
from shared.errors import FailureClass
from shared.models.broker import (
    Accepted,
    Asset,
    BrokerOrder,
    CancelOutcome,
    CancelRequested,
    CloseOutcome,
    CloseRequested,
    NoPosition,
    OrderRequest,
    Rejected,
    SubmitOutcome,
    Unknown,
)
from shared.models.orders import Purpose
from shared.models.portfolio import Position
from shared.risk.dollars import DollarLimits
from shared.risk.trade_guard import Denied, guard
from shared.vendors.order_wire import is_answer_to, patch_fields, post_fields
from tests.support.bot_bench import BotBench, a_signal
from tests.support.clock import ManualClock
from tests.support.exchange_venue import NOON, Venue
from tests.support.fake_broker import FakeBroker

SYMBOL = "AAA"
WHOLE, LOST_BEFORE, LOST_AFTER, LATE, DOUBLED, REFUSED = (
    "whole",
    "lost before",
    "lost after",
    "late",
    "twice",
    "refused",
)
LATE_BY = timedelta(seconds=7)
"""What is late arrives within the ten seconds that a dead connection is given (rule 10)."""


class VenueBroker(FakeBroker):
    """The broker's doors, over books and matching of the exchange; `wire` says what befalls the
    next request.
    """

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue.now)
        self.venue = venue
        self.wire: Callable[[], str] = lambda: WHOLE
        self.on_way: list[tuple[datetime, Callable[[], object]]] = []
        self.prices[SYMBOL] = Decimal(100)

    @property
    def _books(self) -> Books:
        return self.venue.books

    def go_on(self, now: datetime) -> None:
        """Let market time pass: late requests arrive, accepted ones are carried out."""
        self.now = self.venue.now = now
        self._books.update_account(now=now)
        due = [act for at, act in self.on_way if at <= now]
        self.on_way = [one for one in self.on_way if one[0] > now]
        for act in due:
            act()
        self.venue.settle()
        self._mirror()

    def trade(self, symbol: str, price: Decimal | str) -> None:
        self.prices[symbol] = Decimal(price)
        self.venue.settle()
        self.venue.now = self.now - timedelta(seconds=1)  # the venue lets one pass itself
        self.venue.trade(symbol, price)
        self._mirror()

    def _mirror(self) -> None:
        self.held = {
            held.symbol: Position(
                held.symbol,
                held.qty,
                held.avg_entry_price,
                current_price=self.prices[held.symbol],
            )
            for held in self._books.positions.values()
            if held.qty
        }

    def positions(self) -> tuple[Position, ...]:
        self._mirror()
        return super().positions()

    def orders(
        self, status: str, *, after: datetime | None = None, symbols: Sequence[str] = ()
    ) -> tuple[BrokerOrder, ...]:
        self._read()
        query = OrderQuery(status="all", limit=500, ascending=True, nested=True)
        return tuple(self._seen(order) for order in list_orders(self._books, query))

    def _seen(self, order: SimOrder) -> BrokerOrder:
        return read_order(order_document(self._books, order))

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        self._read()
        found = self._books.find(broker_order_id)
        return self._seen(found) if found is not None and is_visible(self._books, found) else None

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        self._read()
        if self.lookup_fault is not None:
            raise self.lookup_fault
        found = self._books.find_client_id(client_order_id)
        return self._seen(found) if found is not None and is_visible(self._books, found) else None

    def place(self, request: OrderRequest) -> SubmitOutcome:
        self.submitted.append(request)
        word = self.wire()
        if word == LATE:
            self.on_way.append((self.now + LATE_BY, lambda: self._arrive(request)))
        if word in (LOST_BEFORE, LATE):
            return Unknown(word)
        if word == REFUSED:
            return Rejected(FailureClass.TRANSIENT, "rate_limited", word)
        outcome = self._arrive(request)
        if word == DOUBLED:
            outcome = self._arrive(request)
        return Unknown(word) if word == LOST_AFTER else outcome

    def _arrive(self, request: OrderRequest) -> SubmitOutcome:
        try:
            if request.replaces is None:
                order = self.venue.send(settle=False, **post_fields(request))
            else:
                old = self.venue.desk.order(request.replaces)
                order = self.venue.replace(old, settle=False, **patch_fields(request))
        except Refusal as refusal:
            if "unique" in str(refusal):
                return self._already(request)
            return Rejected(FailureClass.RISK, str(refusal.code), str(refusal))
        return Accepted(self._seen(order))

    def _already(self, request: OrderRequest) -> SubmitOutcome:
        order = self.order_by_client_id(request.client_order_id)
        if order is None:
            return Unknown("taken, and not found")
        return Accepted(order) if is_answer_to(request, order) else Unknown("another order")

    def cancel(self, broker_order_id: str) -> CancelOutcome:
        self.cancelled.append(broker_order_id)
        word = self.wire()
        if word in (LOST_BEFORE, LATE):
            return Unknown(word)
        try:
            self.venue.cancel(self.venue.desk.order(broker_order_id), settle=False)
        except Refusal as refusal:
            return Rejected(FailureClass.RISK, str(refusal.code), str(refusal))
        return CancelRequested() if word != LOST_AFTER else Unknown(word)

    def close_position(self, symbol: str, qty: Decimal | None = None) -> CloseOutcome:
        self.asked_to_close.append(symbol)
        word = self.wire()
        if word in (LOST_BEFORE, LATE):
            return Unknown(word)
        if symbol not in self._books.positions:
            return NoPosition()
        try:
            order = self.venue.desk.close_position(symbol, qty, self.venue.moment())
        except Refusal as refusal:
            return Rejected(FailureClass.RISK, str(refusal.code), str(refusal))
        return Unknown(word) if word == LOST_AFTER else CloseRequested(self._seen(order))

    def legs_of(self, own_id: str) -> list[SimOrder]:
        """Return every order of the group that an order of ours began."""
        order = self._books.find_client_id(own_id)
        assert order is not None
        return [one for one in self._books.group(order) if one.id != order.id]

    def nested(self, own_id: str) -> list[SimOrder]:
        """Return what is shown under an order of ours."""
        order = self._books.find_client_id(own_id)
        assert order is not None
        return nested_children(self._books, order)


class VenueBench(BotBench):
    """A bench on the exchange's books; every send passes the guard."""

    def __init__(self, **changes: Any) -> None:
        self.venue = Venue()
        # As the start sets it: a sell that races a stop must not open a short (rule 5).
        self.venue.configure(no_shorting=True)
        self.exchange = VenueBroker(self.venue)
        super().__init__(now=NOON, broker=self.exchange, **changes)
        self.clock = ManualClock()
        self.settler = Settler(self.exchange, self.clock)
        self.denied: list[Denied] = []
        self.account_matches = True
        """Whether the guard may approve anything at all."""
        self._denials = Denials()

    def facts(self) -> Facts:
        return replace(super().facts(), denied_raises=self._denials.raises)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.clock.advance(seconds)
        self.exchange.go_on(self.now)

    def trade(self, price: Decimal | str) -> None:
        """Let the market move to a price; a second passes."""
        self.pass_time(1)
        self.exchange.trade(SYMBOL, price)

    def send(self, send: Send) -> None:
        facts = replace(self.facts(), reconcile_age_s=1.0)
        system = System(
            emergency_stop=False,
            stream_listening=True,
            store_writable=True,
            clock_skew_s=0.0,
            mode_matches=True,
            account_matches=self.account_matches,
            asset=Asset(SYMBOL, "us_equity", True, True, True),
            prior_close=Decimal(100),
        )
        known = guard_facts(send, facts, system)
        if send.request.purpose is Purpose.ENTRY:
            known = replace(
                known, last_trade=Decimal(100), drawdown_pct=Decimal(0), day_pnl=Decimal(0)
            )
        verdict = guard(
            send.request, known, DollarLimits.of(self.policy.limits, Decimal(100_000)), 0.0
        )
        if isinstance(verdict, Denied):
            self.denied.append(verdict)
            self._denials.note(verdict, self.now)
            return
        super().send(send)

    def settle(self) -> None:
        """Look for what is unknown, as the loop does before it decides."""
        held = self.exchange.held if self.positions_readable else None
        settled = self.settler.settle(self.state, held, self.now)
        self.book(*settled.events)
        for send in settled.resend:
            self.send(send)

    def live_turn(self) -> None:
        """Do one turn as the loop does it: look, reconcile, settle, decide and act."""
        self.look()
        if self.orders_readable and self.positions_readable:
            self.reconcile()
        self.settle()
        self.turn()

    def bracket(self, qty: int = 10) -> str:
        """Place a bracket around 100 as a signal would; returns its client_order_id."""
        signal = replace(a_signal(SYMBOL, self.now), stop_price=Decimal(98))
        signal = replace(signal, target_price=Decimal(110))
        send = entry_send(self.state, signal, Decimal(qty), self.now)
        self.send(send)
        return send.request.client_order_id

    def hold_bracket(self, qty: int = 10) -> str:
        """Own a position whose bracket is whole; returns the entry's client_order_id."""
        own_id = self.bracket(qty)
        self.trade("100")
        self.look()
        return own_id
