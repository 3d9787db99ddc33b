"""A bench for the bot's decisions: facts around a broker in memory, decisions carried out on it.

No files, no guard, no clock: `decide` asks the pure plan, `carry_out` does what the loop would do
with its Decision, and the broker's answers become events.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from services.trading_bot.decision import Decision, Facts, Policy
from services.trading_bot.plan import plan_follow_up, plan_turn
from services.trading_bot.reconcile import BrokerSnapshot, reconcile
from services.trading_bot.sends import Send, entry_send
from services.trading_bot.strategies.momentum import Momentum
from services.trading_bot.unseen import close_events
from shared.events.apply import apply, apply_all
from shared.events.types import Event, IntentRecorded, OrderRefused, OrderSeen, OutcomeUnknown
from shared.models.broker import Accepted, BrokerOrder, ClockReading, Rejected
from shared.models.limits import Limits
from shared.models.market import Quote
from shared.models.orders import Side
from shared.models.signals import Signal
from shared.models.trading_state import BotState, TradingState
from shared.ports import MarketSnapshot
from tests.support.fake_broker import FakeBroker

NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
POLICY = Policy(
    symbols=frozenset({"AAPL", "MSFT"}),
    limits=Limits(),
    strategies={"momentum": Momentum()},
)


def a_signal(symbol: str = "AAPL", at: datetime = NOON) -> Signal:
    """Buy at 100, stop 99, target 102."""
    return Signal(
        strategy="momentum",
        symbol=symbol,
        side=Side.BUY,
        at=at,
        entry_price=Decimal(100),
        stop_price=Decimal(99),
        target_price=Decimal(102),
        strength=0.5,
        reason="a test",
    )


@dataclass
class BotBench:
    """State and broker side by side; tests set what they want and look at everything."""

    now: datetime = NOON
    broker: FakeBroker = field(default_factory=lambda: FakeBroker(NOON))
    state: BotState = field(default_factory=lambda: BotState("sim", "PA0000000001", "abcd1234"))
    trading_state: TradingState = TradingState.ACTIVE
    is_open: bool = True
    policy: Policy = POLICY
    flatten: str | None = None
    flatten_externals: bool = False
    positions_readable: bool = True
    account_suspended: bool = False
    account_readable: bool = True
    orders_readable: bool = True

    def pass_time(self, seconds: float) -> None:
        """Let market time go on."""
        self.now += timedelta(seconds=seconds)
        self.broker.now = self.now

    def book(self, *events: Event) -> None:
        """Apply events."""
        self.state = apply_all(self.state, events)

    def facts(self) -> Facts:
        """Return this moment as the loop would gather it."""
        account = replace(self.broker.account(), trade_suspended=self.account_suspended)
        quotes = {
            symbol: Quote(symbol, self.now, price - Decimal("0.01"), price + Decimal("0.01"))
            for symbol, price in self.broker.prices.items()
        }
        return Facts(
            reading=ClockReading(
                self.now, self.is_open, self.now + timedelta(hours=20), NOON.replace(hour=21)
            ),
            state=self.state,
            trading_state=self.trading_state,
            account=account if self.account_readable else None,
            broker_positions=dict(self.broker.held) if self.positions_readable else None,
            market=MarketSnapshot(self.now, {}, quotes),
            policy=self.policy,
            flatten=self.flatten,
            flatten_externals=self.flatten_externals,
            foreign_orders=self._foreign_orders(),
        )

    def _foreign_orders(self) -> tuple[BrokerOrder, ...]:
        if not self.orders_readable:
            return ()
        known = self.state.orders.by_broker_id
        shown = self.broker.orders("open")
        return tuple(one for one in shown if known(one.broker_order_id) is None)

    def go_blind(self, *, account_too: bool = True) -> None:
        """Let contracts forbid reading orders and positions."""
        self.orders_readable = self.positions_readable = False
        self.account_readable = not account_too

    def see_again(self) -> None:
        """Let everything be readable."""
        self.orders_readable = self.positions_readable = self.account_readable = True

    def reconcile(self) -> None:
        """Book what a whole reconciliation finds."""
        snapshot = BrokerSnapshot(
            account=self.broker.account(),
            orders=self.broker.orders("all"),
            positions=self.broker.positions(),
            fills=(),
            at=self.now,
        )
        self.book(*reconcile(self.state, snapshot).events)

    def look(self) -> None:
        """Book everything that the broker shows."""
        if not self.orders_readable:
            return
        for order in self.broker.orders("all"):
            self.state = apply(self.state, OrderSeen(order, self.now))

    def send(self, send: Send) -> None:
        """Record and place one order, past the guard."""
        self.book(IntentRecorded((send.order,), self.now))
        own_id = send.request.client_order_id
        match self.broker.place(send.request):
            case Accepted(order):
                self.book(OrderSeen(order, self.now))
            case Rejected(_, code, message):
                self.book(OrderRefused(own_id, code, message, self.now))
            case unknown:
                self.book(OutcomeUnknown(own_id, unknown.reason, self.now))

    def carry_out(self, decision: Decision) -> None:
        """Do what was decided, in its order, and look again."""
        self.book(*decision.bookings)
        for cancel in decision.cancels:
            self.broker.cancel(cancel.broker_order_id)
        for send in (*decision.protective, *decision.exits):
            self.send(send)
        for close in decision.closes:
            self.book(
                *close_events(close, self.broker.close_position(close.symbol, close.qty), self.now)
            )
        for send in decision.entries:
            self.send(send)
        self.look()

    def decide(self) -> Decision:
        """Ask the plan for a whole turn."""
        return plan_turn(self.facts())

    def turn(self, rounds: int = 6) -> list[Decision]:
        """Do one turn as the loop does: decide and act until nothing more is to be done."""
        self.look()
        decisions = [self.decide()]
        self.carry_out(decisions[0])
        while decisions[-1].acts and len(decisions) < rounds:
            decisions.append(plan_follow_up(self.facts()))
            self.carry_out(decisions[-1])
        return decisions

    def enter(self, qty: int = 10, symbol: str = "AAPL") -> str:
        """Place a bracket that rests; returns its client_order_id."""
        self.broker.fills_on_submit = False
        send = entry_send(self.state, a_signal(symbol, self.now), Decimal(qty), self.now)
        self.send(send)
        self.broker.fills_on_submit = True
        return send.request.client_order_id

    def hold(self, qty: int = 10, symbol: str = "AAPL") -> str:
        """Own a position whose bracket is whole; returns the entry's client_order_id."""
        own_id = self.enter(qty, symbol)
        self.broker.prices[symbol] = Decimal(100)
        self.broker.fill(own_id, qty, "100")
        self.look()
        return own_id
