"""What must hold at every moment, judged from the exchange's own books alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.records import LegRole, SimOrder
from shared.models.ids import Decision, make_client_order_id, parse_own_id
from shared.models.orders import OrderStatus, OrderType, Side
from tests.crash.history import SIGNAL_LIFE_S, History, Wish
from tests.crash.on_disk import OnDisk
from tests.crash.person import Person, moves_others
from tests.crash.request_kinds import ENTRY, body_of
from tests.crash.strategy import ScriptedStrategy
from tests.crash.table import COUNT
from tests.crash.venue import Reply, Request

NAKED_S_MAX = 5.0
"""CONTRACTS.md section 9: no share of ours stands without a stop for longer."""
LOOKS_ENOUGH = 5
"""Looks of one process that must find nothing before an order counts as not sent (rule 10)."""
CREATED_SLACK_S = 8.0
"""Market seconds from the end of a wish to its order's arrival: a turn and slow replies."""
LATE_S_MAX = 60.0
"""Market seconds for which a request may be under way after its sender died or gave up."""
ZERO = Decimal(0)
_CARRIERS = ("POST", "PATCH")
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


@dataclass(slots=True)
class Doubt:
    """An order of which the bot cannot know whether it exists."""

    replaces: str = ""
    """Broker id of the order that it was to replace: once that ended, it can never come."""
    looks: int = 0


@dataclass(frozen=True, slots=True)
class Own:
    """What tells the bot's own from everything else."""

    disk: OnDisk
    person: Person


@dataclass(slots=True)
class Watch:
    """Collects violations, each one sentence, and what is worth counting."""

    history: History
    exchange: Exchange
    tally: Counter[str]
    own: Own
    violations: list[str] = field(default_factory=list)
    naked_s: dict[str, float] = field(default_factory=dict)
    worst_naked_s: float = 0.0
    _doubts: dict[str, Doubt] = field(default_factory=dict)
    _entries: dict[str, str] = field(default_factory=dict)
    """Decision (symbol and second of the wish) → the id of its one entry."""

    def violated(self, words: str) -> None:
        """Note a violation, once."""
        if words not in self.violations:
            self.violations.append(words)

    # --- moments

    def passed(self, seconds: float, *, counts: bool) -> None:
        """Look at the books after market time went on; `counts` says that the bot lives and the
        broker can be reached.
        """
        for symbol in self.exchange.market.symbols:
            self._look(symbol, seconds, counts=counts)

    def excused(self) -> None:
        """The broker could not be reached, or the bot is new: its seconds begin again."""
        self.naked_s.clear()

    def _look(self, symbol: str, seconds: float, *, counts: bool) -> None:
        held = self.exchange.books.positions.get(symbol)
        shown = held.qty if held is not None else ZERO
        qty = shown - self.own.person.held(symbol)
        if qty < 0:
            self.violated(f"{symbol}: a short of {qty} shares")
        stops = sum((_covers(one) for one in self.exchange.books.live_orders(symbol)), ZERO)
        if qty <= stops:
            self.naked_s.pop(symbol, None)
            return
        if not counts:
            return
        naked_s = self.naked_s.get(symbol, 0.0) + seconds
        self.naked_s[symbol] = naked_s
        self.worst_naked_s = max(self.worst_naked_s, naked_s)
        if naked_s > NAKED_S_MAX:
            self.violated(f"{symbol}: {qty} shares, stops for {stops}, longer than {NAKED_S_MAX} s")

    # --- requests

    def arrives(self, request: Request, what: str, *, is_stopped: bool, is_paused: bool) -> None:
        """Judge a request at its arrival, while its sender waits for the reply."""
        if request.is_write and not self.own.disk.is_locked():
            self.violated(f"{what} arrived although nobody held the trading lock")
        if what != ENTRY:
            return
        own_id = own_id_of(request)
        if not self.own.disk.knows(own_id):
            self.violated(f"{own_id}: an entry arrived whose intent is not on the disk")
        if is_stopped:
            self.violated("an entry arrived while the emergency stop was set")
        if is_paused:
            self.violated("an entry arrived although the pause was answered as done")
        if self._doubts:
            ids = ", ".join(sorted(self._doubts))
            self.violated(f"an entry arrived while the outcome of {ids} was unknown")

    def reply_broken(self, request: Request) -> None:
        """The bot will not know what became of this request."""
        own_id = own_id_of(request)
        if own_id:
            is_change = request.method == "PATCH"
            self._doubts[own_id] = Doubt(request.target.rpartition("/")[2] if is_change else "")
            self.tally[f"{COUNT}: unknown outcomes"] += 1

    def reply_seen(self, request: Request, reply: Reply) -> None:
        """The bot gets this reply whole: what it shows is in doubt no more."""
        if not self._doubts:
            return
        for own_id in list(self._doubts):
            if own_id.encode() in reply.body and reply.status == 200:
                del self._doubts[own_id]
                self.tally[f"{COUNT}: unknowns found"] += 1
            elif reply.status == 404 and own_id in request.target:
                self._doubts[own_id].looks += 1
                if self._doubts[own_id].looks >= LOOKS_ENOUGH:
                    self._proved_absent(own_id)
            elif reply.status == 200 and self._shows_end(self._doubts[own_id].replaces, reply):
                self._proved_absent(own_id)

    def _proved_absent(self, own_id: str) -> None:
        del self._doubts[own_id]
        self.tally[f"{COUNT}: unknowns proved absent"] += 1

    def _shows_end(self, broker_id: str, reply: Reply) -> bool:
        """Whether the reply shows this order as ended, and not by being replaced."""
        if not broker_id or broker_id.encode() not in reply.body:
            return False
        order = self.exchange.books.find(broker_id)
        if order is None or order.is_live:
            return False
        return order.status is not OrderStatus.REPLACED

    def told(self, data: bytes) -> None:
        """The bot hears this from the trade stream, too."""
        for own_id in [one for one in self._doubts if one.encode() in data]:
            del self._doubts[own_id]
            self.tally[f"{COUNT}: unknowns found"] += 1

    def born(self) -> None:
        """A new process looks again from the beginning."""
        for doubt in self._doubts.values():
            doubt.looks = 0
        self.excused()

    @property
    def has_doubts(self) -> bool:
        """Whether the bot still has an outcome to find out."""
        return bool(self._doubts)

    def orders_changed(self) -> None:
        """Judge what stands in the books after a request: one entry per decision, no more."""
        for order in self.exchange.books.orders.values():
            own = parse_own_id(order.client_order_id)
            if own is None or order.side is not Side.BUY:
                continue
            decision = self._decision_of(order)
            known = self._entries.setdefault(decision, order.client_order_id)
            if decision == "":
                self.violated(f"{order.client_order_id}: an entry that nobody decided")
            elif known != order.client_order_id:
                self.violated(f"{order.symbol}: doubled, {known} and {order.client_order_id}")

    def _decision_of(self, order: SimOrder) -> str:
        """Return the wish that the id stands for, however late the order arrived; for another id
        the one of whose time it is, empty for none.
        """
        for wish in self.history.wishes:
            if order.client_order_id == self._id_of(wish, order):
                return f"{wish.symbol} {wish.at_s}"
        begins_at = self.exchange.market.begins_at
        second = (order.created_at - begins_at).total_seconds()
        for wish in self.history.wishes:
            last_s = wish.at_s + SIGNAL_LIFE_S + CREATED_SLACK_S
            late_s = last_s + LATE_S_MAX
            if wish.symbol == order.symbol and wish.at_s <= second <= late_s:
                next_wish = [
                    other.at_s
                    for other in self.history.wishes
                    if other.symbol == wish.symbol and wish.at_s < other.at_s <= second
                ]
                if not next_wish:
                    return f"{wish.symbol} {wish.at_s}"
        return ""

    def _id_of(self, wish: Wish, order: SimOrder) -> str:
        own = parse_own_id(order.client_order_id)
        at = self.exchange.market.begins_at + timedelta(seconds=wish.at_s)
        account_id = self.exchange.books.account.account_id
        parts = Decision(account_id, ScriptedStrategy.name, wish.symbol, order.side.value, at)
        return make_client_order_id(own.epoch, parts) if own is not None else ""


def own_id_of(request: Request) -> str:
    """Return the client_order_id that a POST or PATCH of an order carries, else nothing."""
    own_id = body_of(request).get("client_order_id") if request.method in _CARRIERS else None
    return own_id if isinstance(own_id, str) else ""


def _covers(order: SimOrder) -> Decimal:
    """Return the shares that an order protects or sells at any price."""
    if order.side is not Side.SELL or not order.is_live or order.inert:
        return ZERO
    if moves_others(order.client_order_id):
        return ZERO
    return order.remaining if order.type in _STOPS or order.type is OrderType.MARKET else ZERO


def is_ours(order: SimOrder) -> bool:
    """Whether the bot sent the order, or it is a leg of such a one."""
    return parse_own_id(order.client_order_id) is not None or order.role is not LegRole.SINGLE
